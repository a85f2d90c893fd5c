"""Squared distances from centres."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import layer_on
from compiled import Compiled
from compiled_layers import ROWS, check_layer, drawn, layer_graph

from netspec.catalog.activations import Activation
from netspec.tensortype import BATCH, ShapeError, size

RNG = np.random.default_rng(0)


def test_distances_and_their_gradients() -> None:
    bench, x, y = layer_on("rbf", 5, units=3)
    assert bench.weights.asked["kernel"][0] == (5, 3)
    given, centres = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))
    arrays = {"x": given, "layer.kernel": centres}
    apart = given[:, :, None] - centres
    np.testing.assert_allclose(bench.value(y, **arrays), (apart**2).sum(axis=1))
    kernel = next(value for value in bench.graph.graph("g", {"y": y}).inputs if value is not x)
    to_x, to_kernel = bench.gradient(y, [x, kernel], **arrays)
    np.testing.assert_allclose(to_x, 2 * apart.sum(axis=2))
    np.testing.assert_allclose(to_kernel, -2 * apart.sum(axis=0))


def test_an_activation_of_the_distance() -> None:
    bench, _, y = layer_on("rbf", 2, units=1, activation=Activation.kinds["tanh"]())
    assert bench.value(y, **{"x": [[1.0, 2.0]], "layer.kernel": [[1.0], [1.5]]})[0, 0] == pytest.approx(np.tanh(0.25))


def test_the_same_centres_along_a_length() -> None:
    bench, _, y = layer_on("rbf", size("T"), 4, units=3)
    assert y.type.shape == (BATCH * size("T"), 3)
    x, w = RNG.normal(size=(2, 5, 4)), RNG.normal(size=(4, 3))
    found = bench.along(y, x, **{"layer.kernel": w})
    np.testing.assert_allclose(found, ((x[..., None] - w) ** 2).sum(axis=2))


def test_a_map_asks_for_flatten() -> None:
    with pytest.raises(ShapeError, match="acts on the last axis") as raised:
        layer_on("rbf", 3, 4, units=2)
    assert raised.value.advice == "put `- flatten` before it"


@pytest.mark.parametrize(("features", "units"), [(1, 1), (3, 17), (84, 10), (33, 1)])
def test_kernels(features: int, units: int) -> None:
    check_layer("rbf", [features], units=units)


def test_a_small_distance_from_a_far_centre_keeps_its_digits() -> None:
    """Of |x|^2 - 2 x w + |w|^2 in float32 nothing would be left: 84 units of 100 have a square of 840,000."""
    graph = layer_graph("rbf", [84], units=10)
    arrays = drawn(graph)
    centres = np.asarray(RNG.choice([-100.0, 100.0], size=(84, 10)), np.float32)
    x = centres.T[np.arange(ROWS) % 10] + RNG.normal(scale=0.01, size=(ROWS, 84)).astype(np.float32)
    arrays |= {"x": x, "layer.kernel": centres, "index": np.arange(ROWS)}
    found = Compiled(graph).run(arrays, ROWS)["y"]
    exact = ((x.astype(float)[:, :, None] - centres.astype(float)) ** 2).sum(axis=1)
    assert exact.min() < 0.01
    np.testing.assert_allclose(found, exact, rtol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize(("features", "units", "batch"), [(1, 1, 1), (3, 17, 15), (84, 10, 33)])
def test_distances_agree_with_pytorch(features: int, units: int, batch: int) -> None:
    torch: Any = pytest.importorskip("torch")
    bench, x, y = layer_on("rbf", features, units=units)
    given = {"x": RNG.normal(size=(batch, features)), "layer.kernel": RNG.normal(size=(features, units))}
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in given.items()}
    expected = torch.cdist(tensors["x"], tensors["layer.kernel"].T).pow(2)
    np.testing.assert_allclose(bench.value(y, **given), expected.detach(), rtol=1e-5)
    expected.sum().backward()
    kernel = next(value for value in bench.graph.graph("g", {"y": y}).inputs if value is not x)
    for key, gradient in zip(("x", "layer.kernel"), bench.gradient(y, [x, kernel], **given), strict=True):
        np.testing.assert_allclose(gradient, tensors[key].grad, rtol=1e-5, atol=1e-9)
