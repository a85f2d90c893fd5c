"""`netspec new`: a spec to begin with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import existing_path, json_option

if TYPE_CHECKING:
    from netspec.gallery import Entry
    from netspec.scaffold.templates import Template


@click.command(
    cls=Command,
    section="look",
    place=3,
    examples=[
        "netspec new",
        "netspec new table",
        "netspec new playground/spiral -o mine.yaml",
        "netspec new --data houses.csv --target price",
    ],
)
@click.argument("name", required=False)
@click.option("--data", type=existing_path("FILE"), help="Propose a spec for this CSV file.")
@click.option("--target", metavar="COLUMN", help="With --data: the column to learn; else the last one.")
@click.option(
    "-o",
    "out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it; else NAME.yaml in this folder.",
)
@json_option("Print one JSON object: what there is, or what was written.")
def command(name: str | None, data: Path | None, target: str | None, out: Path | None, as_json: bool) -> None:
    """Write a spec to begin with: a template, a spec of the gallery, or a proposal for a CSV file.

    NAME is a template or a spec of the gallery; without it they are listed. Their data come with netspec, so each can
    be trained at once. With --data the columns of a CSV file are looked at, and the spec says what to read, the loss, a
    network of sensible size, and why. A file that is there is never overwritten.
    """
    from netspec import api

    if data is None and name is not None and name.endswith((".csv", ".tsv")) and Path(name).is_file():
        data, name = Path(name), None
    if target is not None and data is None:
        raise click.UsageError("`--target` goes with `--data`")
    if data is not None:
        if name is not None:
            raise click.UsageError(f"`{name}` and `--data` exclude each other")
        _tell(data.stem, api.new_from_data(data, out, target=target), "train", as_json)
    elif name is not None:
        written, entry = api.new(name, out)
        _tell(entry.name, written, "train" if entry.trains else "evaluate", as_json)
    elif out is not None:
        raise click.UsageError("`-o` goes with the name of a spec; `netspec new` lists them")
    else:
        _list(api.templates(), api.gallery(), as_json)


def _tell(name: str, written: Path, verb: str, as_json: bool) -> None:
    from netspec.api.writing import SCHEMA

    if as_json:
        streams.json_result({"name": name, "file": str(written)})
        return
    streams.result(f"wrote {written}")
    streams.say(f"next  netspec {verb} {written}")
    schema = written.with_name(SCHEMA)
    if not schema.exists():
        streams.say(f"      netspec schema -o {schema}   # lets editors complete and check it")


def _list(templates: Sequence[Template], entries: Sequence[Entry], as_json: bool) -> None:
    if as_json:
        streams.json_result({"templates": _facts(templates), "gallery": _facts(entries)})
        return
    from netspec.cli.table import Column, table

    width = streams.width_of(sys.stdout)
    what = [Column("template"), Column("what it is for", may_shrink=True)]
    streams.result(table(what, [[entry.name, entry.summary] for entry in templates], width) + "\n")
    what = [Column("gallery"), Column("what it shows", may_shrink=True)]
    streams.result(table(what, [[entry.name, entry.summary] for entry in entries], width))
    streams.say("\n`netspec new NAME` writes one, `netspec train NAME.yaml` trains it")
    streams.say("`netspec new --data FILE.csv` proposes one for a table of your own")


def _facts(entries: Sequence[Template] | Sequence[Entry]) -> list[dict[str, str]]:
    return [{"name": entry.name, "summary": entry.summary} for entry in entries]
