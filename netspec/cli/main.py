"""The program `netspec`."""

from __future__ import annotations

import sys
from types import ModuleType

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
    _skip_pydantic_plugins()
    safe_streams()
    show_warnings()
    cli(prog_name="netspec")
