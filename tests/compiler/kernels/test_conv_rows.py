"""Convolutions over rows against NumPy, and bit for bit against those with samples in the lanes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_contract import innermost_loops
from test_conv import CASES, Array, Case, agree, an_axis, any_tiles, bias_relu, convolved, entry, lines, plain

from netspec.compiler.codegen.machine_code import target_machine
from netspec.compiler.kernels.conv_rows import (
    RowsConv,
    RowTiles,
    choose_row_tiles,
    conv_rows_kernel,
    conv_rows_words,
    lengths_of,
)
from netspec.compiler.kernels.kernel import Body, Operand, Result
from netspec.compiler.kernels.processor import Tile, current
from netspec.compiler.kernels.windows import Axis

TILES = (Tile(8, 2), Tile(6, 1), Tile(2, 1))


def spaced(array: Array) -> Array:
    """Samples in rows a cache line further apart than they need be, and a vector behind the last."""
    rows = array.reshape(len(array), -1)
    held = lines(len(array) + 1, -(-rows.shape[1] // 16) * 16 + 16)
    held[:-1, : rows.shape[1]] = rows
    return held


def filters(w: Array, groups: int) -> Array:
    """``[*taps, in, out]`` as ``[group][out / 16][in][taps][16]``."""
    taps, (ins, outs) = prod(w.shape[:-2]), w.shape[-2:]
    each = outs // groups
    panels = -(-each // 16)
    whole = np.zeros((taps, ins, groups, panels * 16), np.float32)
    whole[..., :each] = w.reshape(taps, ins, groups, each)
    held = lines(groups, panels, ins, taps, 16)
    held[:] = whole.reshape(taps, ins, groups, panels, 16).transpose(2, 3, 1, 0, 4)
    return held


def in_rows(case: Case, tile: Tile | RowTiles, backward: bool, threads: int) -> Array:
    """The output with bias and ReLU; or the input gradient."""
    x, w, sizes, counts = case.x, case.w, case.sizes, case.counts
    if backward:
        x, sizes, counts = case.y, counts, sizes
        w = np.concatenate([part.swapaxes(-1, -2) for part in np.split(w, case.groups, -1)], -1)
    ins, outs, groups, channels = w.shape[-2], w.shape[-1], case.groups, x.shape[-1]
    own = ins == 1 and outs == groups
    held, made = spaced(x), lines(case.batch, prod(counts) * outs + 16)
    weights = lines(w.size + 16) if own else filters(w, groups)
    if own:
        weights[: w.size] = w.reshape(-1)
        groups = 1
    bias = lines(outs + 16)
    bias[:outs] = case.bias[:outs] if not backward else 0
    body = Body("plain", plain) if backward else Body("bias, relu", bias_relu)
    extras = () if backward else (Operand(),)
    taps = [axis.backward() if backward else axis.forward() for axis in case.axes]
    steps = [4 * channels * prod(sizes[i + 1 :]) for i in range(len(sizes))]
    tiles = tile if isinstance(tile, RowTiles) else choose_row_tiles(tile, outs // groups, lengths_of(taps))
    words = np.array(
        conv_rows_words(
            (held.ctypes.data, held.strides[0]), steps, weights.ctypes.data, case.batch, ins, outs // groups, groups,
            taps, case.extents, tiles, 0, [(bias.ctypes.data, 0, 0, 0)] * len(extras),
            [(made.ctypes.data, made.strides[0], 4 * outs, 0)], own=own,
        )
    )  # fmt: skip
    kernel = conv_rows_kernel(tiles, len(taps), outs // groups, extras, (Result(),), body, own=own)
    call = entry(kernel)
    for part in range(threads):
        call(words.ctypes.data, part, threads, part)
    assert np.isnan(made[:, prod(counts) * outs :]).all()  # nothing is written behind a sample
    return made[:, : prod(counts) * outs].reshape(case.batch, *counts, outs)


CHANNELS = {
    f"{ins} to {outs} channels": (2, ins, outs, 1, [Axis(6, 3, before=1, after=1), Axis(9, 3, before=1, after=1)])
    for ins, outs in ((1, 17), (3, 33), (17, 1), (33, 3), (5, 64), (2, 80))
}
MORE = {
    "a long row": (1, 2, 16, 1, [Axis(300, 3, before=1, after=1)]),
    "columns at the edges": (1, 20, 32, 1, [Axis(7, 3, before=1, after=1)] * 2),
    "depthwise over panels": (3, 40, 40, 40, [Axis(7, 3, 2, before=1, after=1)] * 2),
}
ALL = CASES | CHANNELS | MORE


@pytest.mark.parametrize("backward", [False, True], ids=["output", "input gradient"])
@pytest.mark.parametrize("sizes", ALL.values(), ids=ALL)
def test_convolution_agrees_with_numpy_and_has_one_result(sizes: tuple[Any, ...], backward: bool) -> None:
    """The same bits by any tiles, on any number of threads, and as with samples in the lanes."""
    case = Case(*sizes)
    first = in_rows(case, TILES[0], backward, threads=1)
    agree(first, case.input_gradient() if backward else case.output())
    assert np.array_equal(first, convolved(case, TILES[0], backward, threads=1))
    assert np.array_equal(first, in_rows(case, TILES[0], backward, threads=2))
    for tile in TILES[1:]:
        assert np.array_equal(first, in_rows(case, tile, backward, threads=5))


@given(st.sampled_from(TILES), st.integers(1, 200), st.lists(an_axis(), min_size=1, max_size=2))
def test_chosen_tiles_make_all_channels_and_every_segment(tile: Tile, outs: int, axes: list[Axis]) -> None:
    for taps in ([axis.forward() for axis in axes], [axis.backward() for axis in axes]):
        lengths = lengths_of(taps)
        tiles = choose_row_tiles(tile, outs, lengths)
        assert -(-outs // 16) % tiles.vectors == tiles.rest
        for length, _ in lengths:
            left = length
            for width in tiles.widths:
                left %= width
            assert left == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_windows(data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, 3))
    ins, outs = (groups * data.draw(st.integers(1, 6)) for _ in range(2))
    axes: Sequence[Axis] = data.draw(st.lists(an_axis(), min_size=1, max_size=3))
    case = Case(data.draw(st.integers(1, 3)), ins, outs, groups, axes)
    for backward, expected in ((False, case.output()), (True, case.input_gradient())):
        made = in_rows(case, RowTiles(1, 0, (3, 2, 1)), backward, threads=2)
        agree(made, expected)
        assert np.array_equal(made, convolved(case, any_tiles(axes[-1].extent), backward, threads=1))


@pytest.mark.parametrize("level", ["avx512", "avx2", "sse", "neon"])
def test_loops_over_taps_do_not_spill(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile tiles of some convolutions for each processor, and look for vectors on the stack in innermost loops."""
    monkeypatch.setenv("NETSPEC_CPU", level)
    vector, stack = (r"\b[zyx]mm\d+", r"\(%rsp\)|-\d+\(%rbp\)") if level != "neon" else (r"\bq\d+", r"\[sp")
    for outs, length in ((64, 54), (64, 12), (512, 5), (6, 28), (16, 32), (80, 1)):
        tiles = choose_row_tiles(current().tile, outs, ((length, 9),))
        loops = innermost_loops(cross_compiled(tiles, outs))
        multiplying = [loop for loop in loops if re.search(r"\b(v?fmadd|fmla|mulps)", loop)]
        assert len(multiplying) == len(tiles.widths) * (1 + (tiles.rest > 0))
        for loop in multiplying:
            spilled = [line for line in loop.splitlines() if re.search(stack, line) and re.search(vector, line)]
            assert not spilled, loop


def cross_compiled(tiles: RowTiles, outs: int) -> str:
    """The assembly of the tiles for the current processor."""
    from llvmlite import binding
    from llvmlite import ir as llvm

    from netspec.compiler.kernels.conv_rows_emit import RowTile

    try:
        machine = target_machine(current())
    except RuntimeError as error:
        pytest.skip(f"this LLVM has no such target: {error}")
    conv = RowsConv(
        tiles,
        2,
        outs % 16 == 0,
        False,
        extras=(Operand(),),
        results=(Result(),),
        epilogue=Body("bias, relu", bias_relu),
    )
    module = llvm.Module("cross")
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    builder = llvm.IRBuilder(llvm.Function(module, llvm.FunctionType(llvm.VoidType(), []), "none").append_basic_block())
    builder.ret_void()
    for width in tiles.widths:
        for vectors in {tiles.vectors, tiles.rest} - {0}:
            RowTile(conv, builder, width, vectors).function.linkage = "external"
    parsed = binding.parse_assembly(str(module))
    options = binding.create_pipeline_tuning_options(speed_level=3)
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(parsed, passes)
    return str(machine.emit_assembly(parsed))
