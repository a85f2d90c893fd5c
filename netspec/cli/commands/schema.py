"""`netspec schema`: the language as JSON Schema, by which editors complete and mark."""

from __future__ import annotations

from pathlib import Path

import click

from netspec.cli import streams
from netspec.cli.group import Command


@click.command(
    cls=Command,
    section="check",
    place=8,
    examples=["netspec schema -o netspec.schema.json", "netspec schema | less"],
)
@click.option(
    "-o",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write it; else it is printed.",
)
def command(out: Path | None) -> None:
    """Print the JSON Schema of specs, for editors.

    It knows every section, layer and field, with descriptions, defaults, choices and examples (draft 2020-12). Written
    to a file, it is what the first line of a spec can name for editors.
    """
    from netspec.schema import text

    if out is None:
        streams.result(text().rstrip("\n"))
        return
    from netspec.runs.files import disk_faults

    with disk_faults("write", out, "with -o"):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text(), encoding="utf-8", newline="\n")
    streams.result(f"wrote {out}")
    streams.say(f"next  begin a spec with  # yaml-language-server: $schema={out.as_posix()}")
