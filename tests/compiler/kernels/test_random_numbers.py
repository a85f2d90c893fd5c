"""Counter-based random numbers: equal to their NumPy reference, and random enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_runs import EDGES, PARTS, address, blank, body, clock_at, run
from numpy.typing import NDArray

from netspec.compiler.kernels import random_numbers
from netspec.compiler.kernels.kernel import Kernel, Operand, Result
from netspec.compiler.kernels.rows import Sweep, rows_kernel, rows_words

SEED = (12345, 16777215, 1048577)  # hi, lo, step


def kernel_of(name: str) -> Kernel:
    draw = getattr(random_numbers, name)
    emit = body(f"{name}(hi, lo, step)", lambda v, inputs, place: [draw(v, *inputs, place)])
    return rows_kernel((Operand(spread=True),) * 3, (Sweep(emit, (("store", 0),)),), (Result(),))


def draw(name: str, rows: int, columns: int, panel_width: int = 0, parts: int = 1) -> NDArray[np.float32]:
    """What a kernel draws for a matrix in some layout."""
    seeds, clock = np.array(SEED, np.float32), clock_at(0)
    result = blank(rows, columns, panel_width)
    operands = [(address(seeds, i), 0, 0, 0) for i in range(3)]
    run(kernel_of(name), rows_words(address(clock), rows, columns, operands, [result.words], 1, panel_width), parts)
    return result.read()


def test_known_answers() -> None:
    """The vectors that Salmon et al. publish with their code."""
    for key, counter, wanted in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ):
        words = random_numbers.threefry(
            key,
            counter,
            add=lambda x, y: (x + y) % 2**32,
            xor=lambda x, y: x ^ y,
            rotate=lambda x, n: (x << n | x >> (32 - n)) % 2**32,
            constant=lambda n: n,
        )
        assert words == wanted


@pytest.mark.parametrize("columns", EDGES)
def test_uniform_equals_its_reference_bit_for_bit(columns: int) -> None:
    wanted = random_numbers.uniform_reference(*SEED, (19, columns))
    for panel_width in (0, 16, 32):
        for parts in PARTS:
            np.testing.assert_array_equal(draw("uniform", 19, columns, panel_width, parts), wanted)


def test_normal_equals_its_reference() -> None:
    wanted = random_numbers.normal_reference(*SEED, (200, 333))
    np.testing.assert_allclose(draw("normal", 200, 333), wanted, rtol=1e-6, atol=1e-6)


def test_the_leading_axis_is_rows_and_a_scalar_has_one_element() -> None:
    flat = random_numbers.uniform_reference(*SEED, (24,))
    np.testing.assert_array_equal(random_numbers.uniform_reference(*SEED, (2, 3, 4)), flat.reshape(2, 3, 4))
    assert random_numbers.normal_reference(*SEED, ()).shape == ()


def test_distributions() -> None:
    uniform = random_numbers.uniform_reference(*SEED, (1000, 1000)).astype(np.float64)
    normal = random_numbers.normal_reference(*SEED, (1000, 1000)).astype(np.float64)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    counts = np.histogram(uniform, 100, (0, 1))[0]
    assert np.sum((counts - 1e4) ** 2 / 1e4) < 160  # chi squared of 99 degrees: 160 has p = 1e-4
    for sample, mean, variance in ((uniform, 0.5, 1 / 12), (normal, 0, 1)):
        assert abs(sample.mean() - mean) < 5e-3
        assert abs(sample.var() - variance) < 1e-2
        along = [np.corrcoef(sample.ravel()[:-lag], sample.ravel()[lag:])[0, 1] for lag in (1, 16, 1000)]
        assert max(map(abs, along)) < 5e-3
    assert abs((normal**4).mean() - 3) < 0.05
    assert np.isfinite(normal).all()


@pytest.mark.parametrize("change", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 1 << 8), (0, 0, 1 << 16)])
def test_every_part_of_the_key_counts(change: Any) -> None:
    base = (100, 200, 300)
    one = random_numbers.uniform_reference(*base, (10_000,))
    other = random_numbers.uniform_reference(*(a + b for a, b in zip(base, change, strict=True)), (10_000,))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
