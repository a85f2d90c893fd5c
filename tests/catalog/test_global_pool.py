"""Global pooling: every place of a map in one number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import layer_on

from netspec.tensortype import BATCH, size

RNG = np.random.default_rng(0)
SHAPES = [(1, 1), (7, 3), (1, 5, 1), (6, 5, 17), (2, 3, 4, 2)]


@pytest.mark.parametrize("how", ["avg", "max"])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_number_a_channel(how: str, shape: tuple[int, ...]) -> None:
    bench, x, y = layer_on(f"global_{how}_pool{len(shape) - 1}d", *shape)
    assert y.type.shape == (BATCH, shape[-1])
    given = RNG.normal(size=(3, *shape))
    places = tuple(range(1, len(shape)))
    expected = given.mean(axis=places) if how == "avg" else given.max(axis=places)
    np.testing.assert_allclose(bench.value(y, x=given), expected)
    (found,) = bench.gradient(y, [x], x=given)
    if how == "avg":
        np.testing.assert_allclose(found, np.full_like(given, 1 / np.prod(shape[:-1])))
    else:
        np.testing.assert_array_equal(found, given == given.max(axis=places, keepdims=True))


def test_the_first_of_equal_winners_receives_the_gradient() -> None:
    bench, x, y = layer_on("global_max_pool2d", 2, 2, 1)
    (found,) = bench.gradient(y, [x], x=[[[[0.0], [3.0]], [[3.0], [3.0]]]])
    assert found.ravel().tolist() == [0, 1, 0, 0]


def test_frames_of_a_video() -> None:
    bench, _, y = layer_on("global_avg_pool2d", size("T"), 3, 2, 4)
    assert y.type.shape == (BATCH * size("T"), 4)
    video = RNG.normal(size=(2, 5, 3, 2, 4))
    np.testing.assert_allclose(bench.along(y, video), video.mean(axis=(2, 3)))


@pytest.mark.parity
@pytest.mark.parametrize("how", ["avg", "max"])
@pytest.mark.parametrize("shape", SHAPES)
def test_global_pooling_agrees_with_pytorch(how: str, shape: tuple[int, ...]) -> None:
    torch: Any = pytest.importorskip("torch")
    axes = len(shape) - 1
    bench, x, y = layer_on(f"global_{how}_pool{axes}d", *shape)
    given = RNG.normal(size=(15, *shape))
    tensor = torch.tensor(given, requires_grad=True)
    expected = getattr(torch.nn.functional, f"adaptive_{how}_pool{axes}d")(tensor.movedim(-1, 1), 1).flatten(1)
    np.testing.assert_allclose(bench.value(y, x=given), expected.detach(), rtol=1e-5)
    expected.sum().backward()
    (found,) = bench.gradient(y, [x], x=given)
    np.testing.assert_allclose(found, tensor.grad, rtol=1e-5, atol=1e-9)
