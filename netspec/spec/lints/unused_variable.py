"""Variables that no `${}` reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from netspec.spec.lints.lint import Finding, Lint, Subject
from netspec.spec.tree import Map, Node, scalars

_PIECE: Final = re.compile(r"(?<!\$)\$\{([^{}]*)\}")
_NAME: Final = re.compile(r"[^\W\d]\w*")


def _find(subject: Subject) -> Iterator[Finding]:
    written = subject.document.written
    own = written.get("vars")
    if not isinstance(own, Map):
        return
    # Inside a block `${}` sees the parameters of the block alone.
    used = {n for key, entry in written.entries.items() if key not in ("vars", "blocks") for n in _read(entry.value)}
    open_ = [name for name in own.entries if name in used]
    while open_:
        inner = _read(own.entries[open_.pop()].value) - used
        used |= inner
        open_ += [name for name in own.entries if name in inner]
    for name, entry in own.entries.items():
        if name not in used and entry.key_span.file == subject.document.file:
            helps = (f"read it by `${{{name}}}`, or take it out",)
            yield Finding(f"no `${{}}` reads the variable `{name}`", entry.key_span, helps=helps)


def _read(node: Node) -> set[str]:
    """The names in every `${}` at and below ``node``."""
    texts = [scalar.value for scalar in scalars(node) if isinstance(scalar.value, str)]
    return {name for text in texts for inner in _PIECE.findall(text) for name in _NAME.findall(inner)}


LINT = Lint(
    code="unused-variable",
    meaning="A variable under `vars` is read by no `${}`.",
    why="A variable that nothing reads changes nothing, be it set in the file or by `--set vars.NAME=...`: most often"
    " a number was written out where the variable was meant. Variables of included files are not told.",
    find=_find,
    bad="""\
netspec: 1
vars: {width: 32}
network:
  inputs: {x: [16]}
  layers: [{dense: 32}]
""",
    good="""\
netspec: 1
vars: {width: 32}
network:
  inputs: {x: [16]}
  layers: [{dense: "${width}"}]
""",
)
