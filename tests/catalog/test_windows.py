"""Convolutions and pooling: against PyTorch where it has them, what they count, and what they make of lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.layers import Layer
from netspec.compiler.graph import Value
from netspec.tensortype import BATCH, Dim, size

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(0)


def built(kind: str, *shape: Dim, **fields: Any) -> tuple[Bench, Value, Value]:
    bench = Bench()
    x = bench.input("x", *shape)
    layer = Layer.kinds[kind](**fields)
    assert isinstance(layer, Layer)
    made = layer.build(bench.scope, x)
    assert isinstance(made, Value)
    return bench, x, made


def test_same_gives_as_many_windows_as_strides() -> None:
    for stride, rows in ((1, 7), (2, 4), (3, 3)):
        _, _, y = built("conv2d", 7, 6, 2, filters=3, kernel=4, stride=stride, padding="same")
        assert y.type.shape == (BATCH, rows, -(-6 // stride), 3)


def test_the_odd_pixel_of_same_goes_after() -> None:
    bench, _, y = built("conv1d", 4, 1, filters=1, kernel=2, padding="same", bias=False)
    got = bench.value(y, **{"x": [[[1.0], [2.0], [3.0], [4.0]]], "layer.kernel": [[[1.0]], [[10.0]]]})
    assert got.ravel().tolist() == [21, 32, 43, 4]


def test_frames_of_a_video() -> None:
    bench, _, y = built("conv2d", size("T"), 5, 5, 1, filters=2, kernel=3)
    assert y.type.shape == (BATCH * size("T"), 3, 3, 2)
    video, kernel = RNG.normal(size=(2, 4, 5, 5, 1)), RNG.normal(size=(3, 3, 1, 2))
    got = bench.along(y, video, **{"layer.kernel": kernel, "layer.bias": np.zeros(2)})
    _, _, still = single = built("conv2d", 5, 5, 1, filters=2, kernel=3)
    frame = single[0].value(still, **{"x": video[1, 2:3], "layer.kernel": kernel, "layer.bias": np.zeros(2)})
    np.testing.assert_allclose(got[1, 2], frame[0])


def test_connections_leave_weights_out() -> None:
    """Each filter reads its own maps; others have no weight, so that LeNet-5's third layer has 1,516 parameters."""
    table = [[0, 1], [2], [0, 2]]
    bench, _, y = built("conv2d", 4, 4, 3, filters=3, kernel=3, connections=table, bias=False)
    shape, *_ = bench.weights.asked["kernel"]
    assert shape == (3, 3, 5)
    x, kernel = RNG.normal(size=(2, 4, 4, 3)), RNG.normal(size=(3, 3, 5))
    whole = np.zeros((3, 3, 3, 3))
    for n, (i, o) in enumerate((i, o) for o, maps in enumerate(table) for i in maps):
        whole[:, :, i, o] = kernel[:, :, n]
    dense, _, wanted = built("conv2d", 4, 4, 3, filters=3, kernel=3, bias=False)
    expected = dense.value(wanted, **{"x": x, "layer.kernel": whole})
    np.testing.assert_allclose(bench.value(y, **{"x": x, "layer.kernel": kernel}), expected)


def test_the_first_of_equal_winners_receives_the_gradient() -> None:
    bench, x, y = built("max_pool1d", 4, 1, size=2)
    (found,) = bench.gradient(y, [x], x=[[[1.0], [1.0], [0.0], [2.0]]])
    assert found.ravel().tolist() == [1, 0, 0, 1]


def test_means_leave_padding_out() -> None:
    bench, _, y = built("avg_pool1d", 3, 1, size=2, padding=1)
    assert bench.value(y, x=[[[2.0], [4.0], [8.0]]]).ravel().tolist() == [2, 6]


CONVOLUTIONS: list[tuple[int, tuple[int, ...], dict[str, Any]]] = [
    (1, (20, 3), {"filters": 4, "kernel": 5, "stride": 2}),
    (2, (9, 8, 4), {"filters": 6, "kernel": 3, "padding": 1, "groups": 2}),
    (2, (11, 9, 3), {"filters": 5, "kernel": (3, 2), "stride": (2, 1), "padding": ((1, 1), (2, 2)), "dilation": 2}),
    (2, (6, 6, 8), {"filters": 8, "kernel": 3, "groups": 8}),
    (3, (5, 6, 7, 2), {"filters": 3, "kernel": (2, 3, 3), "padding": 1}),
]  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize(("axes", "shape", "fields"), CONVOLUTIONS)
def test_convolutions_agree_with_pytorch(axes: int, shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    bench, x, y = built(f"conv{axes}d", *shape, **fields)
    kernel_shape, *_ = bench.weights.asked["kernel"]
    given = {
        "x": RNG.normal(size=(3, *shape)),
        "layer.kernel": RNG.normal(size=kernel_shape),
        "layer.bias": RNG.normal(size=fields["filters"]),
    }
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in given.items()}
    padding = fields.get("padding", 0)
    padding = tuple(before for before, _ in padding) if isinstance(padding, tuple) else padding
    weight = tensors["layer.kernel"].movedim((-1, -2), (0, 1))
    expected = getattr(torch.nn.functional, f"conv{axes}d")(
        tensors["x"].movedim(-1, 1), weight, tensors["layer.bias"], fields.get("stride", 1), padding,
        fields.get("dilation", 1), fields.get("groups", 1),
    ).movedim(1, -1)  # fmt: skip
    np.testing.assert_allclose(bench.value(y, **given), expected.detach(), rtol=1e-5, atol=1e-9)
    expected.sum().backward()
    weights = [value for value in bench.graph.graph("all", {"y": y}).inputs if value is not x]
    found = bench.gradient(y, [x, *weights], **given)
    keys = ["x", *(value.node.op.key for value in weights)]
    for key, gradient in zip(keys, found, strict=True):
        np.testing.assert_allclose(gradient, tensors[key].grad, rtol=1e-5, atol=1e-9)


POOLS: list[tuple[int, tuple[int, ...], dict[str, Any]]] = [
    (1, (11, 3), {"size": 3}),
    (2, (9, 8, 4), {"size": 3, "stride": 2, "padding": 1}),
    (3, (5, 6, 7, 2), {"size": (2, 3, 2), "stride": 2}),
]


@pytest.mark.parity
@pytest.mark.parametrize("how", ["max", "avg"])
@pytest.mark.parametrize(("axes", "shape", "fields"), POOLS)
def test_pooling_agrees_with_pytorch(how: str, axes: int, shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    bench, x, y = built(f"{how}_pool{axes}d", *shape, **fields)
    given = RNG.normal(size=(3, *shape))
    tensor = torch.tensor(given, requires_grad=True)
    counting = {"count_include_pad": False} if how == "avg" else {}
    pool = getattr(torch.nn.functional, f"{how}_pool{axes}d")
    expected = pool(tensor.movedim(-1, 1), fields["size"], fields.get("stride"), fields.get("padding", 0), **counting)
    np.testing.assert_allclose(bench.value(y, x=given), expected.movedim(1, -1).detach(), rtol=1e-5)
    expected.sum().backward()
    (found,) = bench.gradient(y, [x], x=given)
    np.testing.assert_allclose(found, tensor.grad, rtol=1e-5, atol=1e-9)
