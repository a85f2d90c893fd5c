"""Layers that move or mix places: upsampling, blocks of channels and pixels, adaptive pools, local connections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import layer_on
from compiled_layers import check_layer

from netspec.compiler.ops.expressions import apply
from netspec.tensortype import BATCH, ShapeError, size

RNG = np.random.default_rng(0)
MODES = {("nearest", 1): "nearest", ("linear", 1): "linear", ("linear", 2): "bilinear", ("linear", 3): "trilinear"}

UPSAMPLED: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 1), {"scale": 3}),
    ((5, 3), {"scale": 1}),
    ((1, 4, 17), {"scale": (2, 3)}),
    ((3, 2, 3, 2), {"scale": 2}),
]


@pytest.mark.parametrize("method", ["nearest", "linear"])
@pytest.mark.parametrize(("shape", "fields"), UPSAMPLED)
def test_kernels_of_upsampling(shape: tuple[int, ...], fields: dict[str, Any], method: str) -> None:
    check_layer(f"upsample{len(shape) - 1}d", shape, method=method, **fields)


def compare(bench: Any, x: Any, y: Any, given: Any, expected: Any, tensor: Any) -> None:
    """The value, and the gradient of half its square, with what PyTorch has of both."""
    np.testing.assert_allclose(bench.value(y, x=given), expected.detach(), rtol=1e-5, atol=1e-9)
    expected.pow(2).sum().backward()
    (found,) = bench.gradient(apply(bench.scope, "y * y", y=y), [x], x=given)
    np.testing.assert_allclose(found, tensor.grad, rtol=1e-5, atol=1e-9)


@pytest.mark.parity
@pytest.mark.parametrize("method", ["nearest", "linear"])
@pytest.mark.parametrize(("shape", "fields"), UPSAMPLED)
def test_upsampling_agrees_with_pytorch(shape: tuple[int, ...], fields: dict[str, Any], method: str) -> None:
    torch: Any = pytest.importorskip("torch")
    axes = len(shape) - 1
    bench, x, y = layer_on(f"upsample{axes}d", *shape, method=method, **fields)
    given = RNG.normal(size=(2, *shape))
    tensor = torch.tensor(given, requires_grad=True)
    factors = fields["scale"] if isinstance(fields["scale"], tuple) else (fields["scale"],) * axes
    expected = torch.nn.functional.interpolate(
        tensor.movedim(-1, 1), scale_factor=tuple(map(float, factors)), mode=MODES.get((method, axes), "nearest")
    ).movedim(1, -1)
    compare(bench, x, y, given, expected, tensor)


BLOCKS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 4), {"block": 2}),
    ((3, 2, 12), {"block": 2}),
    ((2, 3, 18), {"block": (3, 2)}),
    ((2, 1, 2, 8), {"block": 2}),
]


@pytest.mark.parametrize(("shape", "fields"), BLOCKS)
def test_blocks_of_channels_become_pixels_and_come_back(shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    bench, _, y = layer_on("depth_to_space", *shape, **fields)
    large = tuple(n for n in y.type.shape[1:] if isinstance(n, int))
    back, _, z = layer_on("space_to_depth", *large, **fields)
    given = RNG.normal(size=(2, *shape))
    np.testing.assert_array_equal(back.value(z, x=bench.value(y, x=given)), given)
    check_layer("depth_to_space", shape, **fields)
    check_layer("space_to_depth", large, **fields)


def test_the_order_of_a_block() -> None:
    """Rows of pixels first, and all channels of one pixel together."""
    bench, _, y = layer_on("depth_to_space", 1, 1, 8, block=2)
    found = bench.value(y, x=np.arange(8.0).reshape(1, 1, 1, 8))
    assert found[0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


@pytest.mark.parity
def test_blocks_agree_with_pytorch() -> None:
    """PyTorch's channels run slower than the pixels of a block, these run faster."""
    torch: Any = pytest.importorskip("torch")
    given = RNG.normal(size=(2, 3, 4, 12))
    bench, x, y = layer_on("depth_to_space", 3, 4, 12, block=2)
    tensor = torch.tensor(given, requires_grad=True)
    theirs = tensor.reshape(2, 3, 4, 4, 3).transpose(-1, -2).flatten(-2)
    expected = torch.nn.functional.pixel_shuffle(theirs.movedim(-1, 1), 2).movedim(1, -1)
    compare(bench, x, y, given, expected, tensor)


def test_blocks_that_cannot_be() -> None:
    with pytest.raises(ShapeError, match="makes 4 pixels of the channels, and 6 do not divide") as raised:
        layer_on("depth_to_space", 3, 3, 6, block=2)
    assert raised.value.advice == "give what is before it 4 channels"
    with pytest.raises(ShapeError, match=r"cuts \[3, 4\] into blocks of \[2, 2\], which leaves a rest"):
        layer_on("space_to_depth", 3, 4, 1, block=2)
    with pytest.raises(ShapeError, match="one to three axes before the channels"):
        layer_on("space_to_depth", 4, block=2)


ADAPTED: list[tuple[tuple[int, ...], Any]] = [
    ((1, 1), 1),
    ((7, 3), 3),
    ((3, 17), 5),
    ((10, 9, 2), (7, 7)),
    ((6, 4, 1), (3, 4)),
    ((4, 5, 3, 2), (1, 2, 3)),
]


@pytest.mark.parametrize("how", ["avg", "max"])
@pytest.mark.parametrize(("shape", "counts"), ADAPTED)
def test_kernels_of_adaptive_pooling(how: str, shape: tuple[int, ...], counts: Any) -> None:
    check_layer(f"adaptive_{how}_pool{len(shape) - 1}d", shape, size=counts)


@pytest.mark.parity
@pytest.mark.parametrize("how", ["avg", "max"])
@pytest.mark.parametrize(("shape", "counts"), ADAPTED)
def test_adaptive_pooling_agrees_with_pytorch(how: str, shape: tuple[int, ...], counts: Any) -> None:
    torch: Any = pytest.importorskip("torch")
    axes = len(shape) - 1
    bench, x, y = layer_on(f"adaptive_{how}_pool{axes}d", *shape, size=counts)
    given = RNG.normal(size=(2, *shape))
    tensor = torch.tensor(given, requires_grad=True)
    pool = getattr(torch.nn.functional, f"adaptive_{how}_pool{axes}d")
    compare(bench, x, y, given, pool(tensor.movedim(-1, 1), counts).movedim(1, -1), tensor)


def test_the_first_winner_of_overlapping_windows() -> None:
    bench, x, y = layer_on("adaptive_max_pool1d", 3, 1, size=2)
    (found,) = bench.gradient(y, [x], x=[[[1.0], [1.0], [1.0]]])
    assert found.ravel().tolist() == [1, 1, 0]


LOCAL: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 1), {"filters": 1, "kernel": 1}),
    ((9, 3), {"filters": 17, "kernel": 3, "stride": 2}),
    ((4, 4, 17), {"filters": 3, "kernel": 4}),
    ((5, 6, 2), {"filters": 4, "kernel": (3, 2), "padding": 1, "stride": (2, 1)}),
    ((6, 5, 3), {"filters": 2, "kernel": 3, "padding": "same", "bias": False}),
]


@pytest.mark.parametrize(("shape", "fields"), LOCAL)
def test_kernels_of_local_layers(shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    check_layer(f"local{len(shape) - 1}d", shape, **fields)


@pytest.mark.parametrize(("shape", "fields"), LOCAL)
def test_local_layers_agree_with_their_definition(shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    """Patch by patch, each with its own matrix."""
    bench, _, y = layer_on(f"local{len(shape) - 1}d", *shape, **fields)
    given = {"x": RNG.normal(size=(2, *shape))}
    for name, (wanted, *_) in bench.weights.asked.items():
        given[f"layer.{name}"] = RNG.normal(size=wanted)
    kernel = given["layer.kernel"]
    *counts, _, _ = kernel.shape
    axes = len(counts)
    extents, strides = (v if isinstance(v, tuple) else (v,) * axes for v in (fields["kernel"], fields.get("stride", 1)))
    around = [(1, 1)] * axes if fields.get("padding") in (1, "same") else [(0, 0)] * axes
    x = np.pad(given["x"], [(0, 0), *around, (0, 0)])
    expected = np.empty((2, *counts, fields["filters"]))
    for place in np.ndindex(*counts):
        cuts = [slice(i * s, i * s + k) for i, s, k in zip(place, strides, extents, strict=True)]
        expected[(slice(None), *place)] = x[(slice(None), *cuts)].reshape(2, -1) @ kernel[place]
    if "layer.bias" in given:
        assert given["layer.bias"].shape == (*counts, fields["filters"])
        expected += given["layer.bias"]
    np.testing.assert_allclose(bench.value(y, **given), expected)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("upsample2d", {"scale": 2}),
        ("adaptive_avg_pool2d", {"size": 2}),
        ("local2d", {"filters": 3, "kernel": 2}),
        ("space_to_depth", {"block": 2}),
    ],
)
def test_frames_of_a_video(kind: str, fields: dict[str, Any]) -> None:
    bench, _, y = layer_on(kind, size("T"), 4, 4, 1, **fields)
    assert y.type.shape[0] == BATCH * size("T")
    still, _, frame = layer_on(kind, 4, 4, 1, **fields)
    weights = {f"layer.{name}": RNG.normal(size=asked[0]) for name, asked in bench.weights.asked.items()}
    video = RNG.normal(size=(2, 3, 4, 4, 1))
    found = bench.along(y, video, **weights)
    np.testing.assert_allclose(found[1], still.value(frame, x=video[1], **weights))
