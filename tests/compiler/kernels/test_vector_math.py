"""Elementary functions over the whole range of float32, against NumPy in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_runs import address, body, clock_at, run
from numpy.typing import NDArray

from netspec.compiler.codegen import objects
from netspec.compiler.kernels.kernel import Kernel, Operand, Result
from netspec.compiler.kernels.rows import Action, Sweep, rows_kernel, rows_words

Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
LEAST = np.float32(1.1754944e-38)
ULPS = 2.5


def sigmoid(x: Doubles) -> Doubles:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e) + 0 * np.where(np.isinf(x), 0, x)


def jump(below: float) -> Callable[[Doubles], Doubles]:
    return lambda x: np.where(x >= 0, 1.0, np.where(x < 0, below, x))


ONE: dict[str, Callable[[Doubles], Doubles]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sign": jump(-1.0),
    "step": jump(0.0),
    "floor": np.floor,
    "abs": np.abs,
    "negative": np.negative,
}
TWO: dict[str, Callable[[Doubles, Doubles], Doubles]] = {
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": lambda x, y: np.where(np.isnan(x) | np.isnan(y), np.nan, np.power(x, y)),
}


def kernel_of(name: str, arguments: int) -> Kernel:
    emit = body(name, lambda v, inputs, _: [getattr(v, name)(*inputs)])
    return rows_kernel((Operand(),) * arguments, (Sweep(emit, (("store", 0),)),), (Result(),))


def apply(name: str, *arguments: Reals) -> Reals:
    """A function on vectors of any length, by a row kernel."""
    count = arguments[0].size
    inputs = [np.concatenate([array, np.zeros(16, np.float32)]) for array in arguments]
    result = np.empty(count + 16, np.float32)
    places = [(address(array), 0, 0, 0) for array in (*inputs, result)]
    clock = clock_at(0)
    run(kernel_of(name, len(inputs)), rows_words(address(clock), 1, count, places[:-1], places[-1:]))
    return result[:count]


def whole_range() -> Reals:
    """Every 997th float32 of either sign, and a dense grid where functions bend; denormals left out."""
    bits = np.arange(0x00800000, 0x7F800000, 997, dtype=np.uint32)
    grid = np.concatenate([np.linspace(-20, 20, 40001), np.linspace(-1.1, 1.1, 40001), [0.0, -0.0, 1.0, -1.0]])
    grid = grid.astype(np.float32)
    grid = grid[(np.abs(grid) >= LEAST) | (grid == 0)]
    return np.concatenate([bits.view(np.float32), (bits | np.uint32(0x80000000)).view(np.float32), grid])


def check(got: Reals, wanted: Doubles, *arguments: Reals) -> None:
    """Finite results within 2.5 units in the last place; infinities and NaN where they belong."""
    with np.errstate(all="ignore"):
        rounded = wanted.astype(np.float32)
    finite = np.isfinite(rounded)
    spacing = np.spacing(np.abs(rounded[finite])).astype(np.float64)
    error = np.abs(got[finite].astype(np.float64) - wanted[finite]) / spacing
    worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    assert error[worst] <= ULPS, (error[worst], [x[finite][worst] for x in arguments])
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded)) | finite
    assert same.all(), [x[~same][:5] for x in arguments]


@pytest.mark.parametrize("name", ONE)
def test_function_is_accurate_over_the_whole_range(name: str) -> None:
    x = whole_range()
    if name == "erf":
        x = x[::4]  # math.erf is slow
    with np.errstate(all="ignore"):
        check(apply(name, x), ONE[name](x.astype(np.float64)), x)


@pytest.mark.parametrize("name", ONE)
def test_infinities_and_nan(name: str) -> None:
    x = np.array([np.inf, -np.inf, np.nan, -np.nan], np.float32)
    with np.errstate(all="ignore"):
        wanted = ONE[name](x.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(apply(name, x), wanted)


def pairs() -> tuple[Reals, Reals]:
    rng = np.random.default_rng(0)
    edges = [0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, np.inf, -np.inf, np.nan, 1e30, -1e30, 16777216, -16777215]
    x, y = (part.ravel() for part in np.meshgrid(np.array(edges, np.float32), np.array(edges, np.float32)))
    count = 200_000
    bases = np.concatenate([x, rng.lognormal(0, 4, count), rng.standard_normal(count) * 3]).astype(np.float32)
    exponents = np.concatenate([y, rng.standard_normal(count) * 15, rng.integers(-20, 20, count)]).astype(np.float32)
    return bases, exponents


@pytest.mark.parametrize("name", TWO)
def test_function_of_two(name: str) -> None:
    x, y = pairs()
    with np.errstate(all="ignore"):
        check(apply(name, x, y), TWO[name](x.astype(np.float64), y.astype(np.float64)), x, y)


def test_step_and_sign_of_zero_are_one() -> None:
    zeros = np.array([0.0, -0.0], np.float32)
    assert apply("step", zeros).tolist() == [1, 1]
    assert apply("sign", zeros).tolist() == [1, 1]


@pytest.mark.parametrize("exponent", range(6))
def test_integer_power(exponent: int) -> None:
    x = np.linspace(-3, 3, 1001, dtype=np.float32)
    emit = body(f"power {exponent}", lambda v, inputs, _: [v.integer_power(inputs[0], exponent)])
    kernel = rows_kernel((Operand(),), (Sweep(emit, (("store", 0),)),), (Result(),))
    given, result, clock = np.concatenate([x, np.zeros(16, np.float32)]), np.empty(1040, np.float32), clock_at(0)
    run(kernel, rows_words(address(clock), 1, x.size, [(address(given), 0, 0, 0)], [(address(result), 0, 0, 0)]))
    np.testing.assert_allclose(result[: x.size], x.astype(np.float64) ** exponent, rtol=3e-7)


@pytest.mark.parametrize("level", ["avx512", "avx2", "sse", "neon"])
def test_nothing_of_libm_is_called(level: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """On any processor: without wide conversions, without FMA, without roundings in hardware."""
    monkeypatch.setenv("NETSPEC_CPU", level)
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path))
    names = [*ONE, *TWO]

    def everything(v: Any, inputs: Any, _: Any) -> list[Any]:
        return [getattr(v, name)(*inputs[: 1 if name in ONE else 2]) for name in names]

    stores: tuple[Action, ...] = tuple(("store", i) for i in range(len(names)))
    kernel = rows_kernel((Operand(),) * 2, (Sweep(body("all", everything), stores),), (Result(),) * len(names))
    assert objects.undefined_symbols(objects.object_code(kernel)) <= {"_GLOBAL_OFFSET_TABLE_"}
