"""`netspec show`: what a spec describes, and what the compiler made of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option, overrides_option, spec_argument, threads_option


@click.command(
    cls=Command,
    section="check",
    place=2,
    examples=[
        "netspec show specs/digits.yaml",
        "netspec show specs/digits.yaml --emit kernels",
        "netspec show specs/digits.yaml --emit graph --after fuse-maps",
    ],
)
@spec_argument
@click.option(
    "--emit",
    type=click.Choice(["graph", "kernels", "llvm", "asm"]),
    metavar="WHAT",
    help="Print what the compiler made: graph, kernels, llvm or asm.",
)
@click.option("--after", metavar="PASS", help="With --emit graph: the graph as PASS left it.")
@overrides_option
@threads_option
@json_option("Print one JSON object.")
def command(
    *,
    spec: Path,
    emit: str | None,
    after: str | None,
    overrides: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Print layers, shapes, parameters, multiply-adds and memory."""
    if after and emit != "graph":
        raise click.UsageError("`--after` goes with `--emit graph`")
    if as_json and emit:
        raise click.UsageError("`--json` and `--emit` exclude each other")
    from netspec import api

    compiled = api.compile(spec, overrides=overrides, threads=threads)
    if emit:
        streams.result(compiled.emit(emit, after=after).rstrip("\n"))
    elif as_json:
        streams.json_result(compiled.summary())
    else:
        streams.result(describe(compiled.summary(), streams.width_of(sys.stdout)))


def describe(summary: dict[str, Any], width: int | None) -> str:
    """The facts of ``show --json`` as a table and three lines of totals."""
    from netspec.cli.table import Column, count, table

    columns = [
        Column("line", "right"),
        Column("layer", may_shrink=True),
        Column("kind", may_shrink=True),
        Column("output", may_shrink=True),
        Column("parameters", "right"),
        Column("multiply-adds", "right"),
    ]
    rows = [
        [
            count(layer.get("line")),
            layer["name"],
            layer["kind"],
            _shape(layer["output"]),
            _fact(layer, "parameters"),
            _fact(layer, "macs"),
        ]
        for layer in summary["layers"]
    ]
    total = ["", "total", "", "", _fact(summary, "parameters"), _fact(summary, "macs")]
    lines = [table(columns, [*rows, total], width), ""]
    if summary.get("frozen"):
        lines.append(f"frozen      {count(summary['frozen'])} parameters that training leaves alone")
    lines += _memory(summary.get("peak_bytes") or {})
    return "\n".join(lines)


def _memory(peak: dict[str, Any]) -> list[str]:
    from netspec.cli.table import amount, counted

    lines = []
    for use, name in (("train", "training"), ("predict", "prediction")):
        facts = peak.get(use)
        if facts and facts.get("bytes") is not None:
            with_ = f"batch {facts['batch']}, {counted(facts['threads'], 'thread')}"
            lines.append(f"{name:10}  {amount(facts['bytes'])} of memory ({with_})")
    return lines


def _fact(facts: dict[str, Any], key: str) -> str:
    from netspec.cli.table import count

    value = facts.get(key)
    return count(value if value is not None else facts.get(f"{key}_formula"))


def _shape(shape: Any) -> str:
    return shape if isinstance(shape, str) else f"[{', '.join(map(str, shape))}]"
