"""`netspec doctor`: what this machine has for netspec, and what stands in the way."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from netspec.cli import faults, streams
from netspec.cli.group import Command
from netspec.cli.options import json_option

_MARGIN: Final = 12
_JOINED: Final = "\N{NO-BREAK SPACE}"


@click.command(cls=Command, section="look", place=4, examples=["netspec doctor", "netspec doctor --quick --json"])
@click.option("--quick", is_flag=True, help="Do not measure what processor and memory can do.")
@json_option("Print one JSON object.")
def command(quick: bool, as_json: bool) -> int:
    """Look over this machine: processor, limits, threads, folders, packages.

    Whatever stands in the way is told with the way out. The exit code is 4 if nothing can be trained here.
    """
    from netspec import api

    examined = api.doctor(measure=not quick)
    if as_json:
        streams.json_result(examined.summary())
    else:
        streams.result(describe(examined.facts, streams.width_of(sys.stdout)))
        streams.diagnostics("".join(f"\n{text}" for text in examined.rendered()))
    return faults.WELL if examined.works else faults.ENVIRONMENT


def describe(facts: Mapping[str, Any], width: int | None) -> str:
    """A line a subject, in words; long ones go on below themselves."""
    lines = []
    for subject, text in _lines(facts):
        room = max((width or 100) - _MARGIN, 30)
        wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        lines.append(f"{subject:{_MARGIN}}{wrapped[0]}".rstrip())
        lines += [" " * _MARGIN + line for line in wrapped[1:]]
    return "\n".join(lines).replace(_JOINED, " ")


def _lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from netspec.cli.table import counted
    from netspec.memory import amount

    versions = dict(facts["versions"])
    yield "netspec", f"{versions.pop('netspec')}, Python {versions.pop('python')}, {facts['system']}"
    processor = facts["processor"]
    yield "processor", _named(processor)
    if "features" in processor:
        yield "", ", ".join(processor["features"]) or "no vector features"
    usable, count = processor["usable"], processor["count"]
    yield "threads", counted(usable, "thread") if usable == count else f"{usable} of {count} may be used here"
    yield from _measured(facts.get("measured") or {})
    cache = facts["cache"]
    state = "" if cache["writable"] else ", cannot be used"
    size = f"{counted(cache['kernels'], 'kernel')}, {amount(cache['bytes'])}"
    yield "kernels", f"{cache['folder']} (from {cache['from']}): {size}{state}{_free(cache)}"
    for i, data in enumerate(facts["data"]):
        held = ", ".join(data["holds"]) if data["holds"] else "nothing yet" if data["exists"] else "not there"
        yield "" if i else "data", f"{data['folder']} (from {data['from']}): {held}"
    runs = facts["runs"]
    state = "" if runs["writable"] else ", cannot be written"
    yield "runs", f"{runs['folder']} (from {runs['from']}): {counted(runs['runs'], 'run')}{state}{_free(runs)}"
    yield "packages", ", ".join(_package(name, version) for name, version in versions.items())
    for i, (extra, packages) in enumerate(facts["extras"].items()):
        way = "" if all(packages.values()) else f" (pip install 'netspec[{extra}]')"
        yield "" if i else "extras", f"{extra}: {', '.join(_package(*item) for item in packages.items())}{way}"


def _named(processor: Mapping[str, Any]) -> str:
    if "level" not in processor:
        return str(processor["name"])
    rows, columns = processor["tile"]
    return (
        f"{processor['name']}, {processor['kind']}: {processor['level']} kernels, tiles of {rows} x {columns}, "
        f"{processor['arithmetic']}"
    )


def _measured(measured: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, str]]:
    units = {"flops": ("arithmetic", "GFLOP/s"), "memory": ("memory", "GB/s read and written")}
    for key, values in measured.items():
        name, unit = units[key]
        shown = [
            f"{value / 1e9:.1f} {unit} with {count} thread{'s' * (count != '1')}" for count, value in values.items()
        ]
        yield name, ", ".join(shown)


def _free(place: Mapping[str, Any]) -> str:
    from netspec.memory import amount

    return "" if place["free"] is None else f"; {amount(place['free'])} free"


def _package(name: str, version: str | None) -> str:
    return f"{name}{_JOINED}{version or 'missing'}"
