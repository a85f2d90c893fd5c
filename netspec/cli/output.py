"""`--format` and `--output`: in which formats results are written, and where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from netspec.cli import streams
from netspec.cli.findings import Results
from netspec.cli.formats import FORMATS, load, text
from netspec.diagnostics import suggestion

_F = TypeVar("_F", bound=Callable[..., Any])


class Output(NamedTuple):
    """The formats for standard output, and the files with the format of each."""

    printed: tuple[str, ...]
    files: tuple[tuple[Path, str], ...] = ()


def output_options(function: _F) -> _F:
    """``--format NAMES`` and ``--output FILE``; `planned` says what both come to."""
    files = click.option(
        "--output",
        "-o",
        "files",
        metavar="FILE",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write the results to FILE, too, in the format that its name ends with (.sarif, .json, .xml for "
        "junit, .txt), else in that of --format; it is then not printed. May be repeated.",
    )
    formats = click.option(
        "--format",
        "formats",
        metavar="NAMES",
        callback=_names,
        help=f"What is printed: {', '.join(FORMATS)}; several with commas. By default text.",
    )
    return formats(files(function))


def planned(formats: Sequence[str], files: Sequence[Path]) -> Output:
    """Where each format goes: a file takes its own from those that are asked for; if none is left, text is printed.

    Raises:
        click.UsageError: if a file's name says no format, and `--format` does not say it either.
    """
    taken = [(path, _format_of(path, formats)) for path in files]
    held = {name for _, name in taken}
    printed = tuple(name for name in formats if name not in held)
    return Output(printed or ("text",), tuple(taken))


def write(output: Output, results: Results) -> None:
    """Write results to files and standard output; of text, diagnostics go to standard error, as everywhere."""
    for path, name in output.files:
        save(path, load(name).write(results))
    for name in output.printed:
        if name == "text":
            _print(results)
        else:
            streams.result(load(name).write(results), end="")
    streams.say(text.totals(results))


def save(path: Path, content: str) -> None:
    """Write a file of results, whole or not at all."""
    from netspec.runs.files import disk_faults, write_text

    with disk_faults("write", path, "with --output"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # a device or pipe, which a new file must not replace
            path.write_text(content, encoding="utf-8", newline="\n")
        else:
            write_text(path, content)


def _print(results: Results) -> None:
    for case in results.cases:
        if case.findings:
            streams.diagnostics(text.diagnostics(case))
        for remark in case.remarks:
            streams.say(f"{case.name}: {remark}")
        streams.result(text.verdict(case))


def _format_of(path: Path, asked: Sequence[str]) -> str:
    ending = [name for name in FORMATS if path.name.lower().endswith(load(name).suffixes or ("\0",))]
    if ending:  # `results.json` is JSON of ours, unless SARIF is asked for
        return next((name for name in asked if name in ending), ending[0])
    if len(asked) == 1:
        return asked[0]
    known = ", ".join(dict.fromkeys(suffix for name in FORMATS for suffix in load(name).suffixes))
    raise click.UsageError(f"what format is `{path}` to have? Names end with {known}; or say one with --format")


def _names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in (value or "").split(",") if part.strip()))
    for name in names:
        if name not in FORMATS:
            near = suggestion(name, FORMATS)
            answer = f"did you mean `{near}`?" if near else f"there are {', '.join(FORMATS)}"
            raise click.BadParameter(f"there is no format `{name}`; {answer}")
    if value is not None and not names:
        raise click.BadParameter(f"it names none; there are {', '.join(FORMATS)}")
    return names
