"""Data that are computed: the playground's six sets, and functions of one variable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from netspec.data.dataset import open_data
from netspec.data.fields.number import Number
from netspec.data.section import DataSection
from netspec.data.sources.function import Function
from netspec.data.sources.playground import Playground, Shape
from netspec.diagnostics import Report

Fault = Callable[[Callable[[], object]], tuple[str, str]]
SHAPES: tuple[Shape, ...] = get_args(Shape)


def drawn(shape: Shape, **options: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    table = Playground.model_validate({"kind": shape, **options}).open(Path())
    return table.columns["x"], table.columns["label"][:, 0]


def function(**fields: Any) -> Function:
    return Function.model_validate({"from": 0, "to": 1, "rows": 5, **fields})


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_described_is_opened(shape: Shape) -> None:
    source = Playground.model_validate({"kind": shape, "noise": 0.2, "rows": 41})
    table = source.open(Path())
    assert table.types == source.describe(Path())
    assert table.rows == 41
    for name, column in table.columns.items():
        assert column.dtype == np.float32
        assert column.shape == (41, *(table.types[name].shape or ()))
    assert table.fingerprint == source.open(Path()).fingerprint
    other = Playground.model_validate({"kind": shape, "noise": 0.2, "rows": 41, "seed": 1}).open(Path())
    assert other.fingerprint != table.fingerprint


def test_as_many_points_as_in_the_playground() -> None:
    assert {shape: len(drawn(shape)[0]) for shape in SHAPES} == {
        **dict.fromkeys(SHAPES, 500),
        "reg-plane": 1200,
        "reg-gauss": 1200,
    }


def test_circle() -> None:
    x, label = drawn("circle", rows=1000)
    radius = np.hypot(x[:, 0], x[:, 1])
    assert radius[label == 1].max() < 2.5
    assert radius[label == -1].min() > 3.49
    assert radius.max() < 5.01
    assert (label == 1).sum() == 500


def test_xor() -> None:
    x, label = drawn("xor", rows=1000)
    assert np.array_equal(label, np.sign(x[:, 0] * x[:, 1]))
    assert 0.3 <= np.abs(x).min() <= np.abs(x).max() <= 5.31


def test_gauss() -> None:
    x, label = drawn("gauss", rows=20000, noise=0.5)
    for sign in (-1, 1):
        assert np.allclose(x[label == sign].mean(axis=0), 2 * sign, atol=0.1)
        assert np.allclose(x[label == sign].var(axis=0), 4, atol=0.2)
    assert np.allclose(drawn("gauss", rows=20000)[0][:10000].var(axis=0), 0.5, atol=0.05)


def test_spiral() -> None:
    x, label = drawn("spiral", rows=200)
    i = np.arange(100) / 100
    arm = 5 * i[:, None] * np.stack([np.sin(3.5 * np.pi * i), np.cos(3.5 * np.pi * i)], axis=1)
    assert np.allclose(x[label == 1], arm, atol=1e-5)
    assert np.allclose(x[label == -1], -arm, atol=1e-5)
    noisy, _ = drawn("spiral", rows=200, noise=0.1)
    assert 0.05 < np.abs(noisy - x).max() <= 0.1 + 1e-5


def test_plane_and_hills() -> None:
    x, label = drawn("reg-plane")
    assert np.allclose(label, x.sum(axis=1) / 10, atol=1e-6)
    x, label = drawn("reg-gauss", rows=5000)
    top = np.argmin(np.hypot(x[:, 0] - 4, x[:, 1] + 2.5))
    assert label[top] == pytest.approx(np.hypot(x[top, 0] - 4, x[top, 1] + 2.5) / 2 - 1, abs=1e-5)
    assert label[np.hypot(x[:, 0] - 2, x[:, 1]) < 0.5].max() == 0
    assert -1 <= label.min() < -0.8
    assert 0.8 < label.max() <= 1


def test_noise_moves_the_label_and_not_the_point() -> None:
    (x, label), (noisy, moved) = drawn("xor"), drawn("xor", noise=0.5)
    assert np.array_equal(x, noisy)
    assert 0.05 < (label != moved).mean() < 0.4


def test_features_of_the_points() -> None:
    source = Playground.model_validate({"kind": "spiral", "rows": 20})
    data = DataSection(source=source, fields={"x": Number(of=("x1", "x2", "x1*x2", "sin(x1)"))})
    types = data.resolve(Path(), Report())
    assert types is not None
    assert {name: str(t) for name, t in types.items()} == {"label": "number [1]", "x": "number [4]"}
    opened = open_data(data, Path(), 0)
    points = drawn("spiral", rows=20)[0].astype(np.float64)
    assert np.allclose(opened.columns["x"][:, 2], points[:, 0] * points[:, 1], atol=1e-6)
    assert np.allclose(opened.columns["x"][:, 3], np.sin(points[:, 0]), atol=1e-6)
    plain = DataSection(source=source).resolve(Path(), Report())
    assert plain is not None
    assert list(plain) == ["x", "label"]


# --- functions ---


def test_a_function_at_even_distances() -> None:
    table = function(formula="sin(pi * x) + 1", **{"from": "-pi", "to": "pi / 2"}).open(Path())
    x = np.linspace(-np.pi, np.pi / 2, 5)
    assert np.allclose(table.columns["x"][:, 0], x)
    assert np.allclose(table.columns["y"][:, 0], np.sin(np.pi * x) + 1, atol=1e-6)


def test_a_function_at_random_places() -> None:
    source = function(formula="where(x > 0.5, 1, -1)", rows=1000, spacing="random", noise=0.1, seed=3)
    table = source.open(Path())
    x, y = table.columns["x"][:, 0], table.columns["y"][:, 0]
    assert 0 <= x.min() < 0.01
    assert 0.99 < x.max() <= 1
    residue = y - np.where(x > 0.5, 1, -1)
    assert residue.std() == pytest.approx(0.1, rel=0.1)
    assert table.fingerprint == source.open(Path()).fingerprint


def test_a_constant_is_a_function_too() -> None:
    assert function(formula="2").open(Path()).columns["y"].tolist() == [[2]] * 5


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"formula": "sin(z)"}, "bad-formula", "cannot know `z`"),
        ({"formula": "sin(x"}, "bad-formula", "`sin(x` is no formula"),
        ({"formula": "sum(x)"}, "bad-formula", "does not compute one number"),
        ({"formula": "x", "to": 0}, "out-of-range", "`from` must lie below `to`, got 0 and 0"),
        ({"formula": "x", "to": "x"}, "bad-formula", "`to` is a number or a formula of `pi`"),
        ({"formula": "x", "from": "pi"}, "out-of-range", "got 3.14159 and 1"),
        ({"formula": "1 / x"}, "not-finite", "`1 / x`, row 1: y is inf where x is 0"),
    ],
)
def test_what_is_no_function(fields: dict[str, Any], code: str, words: str, fault: Fault) -> None:
    found, text = fault(lambda: function(**fields).open(Path()))
    assert found == code, text
    assert words in text
