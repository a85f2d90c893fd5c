"""`netspec fmt`: specs in their canonical layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option
from netspec.cli.table import counted

if TYPE_CHECKING:
    from netspec.api.writing import Formatted

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command(
    cls=Command,
    section="check",
    place=7,
    examples=["netspec fmt digits.yaml", "netspec fmt --check specs/", "netspec fmt - < digits.yaml"],
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if a spec is laid out otherwise.")
@click.option("--diff", "show_diff", is_flag=True, help="Write nothing; print what would change.")
@click.option("--upgrade", is_flag=True, help="Bring specs to the newest version of the language.")
@json_option("Print one JSON object.")
def command(paths: tuple[str, ...], only_check: bool, show_diff: bool, upgrade: bool, as_json: bool) -> int:
    """Lay specs out in the one way that all specs are written; what they say, and all comments, stay.

    PATH is a file, a folder, or - for standard input, which is printed as it would be written. Of a folder only files
    whose first key is `netspec` are read. A file that has faults of YAML is left as it is.
    """
    from netspec.cli.specfiles import expand

    if "-" in paths and len(paths) > 1:
        raise click.UsageError("`-` stands alone: its text is printed")
    specs, skipped = expand(paths)
    writes = not (only_check or show_diff)
    done: list[Formatted] = []
    for spec in specs:
        found = _laid_out(spec, upgrade=upgrade, write=writes)
        if found is None:
            continue
        done.append(found)
        if not as_json:
            _tell(found, is_text=spec == "-", writes=writes, show_diff=show_diff)
    changed = sum(found.changed for found in done)
    if as_json:
        files = [{"file": found.name, "changed": found.changed, "steps": list(found.steps)} for found in done]
        streams.json_result({"files": files, "failed": len(specs) - len(done)})
    elif "-" not in paths:
        streams.say(_totals(changed, len(done) - changed, len(specs) - len(done), skipped, writes=writes))
    return 1 if len(done) < len(specs) or (only_check and changed) else 0


def _laid_out(spec: str, *, upgrade: bool, write: bool) -> Formatted | None:
    """One spec, written if that is asked for; None if it has faults, which are told."""
    from netspec.api import writing
    from netspec.diagnostics import EnvironmentFault, NetspecError

    try:
        if spec == "-":
            return writing.formatted(sys.stdin.read(), "<stdin>", upgrade=upgrade)
        return writing.format_file(Path(spec), upgrade=upgrade, write=write)
    except EnvironmentFault:
        raise
    except NetspecError as error:
        streams.diagnostics(error.render() + "\n")
        return None


def _tell(found: Formatted, *, is_text: bool, writes: bool, show_diff: bool) -> None:
    if show_diff:
        _print_difference(found)
    elif is_text and writes:
        click.echo(found.after, nl=False)
    elif found.changed:
        streams.result(f"{'formatted' if writes else 'would format'} {found.name}")
    for step in found.steps:
        streams.say(f"{found.name}: {step}")


def _print_difference(found: Formatted) -> None:
    from netspec.api.writing import difference

    colours = streams.has_colour(sys.stdout)
    for line in difference(found):
        colour = _COLOURS.get(line[:1]) if colours else None
        streams.result(click.style(line, fg=colour) if colour else line)


def _totals(changed: int, same: int, failed: int, skipped: int, *, writes: bool) -> str:
    from netspec.cli.specfiles import others_skipped

    parts = []
    if changed:
        parts.append(f"{counted(changed, 'spec')} {'formatted' if writes else 'to format'}")
    if same:
        parts.append(f"{counted(same, 'spec')} as {'they' if same > 1 else 'it'} should be")
    if failed:
        parts.append(f"{counted(failed, 'spec')} left as {'they are' if failed > 1 else 'it is'}")
    return (", ".join(parts) or "no spec found") + others_skipped(skipped)
