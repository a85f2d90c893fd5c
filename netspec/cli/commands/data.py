"""`netspec data`: which data there are, where they lie, and what is in them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import include_option, json_option, offline_option
from netspec.cli.specfiles import SpecPath

if TYPE_CHECKING:
    from netspec.data.known import DataSet
    from netspec.train.preview import Preview


@click.command(
    cls=Command,
    section="look",
    place=1,
    examples=["netspec data", "netspec data iris", "netspec data specs/mpg.yaml", "netspec data --fetch mnist"],
)
@click.argument("target", metavar="[NAME_OR_SPEC_OR_FILE]", required=False)
@click.option("--fetch", is_flag=True, help="Download the files of NAME if they are not here, and check their SHA-256.")
@offline_option
@include_option
@json_option("Print one JSON object.")
def command(target: str | None, fetch: bool, offline: bool, as_json: bool) -> None:
    """List the data sets that are known by name, or show what is in some data.

    With the name of a data set: where it lies, its licence, its columns. With a spec: the columns of its source, and
    the fields that it makes of them. With a file (CSV, Parquet, NPZ, NPY, IDX, text, a zip archive of pictures) or
    a folder of pictures: its columns.
    """
    if target is None:
        if fetch:
            raise click.UsageError("`--fetch` needs the name of a data set, as in `netspec data --fetch mnist`")
        _list(as_json)
        return
    from netspec import api

    path = Path(target)
    if path.suffix in (".yaml", ".yml") or path.is_file() or _is_folder(target):
        if fetch:
            raise click.UsageError("`--fetch` takes the name of a data set, and no file")
        found = path if path.is_dir() else _existing(path)
        _show({"name": target}, api.preview(found, offline=offline, told=streams.say), as_json)
        return
    from netspec.data.known import data_set

    known = data_set(target)
    if fetch:
        _fetch(known, offline, as_json)
    elif known.origin == "absent":
        _say_absent(known, as_json)
    else:
        _show(known.facts(), api.preview(known, offline=offline, told=streams.say), as_json)


def _is_folder(target: str) -> bool:
    """Whether it is a folder, and not the name of a data set: `./mnist` is the folder beside which one stands."""
    from netspec.data.known import data_sets

    is_name = any(target in (known.name, known.name.replace(" ", "")) for known in data_sets())
    return Path(target).is_dir() and not is_name


def _existing(path: Path) -> Path:
    """A file; of one that is not there the nearest spec is told."""
    found: Path = SpecPath().convert(path, None, None)
    return found


def _fetch(known: DataSet, offline: bool, as_json: bool) -> None:
    if offline:
        raise click.UsageError("`--fetch` and `--offline` exclude each other")
    download = known.source.download
    changed = download.fetch() if download else ()
    if as_json:
        streams.json_result({**known.facts(), "changed": list(changed)})
        return
    streams.result(f"{known.name} lies in {known.folder}" if download else f"{known.name} comes with netspec")
    for file in changed:
        streams.say(f"note: {file} is not the file that was published: its SHA-256 is another")


def _list(as_json: bool) -> None:
    from netspec.cli.table import Column, listed, table
    from netspec.data.known import data_sets, suffixes

    found = [known.facts() for known in data_sets()]
    if as_json:
        streams.json_result({"data_sets": found, "files": list(suffixes())})
        return
    columns = [
        Column("name"),
        Column("fields", may_shrink=True),
        Column("rows", "right"),
        Column("where", may_shrink=True),
    ]
    rows = [[facts["name"], _fields(facts), _rows(facts["rows"]), _where(facts)] for facts in found]
    streams.result(table(columns, rows, streams.width_of(sys.stdout)))
    streams.say("\n" + listed("files of your own:", list(suffixes()), streams.width_of(sys.stderr)))
    streams.say("`netspec data NAME` shows what is in one, and so it does with a file or a spec")


def _fields(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_type(field)}" for name, field in facts["fields"].items())


def _type(field: Mapping[str, Any]) -> str:
    """[28, 28, 1]; of 10 classes."""
    return f"of {field['size']} classes" if field["type"] == "category" else str(field["shape"])


def _rows(splits: Mapping[str, int]) -> str:
    """60,000 + 10,000: those of the splits, in their order."""
    return " + ".join(f"{rows:,}" for rows in splits.values())


def _where(facts: Mapping[str, Any]) -> str:
    """Where it lies, or what fetching it means."""
    from netspec.memory import amount

    if facts["origin"] == "with netspec":
        return "with netspec"
    if not facts["urls"]:
        return facts["folder"] or f"not here: {amount(facts['bytes'])}, nothing to fetch them from"
    return facts["folder"] or f"to be fetched: {amount(facts['bytes'])}, {facts['licence']}"


def _say_absent(known: DataSet, as_json: bool) -> None:
    facts = known.facts()
    if as_json:
        streams.json_result(facts)
        return
    streams.result("\n".join(_head(facts, streams.width_of(sys.stdout))))
    download = known.source.download
    steps = [f"netspec data --fetch {known.name}"] if download is None or download.urls else download.advice()
    streams.say("\n" + "\n".join(f"{'' if i else 'next':<6}{step}" for i, step in enumerate(steps)))


def _head(facts: Mapping[str, Any], width: int | None) -> list[str]:
    """The lines above the columns: name, rows, and of a data set where it lies and what may be done with it."""
    from netspec.memory import amount

    lines = [str(facts["name"])]
    if "fields" in facts:
        lines.append(f"fields   {_fields(facts)}")
    if facts.get("rows"):
        lines.append(f"rows     {', '.join(f'{name} {rows:,}' for name, rows in facts['rows'].items())}")
    if "origin" in facts:
        lines.append(f"where    {_where(facts)}")
    if "bytes" in facts:
        lines += [f"size     {amount(facts['bytes'])}", f"licence  {facts['licence']}"]
        lines += [f"from     {url}" for url in facts["urls"]]
        lines += [f"made     {facts['made']}"] if "made" in facts else []
        for name, digest in facts["files"].items():
            whole = f"file     {name}  sha256 {digest}"
            fits = width is None or len(whole) <= width
            lines += [whole] if fits else [f"file     {name}", f"         sha256 {digest}"]
    return lines


def _show(facts: dict[str, Any], found: Preview, as_json: bool) -> None:
    if as_json:
        streams.json_result({**facts, **found.summary()})
    else:
        from netspec.cli.columns import columns_table

        width = streams.width_of(sys.stdout)
        parts = [
            "\n".join(_head({**facts, "rows": found.splits}, width)),
            columns_table("column", found.columns, width),
        ]
        if found.fields:
            parts.append(columns_table("field", found.fields, width))
        streams.result("\n\n".join(parts))
    if found.fault is not None:
        raise found.fault
