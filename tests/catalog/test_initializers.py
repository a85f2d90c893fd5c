from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.catalog.initializers import Initializer
from netspec.catalog.streams import initial_key, stream
from netspec.diagnostics import DataError
from netspec.tensortype import ShapeError, size

SHAPE, FANS = (400, 300), (400, 300)
# Kind, fields, mean, standard deviation, bound.
RANDOM: list[tuple[str, dict[str, float], float, float, float | None]] = [
    ("uniform", {"low": -1.0, "high": 3.0}, 1.0, 4 / sqrt(12), 2.0),
    ("normal", {"mean": 2.0, "std": 0.5}, 2.0, 0.5, None),
    ("glorot_uniform", {}, 0, sqrt(2 / 700), sqrt(6 / 700)),
    ("glorot_normal", {}, 0, sqrt(2 / 700), None),
    ("he_uniform", {}, 0, sqrt(2 / 400), sqrt(6 / 400)),
    ("he_normal", {}, 0, sqrt(2 / 400), None),
    ("lecun_uniform", {}, 0, sqrt(1 / 400), sqrt(3 / 400)),
    ("lecun_normal", {}, 0, sqrt(1 / 400), None),
    ("orthogonal", {"gain": 2.0}, 0, 2 / sqrt(400), None),
]
each_random = pytest.mark.parametrize(
    ("kind", "fields", "mean", "deviation", "bound"), RANDOM, ids=[r[0] for r in RANDOM]
)


def drawn(kind: str, shape: tuple[int, ...] = SHAPE, seed: int = 0, path: str = "dense_1.kernel", **fields: Any) -> Any:
    made = Initializer.kinds[kind](**fields)
    assert isinstance(made, Initializer)
    array = made.draw(shape, FANS, seed, path)
    assert array.dtype == np.float32
    assert array.shape == shape
    assert array.flags.c_contiguous
    return array


@each_random
def test_moments(kind: str, fields: dict[str, float], mean: float, deviation: float, bound: float | None) -> None:
    values = drawn(kind, **fields)
    assert values.mean() == pytest.approx(mean, abs=5 * deviation / sqrt(values.size))
    assert values.std() == pytest.approx(deviation, rel=0.01)
    if bound is not None:
        assert np.abs(values - mean).max() <= bound * (1 + 1e-6)
        assert np.abs(values - mean).max() > 0.99 * bound


@each_random
def test_depends_on_seed_and_path_alone(
    kind: str, fields: dict[str, float], mean: float, deviation: float, bound: float | None
) -> None:
    values = drawn(kind, **fields)
    np.testing.assert_array_equal(values, drawn(kind, **fields))
    for other in (drawn(kind, seed=1, **fields), drawn(kind, path="dense_2.kernel", **fields)):
        correlation = np.corrcoef(values.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 5 / sqrt(values.size)


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (1, 5), (3, 3, 2, 8)])
def test_orthogonal_columns_or_rows(shape: tuple[int, ...]) -> None:
    matrix = drawn("orthogonal", shape, gain=1.5).reshape(-1, shape[-1]).astype(np.float64)
    short = matrix.T @ matrix if len(matrix) >= shape[-1] else matrix @ matrix.T
    np.testing.assert_allclose(short, 1.5**2 * np.eye(len(short)), atol=1e-6)


def test_orthogonal_is_drawn_evenly() -> None:
    """The moments of Haar's measure: an entry of a rotation in n dimensions has 0, 1 / n and 3 / (n (n + 2))."""
    many = np.stack([drawn("orthogonal", (3, 3), seed=seed) for seed in range(2000)]).astype(np.float64)
    for power, expected in ((1, 0), (2, 1 / 3), (3, 0), (4, 1 / 5)):
        np.testing.assert_allclose((many**power).mean(axis=0), expected, atol=5 / sqrt(2000) * 0.6)
    assert np.linalg.det(many).mean() == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_orthogonal_needs_a_matrix(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="two axes or more"):
        Initializer.kinds["orthogonal"]().check(shape)  # type: ignore[attr-defined]


def test_what_is_not_drawn() -> None:
    assert (drawn("zeros") == 0).all()
    assert (drawn("ones") == 1).all()
    assert (drawn("constant", value=-1.5) == np.float32(-1.5)).all()


def test_given_values() -> None:
    assert drawn("given", (2, 1), numbers=[[1], [0.5]]).tolist() == [[1.0], [0.5]]
    assert drawn("given", (), numbers=3).tolist() == 3.0


@pytest.mark.parametrize("shape", [(1, 2), (2,), (2, 1, 1)])
def test_given_values_of_another_shape(shape: tuple[int, ...]) -> None:
    given = Initializer.kinds["given"](numbers=[[1.0], [1.0]])
    assert isinstance(given, Initializer)
    with pytest.raises(ShapeError, match=r"the given values are \[2, 1\], the weight is"):
        given.check(shape)
    given.check((size("|word|"), 1))


@pytest.mark.parametrize("numbers", [[[1], [1, 2]], [], "ones", [True], [float("nan")]])
def test_given_values_that_are_none(numbers: Any) -> None:
    with pytest.raises(ValueError, match=r"expected numbers|same length"):
        Initializer.kinds["given"](numbers=numbers)


def test_file(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.arange(6.0).reshape(2, 3))
    made = Initializer.kinds["file"](path=str(tmp_path / "w.npy"))
    assert isinstance(made, Initializer)
    assert made.draw((2, 3), (2, 3), 0, "x").tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(DataError, match=r"holds \[2, 3\], and the weight is \[3, 2\]"):
        made.draw((3, 2), (3, 2), 0, "x")


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("1 2 3")
    np.save(tmp_path / "words.npy", np.array(["1", "2", "3"]))
    np.savez(tmp_path / "several.npz", w=np.ones(3))
    np.save(tmp_path / "nan.npy", np.array([1, np.nan, 3]))
    np.save(tmp_path / "large.npy", np.array([1, 1e39, 3]))
    for name, message in (
        ("missing.npy", "missing.npy cannot be read"),
        ("text.npy", "no array of numbers"),
        ("words.npy", "no array of numbers"),
        ("several.npz", "no array of numbers"),
        ("nan.npy", "numbers that float32 does not hold"),
        ("large.npy", "numbers that float32 does not hold"),
    ):
        made = Initializer.kinds["file"](path=str(tmp_path / name))
        assert isinstance(made, Initializer)
        with pytest.raises(DataError, match=message):
            made.draw((3,), (1, 1), 0, "x")


def test_bounds_in_order() -> None:
    with pytest.raises(ValueError, match="`low` is 2, above `high`, 1"):
        Initializer.kinds["uniform"](low=2.0, high=1.0)


def test_streams() -> None:
    pairs = {stream(seed, f"dropout_{i}") for seed in range(20) for i in range(20)}
    assert len(pairs) == 400
    assert all(0 <= half < 2**24 for pair in pairs for half in pair)
    # Fixed: another value would change what a resumed run draws.
    assert stream(0, "dropout_1") == stream(0, "dropout_1")
    assert 0 <= initial_key(0, "a") < 2**128
