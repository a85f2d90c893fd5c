"""Vector code equals the NumPy reference: one kernel holds every function, so it is compiled once."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from netspec.compiler.formula import Formula, body, evaluate, parse
from netspec.compiler.formula.functions import CALLABLE, FUNCTIONS

CALLS = [name for name in CALLABLE if not (FUNCTIONS[name].placed or name == "where")]
TEXTS = [f"{name}(a)" if FUNCTIONS[name].arities == (1,) else f"{name}(a, b)" for name in CALLS]
TEXTS += ["a + b", "a - b", "a * b", "a / b", "-a", "abs(a) ** b", "a ** 3", "a ** -2", "abs(a) ** 1.5", "a ** 7"]
TEXTS += ["where(a < b, a, 1)", "where(a <= b, a, 1)", "where(a > 1 and b > 1, a, 1)", "where(a > 1 or b > 1, 2, b)"]
TEXTS += ["where(a == b, 1, 2)", "where(a != b, 1, 2)", "where(a >= b, 1, 2)", "column() + columns() * a", "3"]
TEXTS += ["a * b + a", "a - a * b", "a * b - a", "a * b + b * a * a", "2 - 3 * a", "3 * a - 2", "uniform(7, 8, 9)"]
FORMULA = Formula(("a", "b"), tuple(parse(text, ("a", "b")).output for text in TEXTS))
WIDTH = 40  # of the logical rows that the vectors are cut from; three vectors a row, the last one half real


def inputs() -> list[np.ndarray]:
    special = np.array([0, 1, -1, np.nan, np.inf, -np.inf, 0.5, 89, -104, 1e-6, 3, -2.5, 1e4, 700], "float32")
    a, b = (grid.ravel() for grid in np.meshgrid(special, special))
    normal = np.random.default_rng(0).standard_normal((2, 640 - a.size)).astype("float32") * 3
    return [np.concatenate([grid, drawn]).reshape(-1, WIDTH) for grid, drawn in zip((a, b), normal, strict=True)]


@pytest.fixture(scope="module")
def results() -> dict[str, np.ndarray]:
    """What the compiled kernel gives for every text."""
    import numba
    from numba import types

    from netspec.compiler.kernels import ir as vector_ir
    from netspec.compiler.kernels.kernel import Place

    code, (a, b) = body(FORMULA), inputs()
    rows, padded = a.shape[0], 48

    def write(builder: Any, args: Any, part: Any, parts: Any, thread: Any) -> None:
        words = [vector_ir.load(builder, vector_ir.at(builder, args, 8 * i), vector_ir.I64) for i in range(3)]

        def each(index: Any, carried: Any) -> None:
            row, vector = builder.sdiv(index, vector_ir.word(3)), builder.srem(index, vector_ir.word(3))
            column = builder.mul(vector, vector_ir.word(16))
            offset = builder.mul(index, vector_ir.word(64))
            loaded = [vector_ir.load(builder, vector_ir.at(builder, word, offset)) for word in words[:2]]
            made = code.emit(builder, loaded, Place(row, column, vector_ir.word(WIDTH)))
            for i, value in enumerate(made):
                vector_ir.store(builder, value, vector_ir.at(builder, words[2], offset, i * rows * padded * 4))

        vector_ir.counted(builder, 0, rows * 3, [], each)

    signature = types.void(types.CPointer(types.int64), types.int64, types.int64, types.int64)
    kernel = numba.cfunc(signature, fastmath={"contract"}, error_model="numpy")(vector_ir.kernel_function(write))
    filled = [np.pad(x, ((0, 0), (0, padded - WIDTH)), constant_values=1) for x in (a, b)]
    out = np.zeros((len(TEXTS), rows, padded), "float32")
    words = np.array([filled[0].ctypes.data, filled[1].ctypes.data, out.ctypes.data], "int64")
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(kernel.address)
    run(words.ctypes.data, 0, 1, 0)
    return dict(zip(TEXTS, out[:, :, :WIDTH], strict=True))


@pytest.mark.parametrize("text", TEXTS)
def test_vector_code_equals_numpy(text: str, results: dict[str, np.ndarray]) -> None:
    a, b = inputs()
    (wanted,) = evaluate(parse(text, ("a", "b")), [a, b])
    wanted = np.broadcast_to(wanted, a.shape)
    given = results[text]
    # what depends on a + b or a * b alone may be rounded once where NumPy rounds twice
    np.testing.assert_allclose(given, wanted, rtol=2e-6, atol=2e-6 if " - " in text or " + " in text else 1e-37)


def test_equal_up_to_names_is_the_same_code() -> None:
    one, other = body(parse("exp(u) * v", ("u", "v"))), body(parse("exp(p) * q", ("p", "q")))
    assert one == other
    assert one.text == "(x0, x1) -> exp(x0) * x1"
    assert one.cost > body(parse("u * v", ("u", "v"))).cost > 0
    assert body(parse("exp(u) * v", ("v", "u"))) != one


def test_products_in_sums_are_fused() -> None:
    from llvmlite import ir

    from netspec.compiler.kernels.ir import I64, VEC
    from netspec.compiler.kernels.kernel import Place

    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [VEC] * 3), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    code = body(parse("a * b + c, c - a * b, a * b - c, a * a + b * b + 1", ("a", "b", "c")))
    code.emit(builder, function.args, Place(*[ir.Constant(I64, 0)] * 3))
    written = str(function)
    assert (written.count("llvm.fma"), written.count("fsub"), written.count("fadd")) == (4, 0, 1)


def test_what_has_no_code_is_refused() -> None:
    with pytest.raises(ValueError, match="reduction"):
        body(parse("x + sum(x)"))
    with pytest.raises(ValueError, match="key"):
        body(parse("x + normal()"))
