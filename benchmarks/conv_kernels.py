"""Convolutions of 3 x 3 alone: what the kernels reach of the processor's arithmetic limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import THREADS
from benchmarks.report import Check, Section

if TYPE_CHECKING:
    from netspec.compiler.graph import Node
    from netspec.compiler.graph.lowering import Call
    from netspec.pipeline import Program

SHAPES = ((16, 32, 64), (32, 16, 64), (64, 8, 64), (64, 56, 16), (128, 28, 16), (256, 14, 16))
"""Channels, rows and columns of pixels, batch: those of ResNet-20, then those of ResNet-18 up to 256 channels."""

REQUIRED = 0.8
SECONDS = 1.5
SPEC = """\
netspec: 1
name: one
data:
  source: {{random: {{rows: {batch}, fields: {{image: [{size}, {size}, 3], label: {{category: 2}}}}}}}}
network:
  inputs: {{image: [{size}, {size}, 3]}}
  layers:
    - conv2d: {{filters: {channels}, kernel: 3, padding: 1, name: before}}
    - conv2d: {{filters: {channels}, kernel: 3, padding: 1, bias: false, name: measured}}
    - global_avg_pool2d
    - dense: {{units: 2, name: logits}}
loss: cross_entropy
optimizer: {{sgd: {{lr: 0.1}}}}
train: {{batch: {batch}}}
"""
WAYS = ("output", "input gradient", "weight gradient")


def run() -> list[Section]:
    """Each way of each shape, its share of what multiply-adds alone would take."""
    header = ("channels", "pixels", "batch", *(f"{way}, GFLOP/s" for way in WAYS), "limit, GFLOP/s")
    section = Section("Convolutions of 3 x 3, each kernel alone", header)
    for channels, size, batch in SHAPES:
        rates, limit = measured(channels, size, batch)
        shown = [f"{1e-9 * rate:.0f}" for rate in rates]
        section.rows.append((str(channels), f"{size} x {size}", str(batch), *shown, f"{1e-9 * limit:.0f}"))
        for way, rate in zip(WAYS, rates, strict=True):
            what = f"3 x 3 of {channels} channels, {size} x {size}: {way}"
            reached = f"{rate / limit:.0%} of the FMA limit"
            section.checks.append(Check(what, reached, f"{REQUIRED:.0%} of it", rate >= REQUIRED * limit))
    section.remarks.append(
        f"On {THREADS} threads, the packing and transforming of weights included. Operations are counted as of the "
        "direct method; minimal filtering takes fewer, so it can pass the limit."
    )
    return [section]


def measured(channels: int, size: int, batch: int) -> tuple[list[float], float]:
    """Operations a second of the three ways, and the limit of all threads."""
    from netspec.compiler.codegen.objects import load
    from netspec.compiler.kernels.limits import measured_fma_limit
    from netspec.train.timing import time_calls

    program = _program(SPEC.format(channels=channels, size=size, batch=batch))
    limit = measured_fma_limit(load, THREADS)
    found = time_calls(program, "step", threads=THREADS, seconds=SECONDS).calls
    outputs = next(call.node for call, _ in found if _is_output(call))
    spent = dict.fromkeys(WAYS, 0.0)
    for call, seconds in found:
        origin = call.node.origin
        if origin is not None and origin.path.startswith("measured"):
            spent[_way(call, outputs)] += seconds
    flop = 2.0 * 9 * channels * channels * size * size * batch
    return [flop / spent[way] for way in WAYS], limit


def _is_output(call: Call) -> bool:
    """Whether a call may make the measured output: the first that does is no gradient."""
    origin = call.node.origin
    is_conv = call.node.op.name in ("conv", "conv_minimal")
    return origin is not None and origin.path == "measured" and is_conv


def _way(call: Call, outputs: Node) -> str:
    """Which of `WAYS` a call belongs to; weights are laid out by nodes of their own that go with one."""
    if call.node.op.name == "conv_weight":
        return WAYS[2]
    is_output = call.node is outputs or call.node in [value.node for value in outputs.inputs]
    return WAYS[0] if is_output else WAYS[1]


def _program(text: str) -> Program:
    from netspec.api import compile as compiled

    return compiled(text).program
