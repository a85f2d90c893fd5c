"""Products against NumPy, and bit for bit against themselves: other threads, tiles, blocks, processors."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.compiler.codegen import objects
from netspec.compiler.codegen.machine_code import target_machine
from netspec.compiler.kernels import processor
from netspec.compiler.kernels.contract import SCRATCH_BYTES, contract_kernel, contract_words
from netspec.compiler.kernels.kernel import Body, Kernel, Operand, Place, Result
from netspec.compiler.kernels.processor import Tile

Array = np.ndarray[Any, np.dtype[Any]]
Words = tuple[int, int, int, int]
SIZES = (1, 2, 15, 16, 17, 33, 100)
ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def bias_relu(builder: Any, values: Sequence[Any], place: Place) -> list[Any]:
    from netspec.compiler.kernels import ir

    x = builder.fadd(values[0], values[1])
    return [builder.select(builder.fcmp_unordered(">", x, ir.ZERO), x, ir.ZERO)]


def adam(builder: Any, values: Sequence[Any], place: Place) -> list[Any]:
    from netspec.compiler.kernels import ir

    g, p, m, v, rate = values
    m = ir.fma(builder, ir.real(0.9), m, builder.fmul(ir.real(0.1), g))
    v = ir.fma(builder, ir.real(0.99), v, builder.fmul(ir.real(0.01), builder.fmul(g, g)))
    root = builder.fadd(ir.intrinsic_call(builder, "sqrt", v), ir.real(1e-8))
    return [builder.fsub(p, builder.fdiv(builder.fmul(rate, m), root)), m, v]


def mixture(builder: Any, values: Sequence[Any], place: Place) -> list[Any]:
    """(sum * scale[row] + mask[row, column], 1000 row + column of the first lane)."""
    from netspec.compiler.kernels import ir

    total, scale, mask = values
    index = builder.add(builder.mul(place.row, place.width), place.column)
    where = builder.uitofp(index, ir.F32)
    return [ir.fma(builder, total, scale, mask), ir.splat(builder, where)]


FORWARD = (Operand(),), (Result(),), Body("bias, relu", bias_relu)
UPDATE = (Operand(), Operand(), Operand(), Operand(stepped=True)), (Result(),) * 3, Body("adam", adam, 20)
MIXED = (Operand(spread=True), Operand(dtype="uint8")), (Result(), Result()), Body("mixture", mixture)


def kernel(shape: tuple[Any, ...], deferred: bool = False, tile: Tile | None = None) -> Kernel:
    return contract_kernel(tile or processor.current().tile, *shape, deferred)


def entry(kernel: Kernel) -> Callable[..., None]:
    return ENTRY(objects.load([kernel])[kernel])


def lines(*shape: int, dtype: type = np.float32) -> Array:
    """Zeros that begin at a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    first = -raw.ctypes.data % 64
    return raw[first : first + size].view(dtype).reshape(shape)


def panels(matrix: Array, width: int) -> Array:
    rows, columns = matrix.shape
    count = -(-columns // width)
    whole = np.zeros((rows, count * width), matrix.dtype)
    whole[:, :columns] = matrix
    held = lines(count, rows, width, dtype=matrix.dtype.type)
    held[:] = whole.reshape(rows, count, width).transpose(1, 0, 2)
    return held


def unpanelled(held: Array, columns: int) -> Array:
    return held.transpose(1, 0, 2).reshape(held.shape[1], -1)[:, :columns]


def words_of(held: Array) -> Words:
    return held.ctypes.data, held.strides[1], 0, held.strides[0]


class Forward:
    """C = relu(A B + bias) with B in panels or in rows."""

    def __init__(
        self, m: int, k: int, n: int, width: int = 32, rows: bool = False, scratch: bool = True, across: bool = False
    ) -> None:
        rng = np.random.default_rng([m, k, n])
        padded = -(-n // 32) * 32
        self.a, self.b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        self.bias, self.c, self.n = lines(padded), lines(m, padded), n
        self.bias[:n] = rng.standard_normal(n)
        self.kept = [lines(k, padded) if rows else panels(self.b, width), lines(5 * SCRATCH_BYTES // 4)]
        if rows:
            self.kept[0][:, :n] = self.b
        panel, row = (4 * width, 4 * padded) if rows else self.kept[0].strides[:2]
        self.words = np.array(
            contract_words(
                self.a.ctypes.data, 4 * k, 4, self.kept[0].ctypes.data, panel, row, m, n, k, width, 0,
                (self.kept[1].ctypes.data if scratch else 0, SCRATCH_BYTES),
                [(self.bias.ctypes.data, 0, 0, 4 * width)], [(self.c.ctypes.data, 4 * padded, 0, 4 * width)],
                across=across,
            )
        )  # fmt: skip

    def run(self, call: Callable[..., None], parts: int = 1) -> Array:
        self.c[:] = np.nan
        for part in range(parts):
            call(self.words.ctypes.data, part, parts, part)
        return self.c[:, : self.n].copy()

    def expected(self) -> Array:
        exact = self.a.astype(float) @ self.b + self.bias[: self.n]
        return np.maximum(exact, 0)


class Update:
    """Adam on P by the gradient X^T Z, everything in panels."""

    def __init__(self, m: int, k: int, n: int, width: int = 32, scratch: bool = False, across: bool = False) -> None:
        rng = np.random.default_rng([m, k, n])
        self.x, self.z = rng.standard_normal((k, m), np.float32), rng.standard_normal((k, n), np.float32)
        self.state = [panels(rng.random((m, n), np.float32), width) for _ in range(3)]
        self.n, self.rates = n, np.array([9, 0.25, 9], np.float32)
        self.clock, held = np.zeros(64, np.int64), panels(self.z, width)
        self.clock[::8] = 1
        places = [words_of(array) for array in self.state]
        self.kept = [held, lines(5 * SCRATCH_BYTES // 4)]
        self.words = np.array(
            contract_words(
                self.x.ctypes.data, 4, 4 * m, held.ctypes.data, *held.strides[:2], m, n, k, width,
                self.clock.ctypes.data, (self.kept[1].ctypes.data if scratch else 0, SCRATCH_BYTES),
                [*places, (self.rates.ctypes.data, 0, 0, 0)], places, across=across,
            )
        )  # fmt: skip
        self.start = [array.copy() for array in self.state]

    def run(self, call: Callable[..., None], parts: int = 1) -> list[Array]:
        for array, start in zip(self.state, self.start, strict=True):
            array[:] = start
        for part in range(parts):
            call(self.words.ctypes.data, part, parts, part)
        return [unpanelled(array, self.n).copy() for array in self.state]

    def expected(self) -> list[Array]:
        g = self.x.T.astype(float) @ self.z
        p, m, v = (unpanelled(array, self.n).astype(float) for array in self.start)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        return [p - 0.25 * m / (np.sqrt(v) + 1e-8), m, v]


def agree(got: Array, wanted: Array, depth: int) -> None:
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6 * depth)


@pytest.mark.parametrize("m", SIZES)
def test_product_agrees_with_numpy(m: int) -> None:
    call = entry(kernel(FORWARD))
    for n in SIZES:
        for k in (1, 2, 17, 100):
            case = Forward(m, k, n, 16 if (m + n) % 2 else 32)
            agree(case.run(call), case.expected(), k)


@pytest.mark.parametrize(("m", "k", "n"), [(1, 784, 300), (40, 900, 70), (133, 600, 33)])
@pytest.mark.parametrize("rows", [False, True], ids=["panels", "rows"])
def test_blocks_do_not_change_bits(m: int, k: int, n: int, rows: bool) -> None:
    call = entry(kernel(FORWARD))
    whole = Forward(m, k, n, rows=rows, scratch=False).run(call)
    case = Forward(m, k, n, rows=rows)
    agree(case.run(call), case.expected(), k)
    for parts in (1, 2, 3, 5):
        assert case.run(call, parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize(("m", "k", "n"), [(1, 30, 300), (18, 900, 33), (40, 600, 250), (5, 17, 16), (29, 64, 112)])
def test_threads_may_share_columns(m: int, k: int, n: int) -> None:
    forward, update = entry(kernel(FORWARD)), [entry(kernel(UPDATE, deferred)) for deferred in (False, True)]
    whole = Forward(m, k, n).run(forward)
    by_rows = Update(m, k, n).run(update[0])
    for parts in (1, 2, 3, 5):
        for rows in (False, True):
            assert Forward(m, k, n, rows=rows, across=True).run(forward, parts).tobytes() == whole.tobytes()
        for call in update:
            across = Update(m, k, n, across=True).run(call, parts)
            assert all(x.tobytes() == y.tobytes() for x, y in zip(across, by_rows, strict=True))


def test_rows_do_not_depend_on_how_many_there_are() -> None:
    """A sample's result has the same bits alone, in a batch, at an edge."""
    call, case = entry(kernel(FORWARD)), Forward(37, 300, 250)
    whole = case.run(call)
    for count in (1, 2, 3, 5, 7, 8, 9, 18, 20):
        case.words[6] = count
        assert case.run(call)[:count].tobytes() == whole[:count].tobytes()


@pytest.mark.parametrize("tile", [Tile(8, 2), Tile(8, 2, tall=14), Tile(6, 1), Tile(2, 1)], ids=str)
def test_tiles_give_the_same_bits(tile: Tile) -> None:
    forward, update = Forward(37, 300, 70), Update(37, 20, 70)
    wanted = forward.run(entry(kernel(FORWARD)))
    assert forward.run(entry(kernel(FORWARD, tile=tile))).tobytes() == wanted.tobytes()
    states = [update.run(entry(kernel(UPDATE, deferred, t))) for t in (None, tile) for deferred in (False, True)]
    for state in states[1:]:
        assert b"".join(map(bytes, state)) == b"".join(map(bytes, states[0]))


@pytest.mark.parametrize("m", SIZES)
def test_deferred_update_agrees_with_numpy(m: int) -> None:
    call = entry(kernel(UPDATE, deferred=True))
    for n in (1, 16, 17, 33, 70):
        for k in (1, 3, 17, 64):
            case = Update(m, k, n, 16 if n < 17 else 32)
            results = [case.run(call, parts) for parts in (1, 2, 3, 5)]
            for got, wanted in zip(results[0], case.expected(), strict=True):
                agree(got, wanted, k)
            for other in results[1:]:
                assert all(x.tobytes() == y.tobytes() for x, y in zip(other, results[0], strict=True))


def test_deferred_update_is_not_blocked() -> None:
    """Its sums wait in one buffer, whatever the words say."""
    call = entry(kernel(UPDATE, deferred=True))
    blocked, whole = Update(40, 600, 40, scratch=True), Update(40, 600, 40)
    assert (blocked.words != whole.words).any()
    for got, wanted in zip(blocked.run(call, 2), whole.run(call), strict=True):
        assert got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("m", [1, 2, 3, 19])
@pytest.mark.parametrize("n", [40, 250])
def test_extras_of_rows_and_bytes_and_places(m: int, n: int) -> None:
    k, padded = 5, -(-n // 32) * 32
    rng = np.random.default_rng(1)
    a, b, scale = rng.random((m, k), np.float32), rng.random((k, n), np.float32), rng.random(m, np.float32)
    mask, held = lines(m, padded, dtype=np.uint8), panels(b, 32)
    mask[:] = rng.integers(0, 255, mask.shape)
    c, index = lines(m, padded), lines(m, padded)
    words = np.array(
        contract_words(
            a.ctypes.data, 4 * k, 4, held.ctypes.data, *held.strides[:2], m, n, k, 32, 0, (0, 0),
            [(scale.ctypes.data, 4, 0, 0), (mask.ctypes.data, padded, 0, 32)],
            [(c.ctypes.data, 4 * padded, 0, 128), (index.ctypes.data, 4 * padded, 0, 128)],
        )
    )  # fmt: skip
    entry(kernel(MIXED))(words.ctypes.data, 0, 1, 0)
    agree(c[:, :n], (a @ b) * scale[:, None] + mask[:, :n], k)
    first = np.arange(m)[:, None] * n + np.arange(n) // 16 * 16
    assert (index[:, :n] == first).all()


def test_nan_stays_nan() -> None:
    case = Forward(5, 9, 40)
    case.a[2, 3] = np.nan
    got = case.run(entry(kernel(FORWARD)))
    assert np.isnan(got[2]).all()
    assert np.isfinite(np.delete(got, 2, axis=0)).all()


def digest() -> str:
    """Of what the processor's own tile computes."""
    forward, update = Forward(37, 300, 70), Update(37, 20, 70)
    results = [forward.run(entry(kernel(FORWARD))), *update.run(entry(kernel(UPDATE, deferred=True)))]
    return hashlib.sha256(b"".join(map(bytes, results))).hexdigest()


@pytest.mark.skipif(processor.current().level != "avx512", reason="needs a processor with AVX-512")
@pytest.mark.parametrize(("level", "equal"), [("avx512", True), ("avx2", True), ("sse", False)])
def test_processors_with_fused_multiply_adds_agree(level: str, equal: bool) -> None:
    command = [sys.executable, "-c", "import test_contract; print(test_contract.digest())"]
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "NETSPEC_CPU": level, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.strip() == digest()) == equal


@pytest.fixture(params=["avx512", "avx2", "sse", "neon"])
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("NETSPEC_CPU", request.param)
    return str(request.param)


def test_loops_over_the_depth_do_not_spill(level: str) -> None:
    """Cross-compile the functions of a product and look for vectors on the stack in their innermost loops."""
    assembly = cross_compiled()
    loops = innermost_loops(assembly)
    # The epilogue between the multiply-adds, known by its square root, may spill where registers are few.
    multiplying = [loop for loop in loops if re.search(r"\b(v?fmadd|fmla|mulps)", loop) and "sqrt" not in loop]
    assert len(multiplying) >= 3
    vector = r"\b[zy]mm\d+|\bxmm\d+" if level != "neon" else r"\bq\d+"
    stack = r"\(%rsp\)|\(%rbp\)" if level != "neon" else r"\[sp"
    for loop in multiplying:
        spilled = [line for line in loop.splitlines() if re.search(stack, line) and re.search(vector, line)]
        assert not spilled, loop


def cross_compiled() -> str:
    from llvmlite import binding
    from llvmlite import ir as llvm

    from netspec.compiler.kernels.contract import Contract
    from netspec.compiler.kernels.contract_emit import edge_widths, emit_deferred, emit_tile, heights

    try:
        machine = target_machine(processor.current())
    except RuntimeError as error:
        pytest.skip(f"this LLVM has no such target: {error}")
    module = llvm.Module("cross")
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    builder = llvm.IRBuilder(llvm.Function(module, llvm.FunctionType(llvm.VoidType(), []), "none").append_basic_block())
    builder.ret_void()
    product = Contract(processor.current().tile, *UPDATE, deferred=True)
    for width in {product.tile.vectors, 1}:
        for height in heights(product.tile.rows):
            emit_tile(builder, height, width).linkage = "external"
        emit_deferred(builder, product, width).linkage = "external"
    for height, width in edge_widths(product.tile).items():
        if width not in {product.tile.vectors, 1}:
            emit_tile(builder, height, width).linkage = "external"
    parsed = binding.parse_assembly(str(module))
    options = binding.create_pipeline_tuning_options(speed_level=3)
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(parsed, passes)
    return str(machine.emit_assembly(parsed))


def innermost_loops(assembly: str) -> list[str]:
    """Pieces from a label to the jump back to it that hold no other label's loop."""
    lines = assembly.splitlines()
    labels = {line.split(":")[0]: n for n, line in enumerate(lines) if re.match(r"\.L\w+:", line)}
    spans = []
    for n, line in enumerate(lines):
        jump = re.match(r"\s+(?:j\w+|b\.?\w*|cbn?z\s+\w+,|tbn?z\s+.*,)\s+(\.L\w+)\s*$", line)
        if jump and labels.get(jump[1], n) < n:
            spans.append((labels[jump[1]], n))
    inner = [s for s in spans if not any(s != t and s[0] <= t[0] and t[1] <= s[1] for t in spans)]
    return ["\n".join(lines[a : b + 1]) for a, b in inner]
