"""`netspec validate`: every fault of a spec, with its line and column, before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli import streams
from netspec.cli.findings import Case, Results, found_in, repository
from netspec.cli.group import Command
from netspec.cli.options import codes_option, include_option, offline_option
from netspec.cli.output import output_options, planned, write
from netspec.cli.specfiles import expand
from netspec.diagnostics import matches

if TYPE_CHECKING:
    from netspec.api.validation import Validated


@click.command(
    cls=Command,
    section="check",
    place=1,
    examples=[
        "netspec validate specs/",
        "netspec validate digits.yaml 'specs/**/*.yaml' --strict",
        "netspec validate --data specs/mpg.yaml",
        "netspec validate - --stdin-filename digits.yaml < digits.yaml",
        "netspec validate specs/ --output netspec.sarif",
        "netspec validate specs/ --format github,junit --output netspec.xml",
    ],
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--data", is_flag=True, help="Open the data too: check them, and show what each column holds.")
@offline_option
@include_option
@output_options
@click.option("--strict", is_flag=True, help="Warnings fail, too, and YAML files of a folder that are no specs.")
@codes_option("--select", "Tell of these alone: codes, or words that codes begin with, with commas.")
@codes_option("--ignore", "Do not tell of these.")
@click.option(
    "--baseline",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Fail on findings that FILE does not hold. Where there is no FILE, it is written with those there are.",
)
@click.option(
    "--stdin-filename",
    metavar="NAME",
    help="What the spec on standard input is called; files it includes are looked for from there.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many processes check; by default one for each processor where there are many specs.",
)
def command(
    *,
    paths: tuple[str, ...],
    data: bool,
    offline: bool,
    formats: tuple[str, ...],
    files: tuple[Path, ...],
    strict: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    baseline: Path | None,
    stdin_filename: str | None,
    jobs: int | None,
) -> int:
    """Check specs completely and print every fault.

    PATH is a file, a folder, a pattern such as 'specs/**/*.yaml', or - for standard input. Of folders and patterns only
    files whose first key is `netspec` are read; the others are counted. No data are opened, except
    with --data, and nothing is compiled.
    """
    from netspec import api

    output = planned(formats, files)
    specs, others = expand(paths)
    if stdin_filename is not None and "-" not in specs:
        raise click.UsageError("--stdin-filename names what is read from standard input, which is the PATH `-`")
    if baseline is not None and not baseline.exists():
        from netspec.cli.baseline import refuse_in_ci

        refuse_in_ci(baseline)
    stdin = {"stdin": sys.stdin.read(), "stdin_name": stdin_filename or "<stdin>"} if "-" in specs else {}
    checked = api.validate(specs, jobs=jobs, data=data, offline=offline, told=streams.say, **stdin)
    results = _results(checked, others, strict)
    if baseline is not None:
        results = _held_to(baseline, results)
    results = _chosen(results, select, ignore)
    if "text" in output.printed:
        for spec in checked:
            if spec.data is not None:
                from netspec.cli.columns import print_data

                print_data(spec.data)
    write(output, results)
    return 0 if results.passed else 1


def _results(checked: Iterable[Validated], others: int, strict: bool) -> Results:
    root = repository()
    cases = (
        (
            Case(
                spec.name,
                sources=spec.sources,
                remarks=tuple(f"expect: {fact}" for fact in spec.waiting),
                seconds=spec.seconds,
                data=spec.data.summary() if spec.data else {},
            ),
            spec.diagnostics,
        )
        for spec in checked
    )
    return Results("validate", tuple(found_in(cases, root)), root, others, strict=strict)


def _chosen(results: Results, select: Sequence[str], ignore: Sequence[str]) -> Results:
    """The results with what was asked for; `--ignore` wins over `--select`."""
    if not select and not ignore:
        return results

    def leaves(code: str) -> bool:
        return matches(code, ignore) or bool(select and not matches(code, select))

    cases = (case.without("ignored", lambda found: leaves(found.diagnostic.code)) for case in results.cases)
    return results._replace(cases=tuple(cases))


def _held_to(path: Path, results: Results) -> Results:
    """The results without what a baseline accepts; one that is not there is written first."""
    from netspec.cli import baseline
    from netspec.cli.table import counted

    if not path.exists():
        accepted = baseline.write(path, results)
        streams.say(f"{path}: written; {counted(accepted, 'finding')} accepted from now on")
    left, gone = baseline.accept(results, baseline.read(path))
    if gone:
        streams.say(f"{path}: {counted(gone, 'accepted finding')} not there any more; remove the file to write it anew")
    return left
