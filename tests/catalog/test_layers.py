from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.activations import Activation
from netspec.catalog.initializers import GlorotUniform, Ones, Zeros
from netspec.catalog.layers import Layer
from netspec.compiler.graph import Value
from netspec.tensortype import BATCH, Dim, ShapeError, size

RNG = np.random.default_rng(0)
T, WORDS = size("T"), size("|word|")


def built(kind: str, *shapes: tuple[Dim, ...], training: bool = True, **fields: Any) -> tuple[Bench, Value]:
    """A layer on inputs ``x0``, ``x1``, ... of the given sample shapes."""
    bench = Bench(training)
    layer = Layer.kinds[kind](**fields)
    assert isinstance(layer, Layer)
    value = layer.build(bench.scope, *(bench.input(f"x{i}", *shape) for i, shape in enumerate(shapes)))
    assert isinstance(value, Value)
    return bench, value


def test_dense() -> None:
    bench, y = built("dense", (4,), units=3, activation=Activation.kinds["relu"]())
    assert bench.weights.asked["kernel"] == ((4, 3), GlorotUniform(), (4, 3))
    assert bench.weights.asked["bias"] == ((3,), Zeros(), (1, 1))
    x, w, b = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)
    given = {"x0": x, "layer.kernel": w, "layer.bias": b}
    np.testing.assert_allclose(bench.value(y, **given), np.maximum(x @ w + b, 0))


def test_dense_without_bias() -> None:
    bench, y = built("dense", (4,), units=3, bias=False)
    assert list(bench.weights.asked) == ["kernel"]
    assert y.type.shape == (BATCH, 3)


def test_dense_is_the_same_at_every_length() -> None:
    bench, y = built("dense", (T, 4), units=3)
    assert y.type.shape == (BATCH * T, 3)
    x, w, b = RNG.normal(size=(5, 7, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)
    np.testing.assert_allclose(bench.along(y, x, "x0", **{"layer.kernel": w, "layer.bias": b}), x @ w + b)


def test_dense_with_sizes_that_the_data_tell() -> None:
    bench, y = built("dense", (WORDS,), units=WORDS)
    assert bench.weights.asked["kernel"][0] == (WORDS, WORDS)
    assert y.type.shape == (BATCH, WORDS)


def test_dense_tells_what_its_units_see() -> None:
    bench, y = built("dense", (4,), units=3, activation=Activation.kinds["relu"]())
    assert bench.scope.units is not None
    assert bench.scope.units.output is y
    assert bench.scope.units.net.type.shape == (BATCH, 3)
    assert built("dense", (T, 4), units=3)[0].scope.units is None


def test_maxout() -> None:
    bench, y = built("maxout", (4,), units=3, pieces=5)
    assert bench.weights.asked["kernel"] == ((4, 15), GlorotUniform(), (4, 3))
    assert bench.weights.asked["bias"] == ((15,), Zeros(), (1, 1))
    x, w, b = RNG.normal(size=(6, 4)), RNG.normal(size=(4, 15)), RNG.normal(size=15)
    given = {"x0": x, "layer.kernel": w, "layer.bias": b}
    pieces = (x @ w + b).reshape(6, 5, 3)
    np.testing.assert_allclose(bench.value(y, **given), pieces.max(axis=1))
    kernel = next(v for v in bench.graph.graph("g", {"y": y}).inputs if v.type.shape == (4, 15))
    (slope,) = bench.gradient(y, [kernel], **given)
    wins = (pieces == pieces.max(axis=1, keepdims=True)).reshape(6, 15)
    np.testing.assert_allclose(slope, x.T @ wins, rtol=1e-12)


def test_maxout_along_a_length_and_without_bias() -> None:
    bench, y = built("maxout", (T, 4), units=3, bias=False)
    assert list(bench.weights.asked) == ["kernel"]
    assert y.type.shape == (BATCH * T, 3)
    x, w = RNG.normal(size=(2, 7, 4)), RNG.normal(size=(4, 6))
    found = bench.along(y, x, "x0", **{"layer.kernel": w})
    np.testing.assert_allclose(found, (x @ w).reshape(2, 7, 2, 3).max(axis=2))
    assert built("maxout", (WORDS,), units=WORDS)[1].type.shape == (BATCH, WORDS)


def test_dense_on_a_map_asks_for_flatten() -> None:
    with pytest.raises(ShapeError) as raised:
        built("dense", (13, 13, 8), units=10)
    assert str(raised.value) == "`dense` acts on the last axis and length axes before it, got [13, 13, 8]"
    assert raised.value.advice == "put `- flatten` before it"


def test_dense_on_an_index() -> None:
    with pytest.raises(ShapeError, match=r"`dense` needs values, got \[\]"):
        built("dense", (), units=10)


@pytest.mark.parametrize(("per", "shape"), [("channel", (2,)), ("position", (3, 4, 1)), ("element", (3, 4, 2))])
def test_affine(per: str, shape: tuple[int, ...]) -> None:
    bench, y = built("affine", (3, 4, 2), per=per)
    assert {name: (asked[0], asked[1]) for name, asked in bench.weights.asked.items()} == {
        "scale": (shape, Ones()),
        "bias": (shape, Zeros()),
    }
    x, s, b = RNG.normal(size=(5, 3, 4, 2)), RNG.normal(size=shape), RNG.normal(size=shape)
    np.testing.assert_allclose(bench.value(y, **{"x0": x, "layer.scale": s, "layer.bias": b}), x * s + b)


def test_affine_with_one_weight_and_activation() -> None:
    bench, y = built("affine", (3,), scale=False, activation=Activation.kinds["tanh"]())
    x, b = RNG.normal(size=(5, 3)), RNG.normal(size=3)
    np.testing.assert_allclose(bench.value(y, **{"x0": x, "layer.bias": b}), np.tanh(x + b))
    assert list(bench.weights.asked) == ["bias"]


def test_affine_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="does nothing"):
        built("affine", (3,), scale=False, bias=False)
    with pytest.raises(ShapeError, match="needs axes before the channels"):
        built("affine", (3,), per="position")


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    bench, y = built("dropout", (1000,), rate=0.3)
    x = np.full((20, 1000), 2.0)
    given = {"x0": x, "layer/stream_hi": 17.0, "layer/stream_lo": 4711.0}
    first, second = (bench.value(y, **given, step=float(step)) for step in (0, 1))
    kept = first != 0
    assert kept.mean() == pytest.approx(0.7, abs=0.02)
    np.testing.assert_allclose(first[kept], 2 / 0.7)
    assert np.corrcoef(kept.ravel(), (second != 0).ravel())[0, 1] == pytest.approx(0, abs=0.04)


def test_dropout_selects_so_that_a_dropped_infinity_is_gone() -> None:
    bench, y = built("dropout", (1000,), rate=0.5)
    given = {"x0": np.full((2, 1000), np.inf), "layer/stream_hi": 1.0, "layer/stream_lo": 2.0, "step": 0.0}
    assert not np.isnan(bench.value(y, **given)).any()


def test_dropout_gradient_is_that_of_what_was_kept() -> None:
    bench, y = built("dropout", (50,), rate=0.5)
    x = bench.graph.input("x0", bench.input("x0", 50).type, "stored")
    given = {"x0": np.ones((2, 50)), "layer/stream_hi": 1.0, "layer/stream_lo": 2.0, "step": 3.0}
    (slope,) = bench.gradient(y, [x], **given)
    np.testing.assert_allclose(slope, bench.value(y, **given))


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.0, True)])
def test_dropout_elsewhere_does_nothing(rate: float, training: bool) -> None:
    bench, y = built("dropout", (3,), training=training, rate=rate)
    assert y == bench.input("x0", 3)


def test_flatten_row_by_row() -> None:
    bench, y = built("flatten", (2, 3, 4))
    x = RNG.normal(size=(5, 2, 3, 4))
    np.testing.assert_array_equal(bench.value(y, x0=x), x.reshape(5, 24))
    assert built("flatten", (T, 2, 3))[1].type.shape == (BATCH * T, 6)
    bench, y = built("flatten", (7,))
    assert y == bench.input("x0", 7)
    with pytest.raises(ShapeError, match="lengths stand before fixed axes"):
        built("flatten", (2, T, 3))


def test_reshape_row_by_row() -> None:
    bench, y = built("reshape", (6, 4), shape=[2, 3, 4])
    x = RNG.normal(size=(5, 6, 4))
    np.testing.assert_array_equal(bench.value(y, x0=x), x.reshape(5, 2, 3, 4))
    assert built("reshape", (T, 6), shape=[2, 3])[1].type.shape == (BATCH * T, 2, 3)
    with pytest.raises(ShapeError, match=r"`reshape` to \[5, 5\] needs 25 values, got \[6, 4\], which holds 24"):
        built("reshape", (6, 4), shape=[5, 5])


def test_add_and_multiply() -> None:
    a, b, c = RNG.normal(size=(3, 5, 4))
    for kind, expected in (("add", a + b + c), ("multiply", a * b * c)):
        bench, y = built(kind, (4,), (4,), (4,))
        np.testing.assert_allclose(bench.value(y, x0=a, x1=b, x2=c), expected)
    assert built("multiply", (1, 1, 8), (7, 7, 8))[1].type.shape == (BATCH, 7, 7, 8)


@pytest.mark.parametrize(("kind", "shapes"), [("add", [(4,), (5,)]), ("multiply", [(4,), (4, 4)])])
def test_inputs_that_do_not_fit(kind: str, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ShapeError, match=rf"`{kind}` needs inputs of one shape, got \[4\] and \["):
        built(kind, *shapes)


def test_concat() -> None:
    a, b = RNG.normal(size=(5, 3, 2)), RNG.normal(size=(5, 3, 4))
    bench, y = built("concat", (3, 2), (3, 4))
    np.testing.assert_array_equal(bench.value(y, x0=a, x1=b), np.concatenate([a, b], axis=2))
    assert built("concat", (T, 100), (T, 50))[1].type.shape == (BATCH * T, 150)
    assert built("concat", (T, 2, 3), (T, 5, 3), axis=1)[1].type.shape == (BATCH * T, 7, 3)
    with pytest.raises(ShapeError, match=r"has no axis 0 in \[T, 3\]"):
        built("concat", (T, 3), (T, 3), axis=0)
    assert built("concat", (2, 3), (5, 3), axis=0)[1].type.shape == (BATCH, 7, 3)
    with pytest.raises(ShapeError, match=r"needs all other axes equal, got \[3, 2\] and \[4, 2\]"):
        built("concat", (3, 2), (4, 2))
    with pytest.raises(ShapeError, match="has no axis 2"):
        built("concat", (3, 2), (3, 2), axis=2)


def test_an_activation_as_a_layer() -> None:
    bench, y = built("activation", (4,), function=Activation.kinds["leaky_relu"](slope=0.1))
    x = RNG.normal(size=(5, 4))
    np.testing.assert_allclose(bench.value(y, x0=x), np.where(x > 0, x, 0.1 * x))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("dense", {"units": 0}),
        ("dense", {"units": True}),
        ("dense", {"units": 2.5}),
        ("dense", {"units": 3, "bias": "no"}),
        ("dropout", {"rate": 1.0}),
        ("dropout", {"rate": -0.1}),
        ("reshape", {"shape": [3, -1]}),
        ("reshape", {"shape": []}),
        ("affine", {"per": "sample"}),
    ],
)
def test_fields_that_make_no_sense(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Layer.kinds[kind](**fields)


def test_main_fields() -> None:
    assert {
        kind: Layer.kinds[kind].main_field() for kind in ("dense", "dropout", "reshape", "activation", "flatten")
    } == {
        "dense": "units",
        "dropout": "rate",
        "reshape": "shape",
        "activation": "function",
        "flatten": None,
    }


def test_every_kind_is_documented() -> None:
    for kind in Layer.kinds.values():
        assert kind.__doc__
        assert all(field.description for field in kind.model_fields.values())
