"""Row kernels at the edges of vectors, panels, blocks of rows and shares of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_runs import EDGES, PARTS, Laid, address, blank, body, clock_at, column_numbers, lay, run
from numpy.typing import NDArray

from netspec.compiler.kernels.kernel import Operand, Result
from netspec.compiler.kernels.rows import Sweep, rows_kernel, rows_words

SCALE = body("x * s", lambda v, x, _: [v.b.fmul(x[0], x[1])])
STORE = (("store", 0),)


def matrix(rows: int, columns: int) -> NDArray[np.float32]:
    return np.random.default_rng(rows * 1000 + columns).standard_normal((rows, columns)).astype(np.float32) * 3


def spare(array: NDArray[Any]) -> NDArray[Any]:
    """The array, flat, with the room that whole vectors read past its end."""
    return np.concatenate([array.ravel(), np.zeros(16, array.dtype)])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64"])
@pytest.mark.parametrize("columns", [10, 16, 100])
def test_gather_converts_and_scales(dtype: Any, columns: int) -> None:
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 250, (40, columns)).astype(dtype)
    index, memory, factor = rng.integers(0, 40, 4 * 33).astype(np.int64), spare(stored), np.array([1 / 255], np.float32)
    kernel = rows_kernel((Operand(dtype, gathered=True), Operand(spread=True)), (Sweep(SCALE, STORE),), (Result(),))
    for step in (0, 3):
        for parts in PARTS:
            result, clock = blank(33, columns), clock_at(step)
            operands = [(address(memory), columns * stored.itemsize, 0, 0), (address(factor), 0, 0, 0)]
            source = {"index": address(index), "batch": 33, "index_length": len(index)}
            run(kernel, rows_words(address(clock), 33, columns, operands, [result.words], **source), parts)
            wanted = stored[index[step * 33 : (step + 1) * 33]].astype(np.float32) * factor
            np.testing.assert_array_equal(result.read(), wanted)


def cross_entropy_kernel(share: float) -> Any:
    """Softmax cross-entropy of integer labels: the gradient of the mean over samples, and the loss of each."""

    def largest(v: Any, x: Any, _: Any) -> list[Any]:
        return [x[0]]

    def sums(v: Any, x: Any, place: Any) -> list[Any]:
        logits, label, top = x
        shifted = v.b.fsub(logits, top)
        hit = v.compare("==", column_numbers(v, place), label)
        return [v.exp(shifted), v.where(hit, shifted, v.real(0))]

    def row(v: Any, x: Any, _: Any) -> list[Any]:
        return [v.b.fdiv(v.real(share), x[3]), v.b.fsub(v.log(x[3]), x[4])]

    def gradient(v: Any, x: Any, place: Any) -> list[Any]:
        scaled = v.b.fmul(v.exp(v.b.fsub(x[0], x[2])), x[5])
        hit = v.compare("==", column_numbers(v, place), x[1])
        return [v.where(hit, v.b.fsub(scaled, v.real(share)), scaled)]

    sweeps = (
        Sweep(body("largest", largest), ("max",)),
        Sweep(body("sums", sums), ("sum", "sum")),
        Sweep(body(f"row {share}", row), ("keep", ("store", 1)), once=True),
        Sweep(body(f"gradient {share}", gradient), (("store", 0),)),
    )
    return rows_kernel((Operand(), Operand("uint8", True, True)), sweeps, (Result(), Result("spread")))


@pytest.mark.parametrize("columns", EDGES)
@pytest.mark.parametrize("rows", [1, 16, 53])
def test_softmax_cross_entropy_with_its_gradient(rows: int, columns: int) -> None:
    rng = np.random.default_rng(columns)
    logits, clock = lay(matrix(rows, columns)), clock_at(2)
    labels, index = spare(rng.integers(0, columns, 90).astype(np.uint8)), rng.integers(0, 90, 3 * rows)
    kernel, seen = cross_entropy_kernel(1 / 64), set()
    for parts in PARTS:
        gradient, losses = blank(rows, columns), np.zeros(rows + 16, np.float32)
        operands = [logits.words, (address(labels), 1, 0, 0)]
        results = [gradient.words, (address(losses), 4, 0, 0)]
        source = {"index": address(index), "batch": rows, "index_length": len(index)}
        run(kernel, rows_words(address(clock), rows, columns, operands, results, **source), parts)
        seen.add(gradient.read().tobytes() + losses.tobytes())
        assert np.isnan(gradient.padding).all()
    assert len(seen) == 1
    z = logits.read().astype(np.float64)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    chosen = np.arange(rows), labels[index[2 * rows :]].astype(np.int64)
    np.testing.assert_allclose(losses[:rows], -np.log(p[chosen]), rtol=2e-6, atol=1e-6)
    p[chosen] -= 1
    np.testing.assert_allclose(gradient.read(), p / 64, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("columns", EDGES)
@pytest.mark.parametrize("panel_width", [0, 16, 32])
def test_reductions_ignore_padding_and_keep_nan(columns: int, panel_width: int) -> None:
    values = matrix(21, columns)
    values[7, columns // 2] = np.nan
    laid, clock = lay(values, panel_width), clock_at(0)
    one = body("x, x, x", lambda v, x, _: [x[0]] * 3)
    out = body("rows", lambda v, x, _: list(x[1:]))
    sweeps = (Sweep(one, ("sum", "max", "min")), Sweep(out, (("store", 0), ("store", 1), ("store", 2)), once=True))
    kernel = rows_kernel((Operand(),), sweeps, (Result("spread"),) * 3)
    made = [np.zeros(37, np.float32) for _ in range(3)]
    places = [(address(array), 4, 0, 0) for array in made]
    run(kernel, rows_words(address(clock), 21, columns, [laid.words], places, panel_width=panel_width), 2)
    np.testing.assert_allclose(made[0][:21], values.astype(np.float64).sum(1), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made[1][:21], values.max(1))
    np.testing.assert_array_equal(made[2][:21], values.min(1))
    assert not any(array[21:].any() for array in made)


def optimizer(v: Any, x: Any, _: Any) -> list[Any]:
    gradient, parameter, momentum, rate = x
    new = v.fma(momentum, v.real(0.5), gradient)
    return [v.b.fsub(parameter, v.b.fmul(rate, new)), new]


@pytest.mark.parametrize("columns", EDGES)
@pytest.mark.parametrize("panel_width", [0, 16, 32])
def test_update_in_place_with_a_scalar_of_the_step(columns: int, panel_width: int) -> None:
    gradient, parameter, momentum = (matrix(50, columns + i)[:, :columns] for i in range(3))
    rates = np.array([0.1, 0.2, 0.25], np.float32)
    stores = (("store", 0), ("store", 1))
    operands = (*(Operand(),) * 3, Operand(stepped=True))
    kernel = rows_kernel(operands, (Sweep(body("momentum", optimizer), stores),), (Result(),) * 2)
    wanted = momentum * np.float32(0.5) + gradient
    for parts in PARTS:
        g, p, m = (lay(np.ascontiguousarray(array), panel_width) for array in (gradient, parameter, momentum))
        clock = clock_at(2)
        inputs = [g.words, p.words, m.words, (address(rates), 0, 0, 0)]
        run(kernel, rows_words(address(clock), 50, columns, inputs, [p.words, m.words], 1, panel_width), parts)
        np.testing.assert_allclose(m.read(), wanted, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(p.read(), parameter - wanted / 4, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 3, 10, 16, 20])
@pytest.mark.parametrize("reduce", [False, True])
def test_middle_axis_without_padding_in_place(columns: int, reduce: bool) -> None:
    """(row, middle) vectors follow each other at once: a whole vector at the end of one would run over the next."""
    rows, middle = 18, 5
    stride = -(-middle * columns // 16) * 16
    values = matrix(rows, middle * columns)
    shaped = values.reshape(rows, middle, columns)
    if reduce:
        sweeps = (
            Sweep(body("x", lambda v, x, _: [x[0]]), ("sum",)),
            Sweep(body("x - s", lambda v, x, _: [v.b.fsub(x[0], x[1])]), STORE),
        )
        wanted = shaped - shaped.sum(2, keepdims=True)
    else:
        sweeps = (Sweep(body("x + x", lambda v, x, _: [v.b.fadd(x[0], x[0])]), STORE),)
        wanted = shaped * 2
    kernel = rows_kernel((Operand(),), sweeps, (Result(),))
    for parts in PARTS:
        memory = np.full((rows, stride), np.nan, np.float32)
        memory[:, : middle * columns] = values
        laid = spare(memory)
        words, clock = (address(laid), stride * 4, columns * 4, 0), clock_at(0)
        run(kernel, rows_words(address(clock), rows, columns, [words], [words], middle), parts)
        got = laid[: rows * stride].reshape(rows, stride)
        np.testing.assert_allclose(got[:, : middle * columns], wanted.reshape(rows, -1), rtol=1e-5, atol=1e-5)
        assert np.isnan(got[:, middle * columns :]).all()


@pytest.mark.parametrize("count", [1, 10, 16, 1000])
def test_mean_of_a_vector_becomes_a_scalar_of_the_step(count: int) -> None:
    from netspec.compiler.kernels import ir

    def divide(v: Any, x: Any, place: Any) -> list[Any]:
        return [v.b.fdiv(x[1], ir.splat(v.b, v.b.sitofp(place.width, ir.F32)))]

    values, means, clock = spare(matrix(1, count)), np.zeros(5, np.float32), clock_at(3)
    sweeps = (
        Sweep(body("x", lambda v, x, _: [x[0]]), ("sum",)),
        Sweep(body("s / columns", divide), STORE, once=True),
    )
    kernel = rows_kernel((Operand(),), sweeps, (Result("stepped"),))
    operands = [(address(values), 0, 0, 0)]
    run(kernel, rows_words(address(clock), 1, count, operands, [(address(means), 0, 0, 0)]), 3)
    np.testing.assert_allclose(means[3], values[:count].astype(np.float64).mean(), rtol=1e-5, atol=1e-6)
    assert not means[[0, 1, 2, 4]].any()


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 100])
def test_row_scalars_alone(rows: int) -> None:
    x, y = spare(matrix(1, rows)), np.zeros(rows + 16, np.float32)
    add = Sweep(body("x + x", lambda v, inputs, _: [v.b.fadd(inputs[0], inputs[0])]), STORE, once=True)
    kernel, clock = rows_kernel((Operand(spread=True),), (add,), (Result("spread"),)), clock_at(0)
    words = rows_words(address(clock), rows, 1, [(address(x), 4, 0, 0)], [(address(y), 4, 0, 0)])
    for parts in PARTS:
        run(kernel, words, parts)
        np.testing.assert_array_equal(y[:rows], 2 * x[:rows])
        assert not y[rows:].any()


def test_a_later_sweep_reads_what_an_earlier_one_stored() -> None:
    laid, clock = lay(matrix(20, 40)), clock_at(0)
    sweeps = (
        Sweep(body("exp", lambda v, x, _: [v.exp(x[0]), v.exp(x[0])]), (("store", 0), "sum")),
        Sweep(body("/", lambda v, x, _: [v.b.fdiv(x[0], x[1])]), STORE),
    )
    e = np.exp(laid.read().astype(np.float64))
    run(rows_kernel((Operand(),), sweeps, (Result(),)), rows_words(address(clock), 20, 40, [laid.words], [laid.words]))
    np.testing.assert_allclose(laid.read(), e / e.sum(1, keepdims=True), rtol=1e-5)


def test_actions_and_results_must_fit() -> None:
    keep = body("x", lambda v, x, _: [x[0]])
    for sweep, result in (
        (Sweep(keep, STORE), Result("spread")),
        (Sweep(keep, STORE, once=True), Result()),
        (Sweep(keep, ("keep",)), Result()),
        (Sweep(keep, ("sum",), once=True), Result()),
    ):
        with pytest.raises(ValueError, match="a sweep"):
            rows_kernel((Operand(),), (sweep,), (result,))


def test_equal_descriptions_have_equal_texts() -> None:
    one, other = cross_entropy_kernel(1 / 64), cross_entropy_kernel(1 / 64)
    assert one.text == other.text != cross_entropy_kernel(1 / 32).text
    assert isinstance(lay(matrix(2, 3)), Laid)
