"""Transposed and depthwise convolutions: against PyTorch, as machine code, and what they make of shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import layer_on
from compiled_layers import check_layer

from netspec.tensortype import BATCH, ShapeError, size

RNG = np.random.default_rng(0)

TRANSPOSED: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 1), {"filters": 1, "kernel": 1}),
    ((5, 3), {"filters": 4, "kernel": 3, "stride": 3, "output_padding": 2}),
    ((1, 1, 17), {"filters": 3, "kernel": 4}),
    ((4, 3, 6), {"filters": 4, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
    ((4, 5, 3), {"filters": 17, "kernel": (2, 3), "stride": (1, 2), "padding": ((0, 0), (1, 1)), "dilation": (2, 1)}),
    ((3, 3, 4), {"filters": 4, "kernel": 2, "stride": 3, "groups": 4}),
    ((2, 3, 2, 3), {"filters": 2, "kernel": 2, "stride": 2}),
    ((1, 17), {"filters": 3, "kernel": 5, "padding": 1}),
    ((1, 1, 1, 1), {"filters": 17, "kernel": 1}),
    ((3, 2, 2, 4), {"filters": 6, "kernel": (1, 3, 2), "stride": (2, 1, 2), "groups": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "fields"), TRANSPOSED)
def test_kernels_of_transposed_convolutions(shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    check_layer(f"conv{len(shape) - 1}d_transpose", shape, **fields)


@pytest.mark.parity
@pytest.mark.parametrize("batch", [1, 15])
@pytest.mark.parametrize(("shape", "fields"), TRANSPOSED)
def test_transposed_convolutions_agree_with_pytorch(batch: int, shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    torch: Any = pytest.importorskip("torch")
    axes = len(shape) - 1
    bench, x, y = layer_on(f"conv{axes}d_transpose", *shape, **fields)
    kernel_shape, *_ = bench.weights.asked["kernel"]
    given = {
        "x": RNG.normal(size=(batch, *shape)),
        "layer.kernel": RNG.normal(size=kernel_shape),
        "layer.bias": RNG.normal(size=fields["filters"]),
    }
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in given.items()}
    padding = fields.get("padding", 0)
    padding = tuple(before for before, _ in padding) if isinstance(padding, tuple) else padding
    weight = tensors["layer.kernel"].movedim((-1, -2), (0, 1))
    expected = getattr(torch.nn.functional, f"conv_transpose{axes}d")(
        tensors["x"].movedim(-1, 1), weight, tensors["layer.bias"], fields.get("stride", 1), padding,
        fields.get("output_padding", 0), fields.get("groups", 1), fields.get("dilation", 1),
    ).movedim(1, -1)  # fmt: skip
    np.testing.assert_allclose(bench.value(y, **given), expected.detach(), rtol=1e-5, atol=1e-9)
    expected.pow(2).sum().backward()
    weights = [value for value in bench.graph.graph("all", {"y": y}).inputs if value is not x]
    from netspec.compiler.ops.expressions import apply

    found = bench.gradient(apply(bench.scope, "y * y", y=y), [x, *weights], **given)
    for key, gradient in zip(["x", *(value.node.op.key for value in weights)], found, strict=True):
        np.testing.assert_allclose(gradient, tensors[key].grad, rtol=1e-5, atol=1e-9)


def test_same_gives_as_many_positions_as_windows_times_strides() -> None:
    for stride in (1, 2, 3, 5):
        _, _, y = layer_on("conv2d_transpose", 4, 3, 2, filters=3, kernel=3, stride=stride, padding="same")
        assert y.type.shape == (BATCH, 4 * stride, 3 * stride, 3)


def test_it_is_the_adjoint_of_the_convolution_that_it_turns_round() -> None:
    """The kernel lies as that of the convolution, so that a decoder can share its encoder's."""
    shape, fields = (7, 6, 2), {"kernel": 3, "stride": 2, "padding": "same", "bias": False}
    there, _, y = layer_on("conv2d", *shape, filters=5, **fields)
    back, _, x = layer_on("conv2d_transpose", 4, 3, 5, filters=2, **{**fields, "padding": 1, "output_padding": (0, 1)})
    assert there.weights.asked["kernel"][0] == back.weights.asked["kernel"][0]
    assert x.type.shape == (BATCH, *shape)
    image, code, kernel = RNG.normal(size=(1, *shape)), RNG.normal(size=(1, 4, 3, 5)), RNG.normal(size=(3, 3, 2, 5))
    fields["padding"] = ((1, 1), (1, 1))
    there, _, y = layer_on("conv2d", *shape, filters=5, **fields)
    one = (there.value(y, **{"x": image, "layer.kernel": kernel}) * code).sum()
    other = (back.value(x, **{"x": code, "layer.kernel": kernel}) * image).sum()
    assert one == pytest.approx(other)


def test_frames_of_a_video() -> None:
    _, _, y = layer_on("conv2d_transpose", size("T"), 5, 5, 1, filters=2, kernel=3)
    assert y.type.shape == (BATCH * size("T"), 7, 7, 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"padding": 3}, "cuts 3 and 3 off an axis of 6"),
        ({"output_padding": 1}, "adds 1 at the end of an axis where windows are 1 apart"),
        ({"groups": 2}, "into which 3 input channels do not divide"),
        ({"padding": ((1, 1),)}, "`padding` has 1 pairs"),
        ({"output_padding": (0, 0, 0), "stride": 2}, "`output_padding` has 3 numbers"),
    ],
)
def test_what_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        layer_on("conv2d_transpose", 4, 4, 3, filters=2, kernel=3, **fields)


DEPTHWISE: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 1, 1), {"kernel": 1}),
    ((9, 17), {"kernel": 3, "stride": 2}),
    ((5, 5, 3), {"kernel": 5, "multiplier": 4}),
    ((6, 7, 4), {"kernel": (3, 2), "multiplier": 2, "stride": (2, 1), "padding": 1, "dilation": (1, 2)}),
    ((4, 5, 3, 2), {"kernel": 2, "multiplier": 3}),
    ((1, 1), {"kernel": 3, "padding": 1}),
    ((7, 8, 17), {"kernel": 3, "stride": (4, 3)}),
    ((1, 1, 1, 3), {"kernel": 1, "multiplier": 17}),
    ((2, 3, 2, 17), {"kernel": (2, 3, 2)}),
]


@pytest.mark.parametrize(("shape", "fields"), DEPTHWISE)
def test_kernels_of_depthwise_convolutions(shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    check_layer(f"depthwise_conv{len(shape) - 1}d", shape, **fields)


@pytest.mark.parity
@pytest.mark.parametrize(("shape", "fields"), DEPTHWISE)
def test_depthwise_convolutions_agree_with_pytorch(shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    torch: Any = pytest.importorskip("torch")
    axes, channels = len(shape) - 1, shape[-1]
    bench, _, y = layer_on(f"depthwise_conv{axes}d", *shape, **fields)
    assert y.type.channels == channels * fields.get("multiplier", 1)
    kernel_shape, *_ = bench.weights.asked["kernel"]
    x, kernel, bias = (RNG.normal(size=s) for s in ((15, *shape), kernel_shape, (y.type.channels,)))
    expected = getattr(torch.nn.functional, f"conv{axes}d")(
        torch.tensor(x).movedim(-1, 1), torch.tensor(kernel).movedim((-1, -2), (0, 1)), torch.tensor(bias),
        fields.get("stride", 1), fields.get("padding", 0), fields.get("dilation", 1), channels,
    ).movedim(1, -1)  # fmt: skip
    found = bench.value(y, **{"x": x, "layer.kernel": kernel, "layer.bias": bias})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
