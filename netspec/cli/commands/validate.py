"""`netspec validate`: every fault of a spec, with its line and column, before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import include_option, offline_option
from netspec.cli.table import counted


@click.command(
    cls=Command,
    section="check",
    place=1,
    examples=[
        "netspec validate specs/",
        "netspec validate digits.yaml xor.yaml",
        "netspec validate --data specs/mpg.yaml",
        "netspec validate - < digits.yaml",
    ],
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--data", is_flag=True, help="Open the data too: check them, and show what each column holds.")
@offline_option
@include_option
def command(paths: tuple[str, ...], data: bool, offline: bool) -> int:
    """Check specs completely and print every fault.

    PATH is a file, a folder, or - for standard input. Of a folder only files whose first key is `netspec` are read; the
    others are counted. No data are opened, except with --data, and nothing is compiled.
    """
    from netspec import api

    specs, skipped = _expand(paths)
    stdin = sys.stdin.read() if "-" in specs else None
    results = api.validate(specs, stdin=stdin, data=data, offline=offline, told=streams.say)
    for checked in results:
        if checked.diagnostics:
            streams.diagnostics(checked.render() + "\n")
        for fact in checked.waiting:
            streams.say(f"{checked.name}: expect: {fact}")
        if checked.data is not None:
            from netspec.cli.columns import print_data

            print_data(checked.data)
        streams.result(f"{checked.name}: {_verdict(checked.errors, checked.warnings)}")
    streams.say(_totals(len(results), sum(1 for checked in results if checked.errors), skipped))
    return 1 if any(checked.errors for checked in results) else 0


def _expand(paths: Sequence[str]) -> tuple[list[str], int]:
    """The specs that ``paths`` mean, each once, and how many other YAML files their folders hold."""
    from netspec.cli.specfiles import SpecPath, find_specs

    specs: dict[str, None] = {}
    skipped = 0
    for path in paths:
        if path != "-" and Path(path).is_dir():
            found = find_specs(Path(path))
            specs.update(dict.fromkeys(map(str, found.specs)))
            skipped += len(found.others)
        else:
            specs[path if path == "-" else str(SpecPath().convert(path, None, None))] = None
    return list(specs), skipped


def _verdict(errors: int, warnings: int) -> str:
    parts = [counted(n, word) for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return ", ".join(parts) or "ok"


def _totals(checked: int, wrong: int, skipped: int) -> str:
    from netspec.cli.specfiles import others_skipped

    text = f"{counted(checked, 'spec')} checked, " + (f"{wrong} wrong" if wrong else "all well")
    text += others_skipped(skipped)
    return text if checked else text.replace("0 specs checked, all well", "no spec found")
