"""`netspec lsp`: what an editor asks about a spec while it is written."""

from __future__ import annotations

import sys

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.diagnostics import Diagnostic, EnvironmentFault


@click.command(
    cls=Command,
    section="check",
    place=9,
    examples=["netspec lsp"],
)
@click.option("--stdio", is_flag=True, help="Speak over standard input and output, as it does anyway.")
def command(*, stdio: bool) -> None:
    """Run a language server, which editors start by themselves.

    It speaks the Language Server Protocol over standard input and output: faults as you type, completion, what a layer
    does with its output shape and parameters, definitions, references, renaming and an outline.
    """
    try:
        from netspec.lsp.server import server
    except ModuleNotFoundError as missing:
        if missing.name not in ("pygls", "lsprotocol"):
            raise
        helps = ("install it: `pip install 'netspec[lsp]'`",)
        fault = Diagnostic("missing-package", "the language server needs the package `pygls`", helps=helps)
        raise EnvironmentFault(fault) from None
    if sys.stdin.isatty():
        streams.say("this is spoken by editors, and waits for one on standard input; Ctrl-C ends it")
    # The server closes what it spoke over when it ends, and the program's own streams are needed after it.
    with open(0, "rb", closefd=False) as asked, open(1, "wb", closefd=False) as told:
        server.start_io(asked, told)
