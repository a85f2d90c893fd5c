"""`netspec gradcheck`: the compiled gradient against finite differences."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option, overrides_option, spec_argument


@click.command(cls=Command, section="check", place=3, examples=["netspec gradcheck specs/xor.yaml"])
@spec_argument
@overrides_option
@json_option("Print one JSON object.")
def command(spec: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """Compare the gradient of every weight with finite differences.

    The compiled kernels give the gradient, the loss in float64 gives the differences. An error is relative to the
    largest gradient of its weight.
    """
    from netspec import api
    from netspec.cli.table import Column, table

    checked = api.gradcheck(spec, overrides=overrides)
    if as_json:
        streams.json_result(checked.summary())
    else:
        columns = [Column("weight", may_shrink=True), Column("shape"), Column("error", "right"), Column("")]
        rows = [
            [row.name, f"[{', '.join(map(str, row.shape))}]", f"{row.error:.1e}", "ok" if row.passed else "WRONG"]
            for row in checked.rows
        ]
        streams.result(table(columns, rows, streams.width_of(sys.stdout)))
        streams.say(f"the limit is {checked.limit:.0e} of a weight's largest gradient")
    return 0 if checked.passed else 1
