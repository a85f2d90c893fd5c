"""Weight gradients by minimal filtering against NumPy, bit for bit with other threads, and their register tiles."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from test_contract import innermost_loops
from test_conv import Array, Case, agree, entry, in_lanes, lines

from netspec.compiler.codegen import objects
from netspec.compiler.kernels import winograd_gradient
from netspec.compiler.kernels.processor import Tile, current
from netspec.compiler.kernels.windows import Axis
from netspec.compiler.kernels.winograd_gradient import register_tiles, winograd_gradient_kernel, winograd_gradient_words

MINIMAL = {
    "one tile": (16, 16, 16, 1, [Axis(4, 3)] * 2),
    "odd sizes": (5, 17, 19, 1, [Axis(7, 3, before=1, after=1), Axis(5, 3, before=1, after=1)]),
    "strips that are parts of a row": (17, 16, 31, 1, [Axis(3, 3, before=1, after=1), Axis(37, 3, before=1, after=1)]),
    "strips of several rows, and a rest": (3, 24, 16, 1, [Axis(11, 3, before=1, after=1), Axis(4, 3, before=1)]),
    "padding of two": (16, 16, 33, 1, [Axis(3, 3, before=2, after=2), Axis(6, 3, before=2)]),
    "pieces of channels": (20, 70, 80, 1, [Axis(6, 3, before=1, after=1)] * 2),
    "more pieces": (1, 130, 132, 1, [Axis(3, 3, before=1, after=1)] * 2),
}


def gathered_minimally(case: Case, tile: Tile, threads: int) -> Array:
    """The weight gradient by minimal filtering, of each block."""
    x, y = in_lanes(case.x), in_lanes(case.y)
    ins = case.w.shape[-2]
    made = lines(-(-case.batch // 16), -(-case.outs // 16), 9 * ins, 16)
    scratch = lines(threads, winograd_gradient.scratch_bytes(ins, case.outs) // 4)
    words = np.array(
        winograd_gradient_words(
            x.ctypes.data, *x.strides[:2], y.ctypes.data, *y.strides[:2], case.batch, ins, case.outs,
            (scratch.ctypes.data, scratch.strides[0]), (made.ctypes.data, 64, *made.strides[:2]), case.axes,
        )
    )  # fmt: skip
    call = entry(winograd_gradient_kernel(tile))
    for part in range(threads):
        call(words.ctypes.data, part, threads, part)
    return made.transpose(0, 2, 1, 3).reshape(len(made), *case.w.shape[:-1], -1)[..., : case.outs]


@pytest.mark.parametrize("tile", [Tile(6, 1), Tile(8, 2)], ids=str)
@pytest.mark.parametrize("sizes", MINIMAL.values(), ids=MINIMAL)
def test_gradient_agrees_with_numpy(sizes: tuple[Any, ...], tile: Tile) -> None:
    case = Case(*sizes)
    assert winograd_gradient.gradient_fits(case.axes, 1, case.w.shape[-2], case.outs)
    many = gathered_minimally(case, tile, 3)
    agree(many.sum(0), case.weight_gradient())
    assert np.array_equal(many, gathered_minimally(case, tile, 1))


@pytest.mark.parametrize("level", ["avx512", "avx2", "sse", "neon"])
def test_register_tiles_do_not_spill(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile the tiles for each processor, and look for vectors on the stack in innermost loops."""
    monkeypatch.setenv("NETSPEC_CPU", level)
    vector, stack = (r"\b[zyx]mm\d+", r"\(%rsp\)|-\d+\(%rbp\)") if level != "neon" else (r"\bq\d+", r"\[sp")
    loops = innermost_loops(cross_compiled())
    assert len(loops) == sum(len(heights) for _, heights in register_tiles(current().tile))
    for loop in loops:
        assert re.search(r"\b(v?fmadd|fmla|mulps)", loop)
        assert not [line for line in loop.splitlines() if re.search(stack, line) and re.search(vector, line)], loop


def cross_compiled() -> str:
    """The assembly of the register tiles for the current processor."""
    from llvmlite import binding
    from llvmlite import ir as llvm

    from netspec.compiler.kernels.winograd_gradient_emit import emit_tile

    try:
        machine = objects.target_machine(current())
    except RuntimeError as error:
        pytest.skip(f"this LLVM has no such target: {error}")
    module = llvm.Module("cross")
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    builder = llvm.IRBuilder(llvm.Function(module, llvm.FunctionType(llvm.VoidType(), []), "none").append_basic_block())
    builder.ret_void()
    for panels, heights in register_tiles(current().tile):
        for ins in heights:
            emit_tile(builder, ins, panels).linkage = "external"
    parsed = binding.parse_assembly(str(module))
    options = binding.create_pipeline_tuning_options(speed_level=3)
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(parsed, passes)
    return str(machine.emit_assembly(parsed))
