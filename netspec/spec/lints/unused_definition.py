"""Blocks, cells, activations and losses that the spec defines and nothing uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from netspec.spec.lints.lint import Finding, Lint, Subject
from netspec.spec.tree import NOTHING, Entry, List, Map, Node, Scalar, scalars

_SECTIONS: Final = {"blocks": "block", "cells": "cell", "activations": "activation", "losses": "loss"}
_WORD: Final = re.compile(r"\w+")


def _find(subject: Subject) -> Iterator[Finding]:
    written = subject.document.written
    chosen = {scalar.value for scalar in scalars(written.get("vars") or NOTHING)}
    defined: dict[str, tuple[str, Entry]] = {}
    for section, what in _SECTIONS.items():
        own = written.get(section)
        if isinstance(own, Map) and not chosen & own.entries.keys():
            defined |= {entry.key: (what, entry) for entry in own.entries.values()}
    used = {word for key, entry in written.entries.items() if key not in _SECTIONS for word in words(entry.value)}
    open_ = [name for name in defined if name in used]
    while open_:
        inner = words(defined[open_.pop()][1].value) - used
        used |= inner
        open_ += [name for name in defined if name in inner]
    for name, (what, entry) in defined.items():
        # What an included file defines is a store for many specs.
        if name not in used and entry.key_span.file == subject.document.file:
            yield Finding(f"nothing uses the {what} `{name}`", entry.key_span, helps=("use it, or take it out",))


def words(node: Node) -> set[str]:
    """Every word of the keys and texts at and below ``node``: whatever could be a name."""
    if isinstance(node, Scalar):
        return set(_WORD.findall(node.value)) if isinstance(node.value, str) else set()
    if isinstance(node, List):
        return {word for item in node.items for word in words(item)}
    below = {word for entry in node.entries.values() for word in words(entry.value)}
    return below | set(node.entries)


LINT = Lint(
    code="unused-definition",
    meaning="A block, cell, activation or loss that the spec defines is used nowhere.",
    why="What is defined and not used is most often used under a mistyped name elsewhere, or left over. Definitions "
    "of included files are not told: they serve other specs too; nor are those among which a variable chooses.",
    find=_find,
    bad="""\
netspec: 1
activations: {squash: 1.7159 * tanh(2/3 * x)}
network:
  inputs: {x: [16]}
  layers: [{dense: {units: 8, activation: tanh}}]
""",
    good="""\
netspec: 1
activations: {squash: 1.7159 * tanh(2/3 * x)}
network:
  inputs: {x: [16]}
  layers: [{dense: {units: 8, activation: squash}}]
""",
)
