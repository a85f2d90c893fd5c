"""Layers that normalise: against PyTorch where it has them, and what they do in training and outside of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.layers import Layer
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.tensortype import Dim, ShapeError, TensorType, merged, size

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(0)


def built(kind: str, *shape: Dim, training: bool = True, frozen: bool = False, **fields: Any) -> tuple[Bench, Value]:
    bench = Bench(training)
    bench.weights.frozen = frozen
    layer = Layer.kinds[kind](**fields)
    assert isinstance(layer, Layer)
    made = layer.build(bench.scope, bench.input("x", *shape))
    assert isinstance(made, Value)
    assert made.type.shape == merged(shape)
    return bench, made


def weighted(bench: Bench, y: Value) -> Value:
    """``y`` times an input: the sum of what is normalised is the same whatever it is of."""
    return apply(bench.scope, "y * w", y=y, w=bench.graph.input("w", TensorType("float32", y.type.shape), "stored"))


def drawn(bench: Bench, *shape: int) -> dict[str, Array]:
    """Inputs, their weights in the loss, and weights of the layer; variances are positive."""
    given = {"x": RNG.normal(2, 3, shape), "w": RNG.normal(size=shape)}
    asked = {f"layer.{name}": found[0] for name, found in bench.weights.asked.items()}
    return given | {
        key: RNG.uniform(0.5, 2, [int(n) for n in sizes if isinstance(n, int)]) for key, sizes in asked.items()
    }


SHAPES: list[tuple[int, ...]] = [(5, 4), (2, 1), (5, 7, 3), (1, 9, 1), (4, 3, 5, 6), (3, 2, 3, 2, 4)]


@pytest.mark.parity
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_is_pytorchs(shape: tuple[int, ...], training: bool) -> None:
    torch = pytest.importorskip("torch")
    bench, y = built("batch_norm", *shape[1:], training=training, momentum=0.3, epsilon=1e-3)
    given = drawn(bench, *shape)
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in given.items()}
    running = [torch.tensor(given[f"layer.{name}"]) for name in ("mean", "variance")]
    expected = torch.nn.functional.batch_norm(
        tensors["x"].movedim(-1, 1), *running, tensors["layer.scale"], tensors["layer.bias"], training, 0.3, 1e-3
    ).movedim(1, -1)
    np.testing.assert_allclose(bench.value(y, **given), expected.detach(), rtol=1e-5, atol=1e-9)
    (expected * tensors["w"]).sum().backward()
    keys = ["x", "layer.scale", "layer.bias"]
    values = {value.node.op.key: value for value in bench.graph.graph("all", {"y": y}).inputs}
    found = bench.gradient(weighted(bench, y), [values[key] for key in keys], **given)
    for key, gradient in zip(keys, found, strict=True):
        np.testing.assert_allclose(gradient, tensors[key].grad, rtol=1e-5, atol=1e-9)
    for name, moved in zip(("mean", "variance"), running, strict=True):
        if not training:
            assert name not in bench.weights.followed
            continue
        value, rate = bench.weights.followed[name]
        before = given[f"layer.{name}"]
        np.testing.assert_allclose(before + rate * (bench.value(value, **given) - before), moved, rtol=1e-6)


def test_batch_norm_normalises_every_channel() -> None:
    bench, y = built("batch_norm", 6, 5, 3, scale=False, bias=False, epsilon=1e-9)
    assert list(bench.weights.asked) == ["mean", "variance"]
    x = RNG.normal(50, 7, (4, 6, 5, 3))
    got = bench.value(y, x=x)
    np.testing.assert_allclose(got.mean((0, 1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(got.std((0, 1, 2)), 1)
    np.testing.assert_allclose(got, (x - x.mean((0, 1, 2))) / x.std((0, 1, 2)))


def test_a_frozen_batch_norm_uses_running_statistics_in_training() -> None:
    bench, y = built("batch_norm", 3, frozen=True)
    still, expected = built("batch_norm", 3, training=False)
    given = drawn(bench, 5, 3)
    np.testing.assert_array_equal(bench.value(y, **given), still.value(expected, **given))
    assert not bench.weights.followed


def test_batch_norm_refuses_batches_that_are_filled_up() -> None:
    with pytest.raises(ShapeError, match=r"one of \[T, 4\] is filled up behind its samples"):
        built("batch_norm", size("T"), 4)


def from_pytorch(kind: str, fields: dict[str, Any], torch: Any) -> Any:
    """The same in PyTorch, of ``x`` with channels last."""
    f = torch.nn.functional

    def layer_norm(x: Any, scale: Any, bias: Any) -> Any:
        return f.layer_norm(x, scale.shape, scale, bias, 1e-3)

    def group_norm(x: Any, scale: Any, bias: Any) -> Any:
        return f.group_norm(x.movedim(-1, 1), fields["groups"], scale, bias, 1e-3).movedim(1, -1)

    def instance_norm(x: Any, scale: Any, bias: Any) -> Any:
        return f.instance_norm(x.movedim(-1, 1), None, None, scale, bias, eps=1e-3).movedim(1, -1)

    def lrn(x: Any) -> Any:
        size, alpha = fields["size"], fields["alpha"]
        return f.local_response_norm(x.movedim(-1, 1), size, alpha * size, fields["beta"], fields["k"]).movedim(1, -1)

    return {"layer_norm": layer_norm, "group_norm": group_norm, "instance_norm": instance_norm, "lrn": lrn}[kind]


BY_SAMPLE: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("layer_norm", (5, 4), {}),
    ("layer_norm", (2, 17), {}),
    ("layer_norm", (3, 4, 5, 3), {}),
    ("layer_norm", (3, 4, 5, 3), {"over": "channels"}),
    ("group_norm", (5, 6), {"groups": 2}),
    ("group_norm", (3, 4, 5, 6), {"groups": 3}),
    ("group_norm", (3, 2, 3, 2, 4), {"groups": 4}),
    ("group_norm", (3, 7, 5), {"groups": 1}),
    ("instance_norm", (3, 7, 5), {}),
    ("instance_norm", (2, 4, 5, 1), {}),
    ("instance_norm", (3, 2, 3, 2, 4), {}),
    ("lrn", (3, 4, 5, 7), {"size": 5, "alpha": 0.3, "beta": 0.6, "k": 1.5}),
    ("lrn", (3, 4, 5, 7), {"size": 2, "alpha": 0.3, "beta": 0.75, "k": 1.0}),
    ("lrn", (2, 3, 1), {"size": 1, "alpha": 0.3, "beta": 1.0, "k": 2.0}),
]


@pytest.mark.parity
@pytest.mark.parametrize(("kind", "shape", "fields"), BY_SAMPLE, ids=str)
def test_normalised_by_sample_as_in_pytorch(kind: str, shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    more = {} if kind == "lrn" else {"epsilon": 1e-3}
    bench, y = built(kind, *shape[1:], **fields, **more)
    given = drawn(bench, *shape)
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in given.items()}
    learned = [tensors[f"layer.{name}"] for name in bench.weights.asked]
    expected = from_pytorch(kind, fields, torch)(tensors["x"], *learned)
    np.testing.assert_allclose(bench.value(y, **given), expected.detach(), rtol=1e-5, atol=1e-9)
    (expected * tensors["w"]).sum().backward()
    keys = [key for key in given if key != "w"]
    values = {value.node.op.key: value for value in bench.graph.graph("all", {"y": y}).inputs}
    found = bench.gradient(weighted(bench, y), [values[key] for key in keys], **given)
    for key, gradient in zip(keys, found, strict=True):
        np.testing.assert_allclose(gradient, tensors[key].grad, rtol=1e-5, atol=1e-8, err_msg=key)


def test_local_response_normalisation_is_the_papers() -> None:
    bench, y = built("lrn", 7)
    x = RNG.normal(0, 100, (3, 7))
    sums = np.array([(x[:, max(c - 2, 0) : c + 3] ** 2).sum(1) for c in range(7)]).T
    np.testing.assert_allclose(bench.value(y, x=x), x / (2 + 1e-4 * sums) ** 0.75)


@pytest.mark.parametrize("kind", ["layer_norm", "group_norm", "instance_norm", "lrn"])
def test_every_step_of_a_length_is_normalised_by_itself(kind: str) -> None:
    fields = {"groups": 2} if kind == "group_norm" else {}
    bench, y = built(kind, size("T"), 3, 4, **fields)
    still, expected = built(kind, 3, 4, **fields)
    x = RNG.normal(size=(2, 5, 3, 4))
    weights = {k: v for k, v in drawn(still, 10, 3, 4).items() if k.startswith("layer.")}
    got, one = bench.along(y, x, **weights), still.value(expected, x=x.reshape(10, 3, 4), **weights)
    np.testing.assert_allclose(got.reshape(10, 3, 4), one)


@pytest.mark.parametrize(
    ("kind", "shape", "fields", "message"),
    [
        ("group_norm", (4, 5), {"groups": 3}, "has 3 groups, into which 5 channels do not divide"),
        ("group_norm", (5,), {"groups": 5}, "each of 5 groups of .5. is one number"),
        ("instance_norm", (5,), {}, "over its places, and .5. has one"),
        ("layer_norm", (1,), {}, "of each sample, and in .1. that is one number"),
        ("layer_norm", (3, 1), {"over": "channels"}, "that is one number"),
    ],
)
def test_a_variance_of_one_number_is_refused(
    kind: str, shape: tuple[int, ...], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        built(kind, *shape, **fields)
