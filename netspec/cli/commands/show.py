"""`netspec show`: what a spec describes, and what the compiler made of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from netspec.cli import streams
from netspec.cli.group import Command
from netspec.cli.options import json_option, overrides_option, spec_argument, threads_option

if TYPE_CHECKING:
    from netspec.inspection import Compiled
    from netspec.train.timing import Timing

LEAST_SHARE: Final = 0.005
"""Of a step: kernels that take less are told of together."""


@click.command(
    cls=Command,
    section="check",
    place=2,
    examples=[
        "netspec show specs/digits.yaml",
        "netspec show specs/digits.yaml --emit kernels",
        "netspec show specs/digits.yaml --emit graph --after fuse-maps",
        "netspec show specs/mnist/lenet5.yaml --time",
    ],
)
@spec_argument
@click.option(
    "--emit",
    type=click.Choice(["graph", "kernels", "llvm", "asm"]),
    metavar="WHAT",
    help="Print what the compiler made: graph, kernels, llvm or asm.",
)
@click.option("--after", metavar="PASS", help="With --emit graph: the graph as PASS left it.")
@click.option("--time", "timed", is_flag=True, help="Measure each kernel of a training step, on made-up data.")
@overrides_option
@threads_option
@json_option("Print one JSON object.")
def command(
    *,
    spec: Path,
    emit: str | None,
    after: str | None,
    timed: bool,
    overrides: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Print layers, shapes, parameters, multiply-adds and memory."""
    if after and emit != "graph":
        raise click.UsageError("`--after` goes with `--emit graph`")
    if emit and (as_json or timed):
        raise click.UsageError(f"`{'--json' if as_json else '--time'}` and `--emit` exclude each other")
    from netspec import api

    compiled = api.compile(spec, overrides=overrides, threads=threads)
    timing = _timed(compiled) if timed else None
    if emit:
        streams.result(compiled.emit(emit, after=after).rstrip("\n"))
    elif as_json:
        streams.json_result(compiled.summary() | ({"time": timing.summary()} if timing else {}))
    elif timing:
        streams.result(describe_timing(timing, streams.width_of(sys.stdout)))
    else:
        streams.result(describe(compiled.summary(), streams.width_of(sys.stdout)))


def _timed(compiled: Compiled) -> Timing:
    from netspec import api
    from netspec.cli.progress import progress_for

    progress = progress_for(sys.stderr)
    try:
        return api.time_kernels(compiled, progress=progress)
    finally:
        progress.close()


def describe_timing(timing: Timing, width: int | None) -> str:
    """How long a step takes, and the kernels that take the most of it."""
    from netspec.cli.table import Column, count, counted, table

    columns = [Column(name, "right") for name in ("time", "share", "calls", "GFLOP/s")]
    columns += [Column("kernel", may_shrink=True), Column("line", "right"), Column("layer", may_shrink=True)]
    shown = sorted(timing.kernels, key=lambda kernel: -kernel.seconds)
    small = [kernel for kernel in shown if kernel.seconds < LEAST_SHARE * timing.seconds]
    rows = [
        [
            *_spent(kernel.seconds, timing.seconds),
            count(kernel.calls),
            f"{2e-9 * kernel.macs / kernel.seconds:.0f}" if kernel.macs and kernel.seconds else "",
            kernel.kernel,
            count(kernel.line),
            kernel.layer or "",
        ]
        for kernel in shown[: len(shown) - len(small)]
    ]
    if small:
        others = [*_spent(sum(kernel.seconds for kernel in small), timing.seconds), str(sum(k.calls for k in small))]
        rows.append([*others, "", f"{counted(len(small), 'smaller one')}", "", ""])
    if timing.threads > 1:
        rows.append([*_spent(timing.waiting, timing.seconds), "", "", "waiting for each other", "", ""])
    what = "a step" if timing.kind == "step" else "a prediction"
    rate = 2 * timing.macs / timing.seconds
    head = (
        f"{what} of {counted(timing.batch, 'sample')} takes {exact(timing.seconds)} on "
        f"{counted(timing.threads, 'thread')}:\n{1e-9 * rate:.3g} GFLOP/s, "
        f"{rate / timing.flops_limit:.0%} of the {1e-9 * timing.flops_limit:.3g} that the processor can"
    )
    return f"{head}\n\n{table(columns, rows, width)}"


def _spent(seconds: float, of: float) -> list[str]:
    return [exact(seconds), f"{seconds / of:.1%}"]


def exact(seconds: float) -> str:
    """Three digits, in the unit that fits: 985 us, 68.8 ms."""
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def describe(summary: dict[str, Any], width: int | None) -> str:
    """The facts of ``show --json`` as a table and three lines of totals."""
    from netspec.cli.table import Column, count, table

    columns = [
        Column("line", "right"),
        Column("layer", may_shrink=True),
        Column("kind", may_shrink=True),
        Column("output", may_shrink=True),
        Column("parameters", "right"),
        Column("multiply-adds", "right"),
    ]
    rows = [
        [
            count(layer.get("line")),
            layer["name"],
            layer["kind"],
            _shape(layer["output"]),
            _fact(layer, "parameters"),
            _fact(layer, "macs"),
        ]
        for layer in summary["layers"]
    ]
    total = ["", "total", "", "", _fact(summary, "parameters"), _fact(summary, "macs")]
    lines = [table(columns, [*rows, total], width), ""]
    if summary.get("frozen"):
        lines.append(f"frozen      {count(summary['frozen'])} parameters that training leaves alone")
    for name, items in (summary.get("augment") or {}).items():
        lines.append(f"augmented   {name}, in training: {', '.join(items)}")
    if summary.get("statistics"):
        lines.append(f"statistics  {count(summary['statistics'])} numbers that follow the batches of training")
    lines += _memory(summary.get("peak_bytes") or {})
    return "\n".join(lines)


def _memory(peak: dict[str, Any]) -> list[str]:
    from netspec.cli.table import counted
    from netspec.memory import amount

    lines = []
    for use, name in (("train", "training"), ("predict", "prediction")):
        facts = peak.get(use)
        if facts and facts.get("bytes") is not None:
            lengths = "".join(f"{name.rpartition('.')[2]} = {n}, " for name, n in facts.get("lengths", {}).items())
            with_ = f"batch {facts['batch']}, {lengths}{counted(facts['threads'], 'thread')}"
            lines.append(f"{name:10}  {amount(facts['bytes'])} of memory ({with_})")
    return lines


def _fact(facts: dict[str, Any], key: str) -> str:
    from netspec.cli.table import count

    value = facts.get(key)
    return count(value if value is not None else facts.get(f"{key}_formula"))


def _shape(shape: Any) -> str:
    return shape if isinstance(shape, str) else f"[{', '.join(map(str, shape))}]"
