"""Where text goes: results to standard output, progress and diagnostics to standard error; colour on terminals only."""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any, Final, TextIO

import click

from netspec.diagnostics import NetspecWarning, render

_HEAD: Final = re.compile(r"^(.*?)((?:error|warning)\[[a-z0-9-]+\]):(.*)$")
_GUTTER: Final = re.compile(r"^( *\d* *\|)(.*)$")
_ADVICE: Final = re.compile(r"^( *= (?:note|help):)(.*)$")


def safe_streams() -> None:
    """Let no character end the program: a terminal of another encoding gets an escape for what it lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, as `netspec ... >&-` does
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - open as long as the program runs
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def show_warnings() -> None:
    """Print netspec's own warnings as diagnostics; those of others keep Python's shape."""
    others = warnings.showwarning

    def show(message: Warning | str, *rest: Any, **more: Any) -> None:
        if isinstance(message, NetspecWarning):
            diagnostics(render(message.diagnostic, {}))
        else:
            others(message, *rest, **more)

    warnings.showwarning = show


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads ``stream`` as it comes, so that bars and colours are welcome."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether to colour: on terminals, and where ``FORCE_COLOR`` is set; never where ``NO_COLOR`` is set."""
    if os.environ.get("NO_COLOR"):
        return False
    return is_terminal(stream) or os.environ.get("FORCE_COLOR", "0") not in ("", "0", "false")


def width_of(stream: TextIO) -> int | None:
    """Columns of the terminal; None where ``stream`` is none, and lines may have any length."""
    return shutil.get_terminal_size((80, 24)).columns if is_terminal(stream) else None


def result(text: str, end: str = "\n") -> None:
    """Print what was asked for."""
    click.echo(text + end, nl=False)


def say(text: str) -> None:
    """Print a word about the work, beside the result."""
    click.echo(text, err=True)


def json_result(facts: dict[str, Any]) -> None:
    """Print one JSON object on one line, as every program reads it."""
    from netspec.runs.files import json_line

    click.echo(json_line(facts))


def diagnostics(text: str) -> None:
    """Print rendered diagnostics, coloured where that helps."""
    colour = has_colour(sys.stderr)
    if colour:
        text = "\n".join(_coloured(line) for line in text.split("\n"))
    click.echo(text, err=True, nl=False, color=colour)


def _coloured(line: str) -> str:
    if match := _HEAD.match(line):
        colour = "red" if match[2].startswith("error") else "yellow"
        return click.style(match[1], bold=True) + click.style(match[2], fg=colour, bold=True) + f":{match[3]}"
    if match := _ADVICE.match(line):
        return click.style(match[1], fg="cyan") + match[2]
    if match := _GUTTER.match(line):
        rest = match[2]
        return click.style(match[1], fg="blue") + (click.style(rest, fg="red") if not rest.strip(" ^") else rest)
    return line
