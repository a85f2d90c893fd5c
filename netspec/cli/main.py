"""The program `netspec`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import NoReturn

import click

from netspec import __version__
from netspec.cli.group import Netspec
from netspec.cli.streams import safe_streams, show_warnings

FIRST_STEPS = """\
netspec trains networks that a YAML spec describes.

  netspec new digits            write a spec to begin with; `netspec new` lists more
  netspec train digits.yaml     train it; the result goes to a folder in runs/
  netspec predict @last FILE    use what was trained last on new data

`netspec train` alone lists the specs here; `netspec --help` lists all commands.
"""


def _skip_pydantic_plugins() -> None:
    """Pydantic would look for plugins in the metadata of all installed packages, which costs each command 20 ms."""
    loader = ModuleType("pydantic.plugin._loader")
    vars(loader)["get_plugins"] = lambda: ()
    sys.modules.setdefault(loader.__name__, loader)


@click.group(cls=Netspec, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="netspec", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Check, train and use networks that a YAML spec describes."""
    if context.invoked_subcommand is None:
        click.echo(FIRST_STEPS, nl=False)


def main() -> None:
    """Run the program and exit with its code."""
    gc.set_threshold(20_000)  # importing makes what stays: to look through it for garbage costs each command 5 ms
    _skip_pydantic_plugins()
    safe_streams()
    show_warnings()
    try:
        cli(prog_name="netspec")
    except SystemExit as end:
        if "numpy" not in sys.modules:
            _leave(end.code if isinstance(end.code, int) else 0)
        raise


def _leave(code: int) -> NoReturn:
    """End the process at once: to take modules apart one by one would cost `validate` 28 ms of 215."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)
