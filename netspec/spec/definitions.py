"""What a spec defines for its own use: variables, blocks, cells, activations, losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from netspec.catalog.activations import Activation, defined_activation
from netspec.catalog.layers import Layer
from netspec.catalog.losses import Loss
from netspec.compiler.formula import FormulaError
from netspec.declared import Declared
from netspec.diagnostics import Report
from netspec.spec.blocks import Block, check_name, read_block
from netspec.spec.cells import read_cell
from netspec.spec.formulas import inside
from netspec.spec.items import Kinds
from netspec.spec.tree import Entry, Map, Node, Scalar, describe, is_broken
from netspec.spec.validation import Place, unknown_key

K = TypeVar("K", bound=Declared)

FORMULA_KEYS: Final[Mapping[str, str]] = {
    "params": "Numbers that a use may set, by name: a default, or `number` for one that it must.",
    "formula": "The formula; alone it stands right behind the name.",
}
"""What the definition of an activation or a loss holds."""


@dataclass
class Definitions:
    """The kinds that only this spec has."""

    kinds: Kinds
    blocks: dict[str, Block] = field(default_factory=dict)
    losses: dict[str, type[Loss]] = field(default_factory=dict)
    broken_losses: set[str] = field(default_factory=set)


def read_definitions(root: Map, base: Path | None, report: Report) -> Definitions:
    """Everything that `blocks`, `cells`, `activations` and `losses` define; formulas have no `${}` left."""
    found = Definitions(Kinds(report, base))
    kinds = found.kinds
    for entry in section(root, "blocks", report):
        if _claim(entry, kinds, report):
            block = read_block(entry, report)
            if block is None:
                kinds.broken.add(entry.key)
            else:
                found.blocks[entry.key] = block
    for entry in section(root, "activations", report):
        if _claim(entry, kinds, report):
            made = _formula_kind(entry, defined_activation, report)
            if made is None:
                kinds.broken.add(entry.key)
            else:
                kinds.activations[entry.key] = made
    _cells(root, kinds, report)
    for entry in section(root, "losses", report):
        check_name(entry.key, "the name of a loss", entry.key_span, report)
        if entry.key in Loss.kinds:
            _hides(entry, "loss", report)
        from netspec.catalog.losses.defined import defined_loss

        loss = _formula_kind(entry, defined_loss, report)
        if loss is None:
            found.broken_losses.add(entry.key)
        else:
            found.losses[entry.key] = loss
    return found


def section(root: Map, key: str, report: Report) -> list[Entry]:
    """The entries of a map at the top, none if it is not there."""
    value = root.get(key)
    if value is None or is_broken(value):
        return []
    if isinstance(value, Map):
        return list(value.entries.values())
    report.error("wrong-type", f"`{key}` takes a map of names, got {describe(value)}", value.span)
    return []


def _claim(entry: Entry, kinds: Kinds, report: Report) -> bool:
    """Whether the name is free among blocks, cells and activations, which share one namespace."""
    first = kinds.names.get(entry.key)
    if first is not None:
        message = (
            f"`{entry.key}` is defined on line {first.line} already; blocks, cells and activations share their names"
        )
        report.error("duplicate-name", message, entry.key_span)
        return False
    kinds.names[entry.key] = entry.key_span
    if entry.key in Layer.kinds or entry.key in Activation.kinds:
        _hides(entry, "layer" if entry.key in Layer.kinds else "activation", report)
    return True


def _hides(entry: Entry, what: str, report: Report) -> None:
    report.warning("hides-built-in", f"`{entry.key}` hides the built-in {what} of that name", entry.key_span)


def _cells(root: Map, kinds: Kinds, report: Report) -> None:
    for entry in section(root, "cells", report):
        if not _claim(entry, kinds, report):
            continue
        cell = read_cell(entry, report)
        if cell is None:
            kinds.broken.add(entry.key)
        else:
            kinds.cells[entry.key] = cell


def _formula_kind(
    entry: Entry, make: Callable[[str, str, Mapping[str, float | None]], type[K]], report: Report
) -> type[K] | None:
    """The kind that one entry defines by a formula, bare or beside its `params`."""
    if not check_name(entry.key, "a kind", entry.key_span, report):
        return None
    parameters: dict[str, float | None] = {}
    formula = _formula(entry, parameters, report)
    if formula is None:
        return None
    try:
        return make(entry.key, str(formula.value), parameters)
    except FormulaError as fault:
        where = inside(formula, fault.offset, fault.end, report)
        report.error("bad-formula", fault.message, where, helps=[fault.advice] if fault.advice else [])
    return None


def _formula(entry: Entry, parameters: dict[str, float | None], report: Report) -> Scalar | None:
    """The formula's text under one key; its parameters go to ``parameters``."""
    node: Node | None = entry.value
    is_sound = True
    if isinstance(entry.value, Map):
        for key, inner in entry.value.entries.items():
            if key not in FORMULA_KEYS:
                place = Place(f"`{entry.key}`", entry.key_span)
                unknown_key(key, inner.key_span, list(FORMULA_KEYS), place, report)
        for parameter in section(entry.value, "params", report):
            is_sound = _formula_parameter(parameter, parameters, report) and is_sound
        node = entry.value.get("formula")
    if node is None:
        report.error("missing-key", f"`{entry.key}` needs `formula`", entry.key_span)
    elif not isinstance(node, Scalar) or isinstance(node.value, bool):
        report.error("wrong-type", f"a formula is text, got {describe(node)}", node.span)
    elif is_sound and node.value is not None:
        return node
    return None


def _formula_parameter(entry: Entry, parameters: dict[str, float | None], report: Report) -> bool:
    if not check_name(entry.key, "a parameter", entry.key_span, report):
        return False
    value = entry.value.value if isinstance(entry.value, Scalar) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        parameters[entry.key] = float(value)
    elif value in ("number", "integer"):
        parameters[entry.key] = None
    else:
        message = f"the parameter of a formula is a default or `number`, got {describe(entry.value)}"
        report.error("wrong-type", message, entry.value.span)
        return False
    return True
