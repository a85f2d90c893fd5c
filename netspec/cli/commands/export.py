"""`netspec export`: a trained network for other programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option, threads_option


@click.command(
    cls=Command,
    section="use",
    place=4,
    examples=["netspec export @last --to numpy", "netspec export digits-0001 --to safetensors,numpy -o models/"],
)
@click.argument("run")
@click.option("--to", "formats", required=True, metavar="FORMATS", help="Formats, with commas between them.")
@click.option(
    "-o", "out", metavar="PATH", help="A folder (a new one ends with /), or the name of the files; else here."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@threads_option
@json_option("Print one JSON object.")
def command(*, run: str, formats: str, out: str | None, force: bool, threads: int | None, as_json: bool) -> None:
    """Write what RUN has learnt for other programs.

    safetensors: the best weights by their paths, which `netspec train --weights` reads too. numpy: one Python file
    that needs nothing but NumPy and takes raw rows, its weights beside it if they are many. What is written is run at
    once, and kept if it predicts as the compiled network does.
    """
    from netspec import api

    done = api.export(run, [name.strip() for name in formats.split(",")], out, threads=threads, force=force)
    facts = [exported.summary() for exported in done]
    if as_json:
        streams.json_result({"exported": facts})
    else:
        streams.result(describe(facts, streams.width_of(sys.stdout)))


def describe(exported: Sequence[dict[str, Any]], width: int | None) -> str:
    """A row a format: its files, and how far it is at most from the compiled network."""
    from netspec.cli.table import Column, table

    rows = [
        [facts["format"], ", ".join(facts["files"]), *(_check(facts.get(kind)) for kind in ("random", "real"))]
        for facts in exported
    ]
    columns = [Column("format"), Column("files", may_shrink=True), Column("random rows"), Column("rows of the data")]
    return f"{table(columns, rows, width)}\n\nlargest differences from the compiled network"


def _check(facts: dict[str, Any] | None) -> str:
    return f"{facts['difference']:.1e} of {facts['rows']}" if facts else "not here"
