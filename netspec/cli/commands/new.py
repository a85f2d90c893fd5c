"""`netspec new`: a spec to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option

if TYPE_CHECKING:
    from netspec.gallery import Entry


@click.command(
    cls=Command,
    section="look",
    place=3,
    examples=["netspec new", "netspec new digits", "netspec new playground/spiral -o mine.yaml"],
)
@click.argument("name", required=False)
@click.option(
    "-o",
    "out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it; else NAME.yaml in this folder.",
)
@json_option("Print one JSON object: the gallery, or what was written.")
def command(name: str | None, out: Path | None, as_json: bool) -> None:
    """Write a small spec of the gallery to begin with.

    Without NAME the gallery is listed. Its data come with netspec, so each can be trained at once. A file that is there
    is never overwritten.
    """
    from netspec import api

    if name is None:
        if out is not None:
            raise click.UsageError("`-o` goes with the name of a spec; `netspec new` lists them")
        _list(api.gallery(), as_json)
        return
    written, entry = api.new(name, out)
    if as_json:
        streams.json_result({"name": entry.name, "file": str(written)})
    else:
        streams.result(f"wrote {written}")
        streams.say(f"next  netspec {'train' if entry.trains else 'evaluate'} {written}")


def _list(entries: list[Entry], as_json: bool) -> None:
    if as_json:
        streams.json_result({"gallery": [{"name": entry.name, "summary": entry.summary} for entry in entries]})
        return
    from netspec.cli.table import Column, table

    columns = [Column("name"), Column("what it shows", may_shrink=True)]
    rows = [[entry.name, entry.summary] for entry in entries]
    streams.result(table(columns, rows, streams.width_of(sys.stdout)))
    streams.say("\n`netspec new NAME` writes one, `netspec train NAME.yaml` trains it")
