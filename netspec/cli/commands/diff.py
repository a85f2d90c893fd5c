"""`netspec diff`: what differs between two specs, whatever they look like."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option

if TYPE_CHECKING:
    from netspec.comparison import Change, Comparison, LayerChange

_COLOURS: Final = {"+": "green", "-": "red", "~": "yellow"}
_LONGEST: Final = 44
"""Of a value; the whole stands in ``--json``."""


@click.command(
    cls=Command,
    section="check",
    place=6,
    examples=["netspec diff old.yaml new.yaml", "netspec diff @last digits.yaml", "netspec diff --json a.yaml b.yaml"],
)
@click.argument("before", metavar="SPEC_OR_RUN")
@click.argument("after", metavar="SPEC_OR_RUN")
@click.option("--exit-code", "by_code", is_flag=True, help="Exit with 1 if anything differs; else 0 in both cases.")
@json_option("Print one JSON object, with every value whole.")
def command(before: str, after: str, by_code: bool, as_json: bool) -> int:
    """Print what differs between two specs: layers, shapes, parameters, data, training.

    How they are written makes no difference: includes, variables, blocks and repeats are written out, and defaults
    filled in. Layers are found by their names. A run stands for the spec that it was trained by.
    """
    from netspec import api

    for target in (before, after):
        _check_target(target)
    found = api.diff(before, after)
    if as_json:
        streams.json_result({"before": before, "after": after, **found.facts()})
    elif found.same:
        streams.say("they describe the same network, data and training")
    else:
        colours = streams.has_colour(sys.stdout)
        for line in (f"- {before}", f"+ {after}", *_lines(found, streams.width_of(sys.stdout))):
            streams.result(_coloured(line) if colours else line)
    return 1 if by_code and not found.same else 0


def _check_target(target: str) -> None:
    """A spec that is not there gets the nearest that is; everything else may be a run."""
    from netspec.cli.specfiles import SpecPath

    if target.endswith((".yaml", ".yml")):
        SpecPath().convert(target, None, None)


def _coloured(line: str) -> str:
    sign = re.match(r" *([-+~]) ", line)
    return click.style(line, fg=_COLOURS[sign[1]]) if sign else click.style(line, bold=True) if line else line


def _lines(found: Comparison, width: int | None) -> Iterator[str]:
    if found.removed or found.added or found.changed:
        yield from ("", "layers")
        yield from _listed("-", found.removed, width)
        yield from _listed("+", found.added, width)
        for _, same in groupby(found.changed, key=lambda layer: (layer.kind, layer.changes)):
            yield from _changed(list(same), width)
    if found.totals:
        yield from ("", "total")
        yield from _changes(found.totals, width)
    if found.settings:
        yield from ("", "settings")
        yield from _changes(found.settings, width)


def _listed(sign: str, layers: Sequence[Mapping[str, Any]], width: int | None) -> Iterator[str]:
    """What one side has alone, aligned: a layer a line, or a block, or copies of a block."""
    parts = [list(group) for _, group in groupby(layers, key=lambda layer: layer["part"])]
    rows = [_part(list(copies)) for _, copies in groupby(parts, key=_looks)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        aligned = "  ".join(cell.ljust(space) for cell, space in zip(row, widths, strict=True))
        yield _cut(f"  {sign} {aligned}".rstrip(), width)


def _looks(part: Sequence[Mapping[str, Any]]) -> object:
    """What is the same in all copies of a block."""
    if part[0]["name"] == part[0]["part"]:
        return part[0]["name"]
    return [(layer["kind"], layer["output"], layer["parameters"]) for layer in part]


def _part(copies: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """A row: name, what it is, output, parameters."""
    from netspec.cli.table import count, counted

    first, layers = copies[0], [layer for copy in copies for layer in copy]
    name = first[0]["part"] + (f" to {copies[-1][0]['part']}" if len(copies) > 1 else "")
    is_layer = first[0]["name"] == first[0]["part"]
    output = layers[-1]["output"]
    shape = "" if output is None else f"[{', '.join(map(str, output))}]"
    known = [layer["parameters"] for layer in layers]
    parameters = layers[0].get("parameters_formula", "?") if None in known else count(sum(known))
    said = "" if parameters == "0" else f"{parameters} parameters"
    return [name, first[0]["kind"] if is_layer else counted(len(layers), "layer"), shape, said]


def _changed(layers: Sequence[LayerChange], width: int | None) -> Iterator[str]:
    """Layers in which the same differs, as one."""
    first, last = layers[0], layers[-1]
    names = first.name if len(layers) == 1 else f"{first.name} to {last.name} ({len(layers)} layers)"
    yield _cut(f"  ~ {names}  {first.kind}", width)
    yield from _changes(first.changes, width, "      ", sign="")


def _changes(changes: Sequence[Change], width: int | None, indent: str = "  ", sign: str = "~ ") -> Iterator[str]:
    space = max(len(change.key) for change in changes)
    for change in changes:
        mark = sign and ("+ " if change.before is None else "- " if change.after is None else sign)
        yield _cut(f"{indent}{mark}{change.key.ljust(space)}  {_turned(change)}", width)


def _turned(change: Change) -> str:
    if change.before is None:
        return _value(change.after)
    return f"{_value(change.before)} -> {'nothing' if change.after is None else _value(change.after)}"


def _value(value: Any) -> str:
    from netspec.cli.table import count
    from netspec.spec.emit import flow

    if isinstance(value, int) and not isinstance(value, bool):
        return count(value)
    text = value if isinstance(value, str) else flow(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: width - 1]}…"
