"""Folds over rows at the edges of vectors, panels and shares of threads."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_runs import EDGES, PARTS, address, blank, body, clock_at, lay, run

from netspec.compiler.kernels.fold import fold_kernel, fold_words
from netspec.compiler.kernels.kernel import Operand, Result

WEIGHTED = body("x * w, x, x", lambda v, x, _: [v.b.fmul(x[0], x[1]), x[0], x[0]])
FINISH = body("sum + e, max, min, sum", lambda v, x, _: [v.b.fadd(x[0], x[3]), x[1], x[2], x[0]])
KERNEL = fold_kernel(
    (Operand(), Operand(spread=True)),
    WEIGHTED,
    ("sum", "max", "min"),
    (Operand(),),
    (Result(), Result(), Result(), Result("stepped")),
    FINISH,
)


@pytest.mark.parametrize("columns", EDGES)
@pytest.mark.parametrize("rows", [1, 2, 17, 64])
@pytest.mark.parametrize("panel_width", [0, 16, 32])
def test_fold_at_edges(rows: int, columns: int, panel_width: int) -> None:
    rng = np.random.default_rng(rows + columns)
    x, extra = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, columns), (1, columns)))
    weights, clock = rng.standard_normal(rows).astype(np.float32), clock_at(3)
    laid, more, seen = lay(x, panel_width), lay(extra, panel_width), set()
    for parts in PARTS:
        made, scalars = [blank(1, columns, panel_width) for _ in range(3)], np.zeros(5, np.float32)
        results = [*(result.words for result in made), (address(scalars), 0, 0, 0)]
        operands = [laid.words, (address(weights), 4, 0, 0)]
        words = fold_words(address(clock), rows, columns, operands, [more.words], results, panel_width=panel_width)
        run(KERNEL, words, parts)
        seen.add(b"".join(result.read().tobytes() for result in made) + scalars.tobytes())
        assert all(np.isnan(result.padding).all() for result in made)
    assert len(seen) == 1
    total = (x.astype(np.float64) * weights[:, None]).sum(0)
    np.testing.assert_allclose(made[0].read()[0], total + extra[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made[1].read()[0], x.max(0))
    np.testing.assert_array_equal(made[2].read()[0], x.min(0))
    np.testing.assert_allclose(scalars, [0, 0, 0, total[0], 0], rtol=1e-5, atol=1e-5)


def test_a_column_is_one_ascending_chain() -> None:
    x = np.random.default_rng(0).standard_normal((40, 5, 100)).astype(np.float32)
    same = body("x", lambda v, inputs, _: [inputs[0]])
    kernel = fold_kernel((Operand(),), same, ("sum",), (), (Result(),), same)
    wanted = np.zeros(100, np.float32)
    for row in x.reshape(200, 100):
        wanted += row
    memory, result, clock = np.concatenate([x.ravel(), np.zeros(16, np.float32)]), blank(1, 100), clock_at(0)
    operand = (address(memory), 2000, 400, 0)
    run(kernel, fold_words(address(clock), 40, 100, [operand], [], [result.words], middle=5), 2)
    np.testing.assert_array_equal(result.read()[0], wanted)


def test_nan_reaches_the_result_of_its_column_only() -> None:
    x = np.ones((9, 20), np.float32)
    x[4, 18] = np.nan
    laid, clock, made = lay(x), clock_at(0), [blank(1, 20) for _ in range(3)]
    kernel = fold_kernel(
        (Operand(),),
        body("x, x, x", lambda v, inputs, _: [inputs[0]] * 3),
        ("sum", "max", "min"),
        (),
        (Result(),) * 3,
        body("folded", lambda v, inputs, _: list(inputs)),
    )
    run(kernel, fold_words(address(clock), 9, 20, [laid.words], [], [result.words for result in made]))
    for result in made:
        assert np.isnan(result.read()[0]).tolist() == [column == 18 for column in range(20)]


def test_folds_neither_gather_nor_write_rows() -> None:
    with pytest.raises(ValueError, match="gathers nothing"):
        fold_kernel((Operand(gathered=True),), WEIGHTED, ("sum",), (), (Result(),), FINISH)
    with pytest.raises(ValueError, match="no rows left"):
        fold_kernel((Operand(),), WEIGHTED, ("sum",), (), (Result("spread"),), FINISH)
