"""Convolutions and their weight gradients against NumPy, and bit for bit against themselves with other threads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.compiler.codegen import objects
from netspec.compiler.kernels import conv_weight
from netspec.compiler.kernels.conv import conv_kernel, conv_words, scratch_bytes, tiles_of
from netspec.compiler.kernels.conv_tiles import Tiles
from netspec.compiler.kernels.conv_weight import conv_weight_kernel, conv_weight_words
from netspec.compiler.kernels.conv_weight_tiles import SlidingTiles, choose_weight_tiles
from netspec.compiler.kernels.kernel import Body, Kernel, Operand, Place, Result
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.kernels.windows import Axis

Array = np.ndarray[Any, np.dtype[Any]]
ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
THREADS = 3


def bias_relu(builder: Any, values: Sequence[Any], place: Place) -> list[Any]:
    from netspec.compiler.kernels import ir

    x = builder.fadd(values[0], values[1])
    return [builder.select(builder.fcmp_unordered(">", x, ir.ZERO), x, ir.ZERO)]


def plain(builder: Any, values: Sequence[Any], place: Place) -> list[Any]:
    return [values[0]]


def entry(kernel: Kernel) -> Callable[..., None]:
    return ENTRY(objects.load([kernel])[kernel])


def lines(*shape: int) -> Array:
    """NaN in memory that begins at a cache line."""
    size = prod(shape) * 4
    raw = np.zeros(size + 64, np.uint8)
    first = -raw.ctypes.data % 64
    found = raw[first : first + size].view(np.float32).reshape(shape)
    found[:] = np.nan
    return found


def in_lanes(array: Array) -> Array:
    """``[B, *space, C]`` as ``[block][channel][pixel][16]``; lanes without a sample repeat the last."""
    batch, *space, channels = array.shape
    blocks, pixels = -(-batch // 16), prod(space)
    whole = array.reshape(batch, pixels, channels)[np.minimum(np.arange(blocks * 16), batch - 1)]
    held = lines(blocks, channels, pixels, 16)
    held[:] = whole.reshape(blocks, 16, pixels, channels).transpose(0, 3, 2, 1)
    return held


def out_of_lanes(held: Array, batch: int, space: Sequence[int]) -> Array:
    return held.transpose(0, 3, 2, 1).reshape(-1, *space, held.shape[1])[:batch]


def windows(x: Array, axes: Sequence[Axis]) -> list[tuple[tuple[int, ...], Array]]:
    """For each tap what every window reads there, zero outside: ``[B, *counts, C]``."""
    padded = np.pad(x, [(0, 0), *((a.before, a.after + a.span) for a in axes), (0, 0)])
    found = []
    for tap in np.ndindex(*(a.extent for a in axes)):
        cut = [
            slice(t * a.dilation, t * a.dilation + (a.count - 1) * a.stride + 1, a.stride)
            for t, a in zip(tap, axes, strict=True)
        ]
        found.append((tap, padded[(slice(None), *cut)]))
    return found


class Case:
    """A convolution of random numbers."""

    def __init__(self, batch: int, ins: int, outs: int, groups: int, axes: Sequence[Axis]) -> None:
        rng = np.random.default_rng([batch, ins, outs])
        self.batch, self.groups, self.axes, self.outs = batch, groups, axes, outs
        self.sizes, self.counts = [a.size for a in axes], [a.count for a in axes]
        self.extents = [a.extent for a in axes]
        self.x = rng.standard_normal((batch, *self.sizes, ins), np.float32)
        self.y = rng.standard_normal((batch, *self.counts, outs), np.float32)
        self.w = rng.standard_normal((*self.extents, ins // groups, outs), np.float32)
        self.bias = rng.standard_normal(outs).astype(np.float32)

    def product(self, x: Array, w: Array) -> Array:
        """``x @ w`` in groups of channels."""
        parts = [
            np.matmul(a, b) for a, b in zip(np.split(x, self.groups, -1), np.split(w, self.groups, -1), strict=True)
        ]
        return np.concatenate(parts, -1)

    def output(self) -> Array:
        x, w = self.x.astype(float), self.w.astype(float)
        total = sum(self.product(part, w[tap]) for tap, part in windows(x, self.axes))
        return np.maximum(total + self.bias, 0)

    def input_gradient(self) -> Array:
        """The cotangent of ``x`` for the cotangent ``y``, by the adjoint of `windows`."""
        padded = np.zeros((self.batch, *(a.size + a.before + a.after + a.span for a in self.axes), self.x.shape[-1]))
        for tap in np.ndindex(*self.extents):
            cut = [
                slice(t * a.dilation, t * a.dilation + (a.count - 1) * a.stride + 1, a.stride)
                for t, a in zip(tap, self.axes, strict=True)
            ]
            w = np.concatenate([part.T for part in np.split(self.w[tap], self.groups, -1)], -1)
            padded[(slice(None), *cut)] += self.product(self.y.astype(float), w)
        return padded[(slice(None), *(slice(a.before, a.before + a.size) for a in self.axes))]

    def weight_gradient(self) -> Array:
        found = np.zeros((*self.extents, *self.w.shape[-2:]))
        pairs = list(zip(np.split(self.y, self.groups, -1), range(self.groups), strict=True))
        for tap, part in windows(self.x.astype(float), self.axes):
            x = np.split(part, self.groups, -1)
            found[tap] = np.concatenate(
                [np.tensordot(x[g], y, (range(y.ndim - 1), range(y.ndim - 1))) for y, g in pairs], -1
            )
        return found


def weights_in_panels(w: Array) -> Array:
    """``[*taps, in, out]`` as ``[out / 16][taps x in][16]``."""
    rows, columns = prod(w.shape[:-1]), w.shape[-1]
    whole = np.zeros((rows, -(-columns // 16) * 16), np.float32)
    whole[:, :columns] = w.reshape(rows, columns)
    held = lines(whole.shape[1] // 16, rows, 16)
    held[:] = whole.reshape(rows, -1, 16).transpose(1, 0, 2)
    return held


def convolved(case: Case, tile: Tile | Tiles, backward: bool, threads: int) -> Array:
    """The output with bias and ReLU; or the input gradient."""
    x, w, sizes, counts = case.x, case.w, case.sizes, case.counts
    if backward:
        x, sizes, counts = case.y, counts, sizes
        w = np.concatenate([part.swapaxes(-1, -2) for part in np.split(w, case.groups, -1)], -1)
    ins, outs = w.shape[-2], w.shape[-1]
    held, panels, made = in_lanes(x), weights_in_panels(w), lines(-(-case.batch // 16), outs, prod(counts), 16)
    sums = lines(threads, scratch_bytes(counts[-1], outs // case.groups) // 4)
    body = Body("plain", plain) if backward else Body("bias, relu", bias_relu)
    extras = () if backward else (Operand(spread=True),)
    taps = [axis.backward() if backward else axis.forward() for axis in case.axes]
    words = np.array(
        conv_words(
            held.ctypes.data, *held.strides[:2], [64 * prod(sizes[i + 1 :]) for i in range(len(sizes))],
            panels.ctypes.data, case.batch, ins, outs // case.groups, case.groups, taps,
            case.extents, 0, (sums.ctypes.data, sums.strides[0]), [(case.bias.ctypes.data, 0, 4, 0)] * len(extras),
            [(made.ctypes.data, *made.strides[:2], 0)],
        )
    )  # fmt: skip
    tiles = tile if isinstance(tile, Tiles) else tiles_of(tile, outs // case.groups, case.groups, taps)
    call = entry(conv_kernel(tiles, tuple(case.extents), extras, (Result(),), body))
    for part in range(threads):
        call(words.ctypes.data, part, threads, part)
    return out_of_lanes(made, case.batch, counts)


def gathered(case: Case, tile: Tile, threads: int, by_block: bool = False, slides: bool = True) -> Array:
    """The weight gradient, of all samples or of each block."""
    x, y = in_lanes(case.x), in_lanes(case.y)
    ins = case.w.shape[-2]
    rows = prod(case.extents) * ins
    blocks = -(-case.batch // 16) if by_block else 1
    made = lines(blocks, -(-case.outs // 16), rows, 16)
    axis = case.axes[-1] if slides else None
    tiles = choose_weight_tiles(tile, ins, case.outs // case.groups, case.groups, axis)
    sums = lines(threads, conv_weight.sums_bytes(tiles, case.extents[-1]) // 4)
    words = np.array(
        conv_weight_words(
            tiles, x.ctypes.data, *x.strides[:2], y.ctypes.data, *y.strides[:2], case.batch, ins, case.outs,
            case.groups, case.axes, 0, (sums.ctypes.data, sums.strides[0]), [],
            [(made.ctypes.data, 64, *made.strides[:2])],
        )
    )  # fmt: skip
    call = entry(conv_weight_kernel(tiles, (), (Result(),), Body("plain", plain), by_block=by_block))
    for part in range(threads):
        call(words.ctypes.data, part, threads, part)
    return made.sum(0).transpose(1, 0, 2).reshape(rows, -1)[:, : case.outs].reshape(case.w.shape)


def agree(got: Array, wanted: Array) -> None:
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=2e-6 * max(1.0, float(np.abs(wanted).max())))


CASES = {
    "first layer of LeNet-5": (16, 1, 6, 1, [Axis(28, 5), Axis(28, 5)]),
    "same": (5, 3, 7, 1, [Axis(9, 3, before=1, after=1), Axis(8, 3, before=1, after=1)]),
    "strides and groups": (33, 4, 6, 2, [Axis(11, 3, 2, 1, 1, 1), Axis(10, 3, 2, 1, 0, 1)]),
    "dilation and a stride that leaves a rest": (3, 2, 5, 1, [Axis(13, 3, 1, 2, 2, 2), Axis(12, 4, 3, 2, 1, 1)]),
    "one tap": (17, 6, 6, 1, [Axis(7, 1), Axis(7, 1)]),
    "one tap with a stride": (4, 4, 4, 1, [Axis(9, 1, 2), Axis(9, 1, 2)]),
    "one axis": (2, 3, 4, 1, [Axis(20, 7, 2, 1, 3, 3)]),
    "three axes": (2, 2, 3, 1, [Axis(5, 2, 1, 1, 1, 0), Axis(6, 3, 2), Axis(7, 3, 1, 2, 1, 1)]),
    "a window as large as the image": (1, 2, 8, 1, [Axis(4, 4), Axis(4, 4)]),
    "one pixel": (15, 17, 3, 1, [Axis(1, 1), Axis(1, 1)]),
    "depthwise": (4, 18, 18, 18, [Axis(6, 3, before=1, after=1)] * 2),
    "groups across panels": (2, 6, 36, 3, [Axis(5, 3, before=1, after=1)] * 2),
    "blocks of input channels": (2, 70, 40, 1, [Axis(5, 3, before=1, after=1)] * 2),
    "windows in padding alone": (2, 2, 2, 1, [Axis(3, 5, before=3, after=3), Axis(3, 1, before=2, after=2)]),
}


@pytest.mark.parametrize("tile", [Tile(6, 1), Tile(8, 2)], ids=str)
@pytest.mark.parametrize("sizes", CASES.values(), ids=CASES)
def test_convolution_agrees_with_numpy(sizes: tuple[Any, ...], tile: Tile) -> None:
    case = Case(*sizes)
    agree(convolved(case, tile, backward=False, threads=THREADS), case.output())
    agree(convolved(case, tile, backward=True, threads=THREADS), case.input_gradient())


EDGES = {
    "an input gradient": (17, 3, 6, 1, [Axis(9, 5), Axis(14, 5)], True),
    "an output in padding": (5, 20, 18, 1, [Axis(7, 5, before=2, after=2), Axis(7, 5, before=2, after=2)], False),
    "blocks of input channels": (2, 11, 40, 1, [Axis(9, 5), Axis(9, 5)], True),
}


@pytest.mark.parametrize("sizes", EDGES.values(), ids=EDGES)
def test_tiles_of_whole_rows_make_the_bits_of_those_of_some_pixels(sizes: tuple[Any, ...]) -> None:
    case, backward = Case(*sizes[:-1]), sizes[-1]
    ins, outs = case.x.shape[-1], case.outs
    axes = [axis.backward() if backward else axis.forward() for axis in case.axes]
    chosen = tiles_of(Tile(8, 2), ins if backward else outs, 1, axes)
    assert chosen.row is not None
    whole = convolved(case, chosen, backward, THREADS)
    assert np.array_equal(whole, convolved(case, any_tiles(case.extents[-1]), backward, 1))
    agree(whole, case.input_gradient() if backward else case.output())


@pytest.mark.parametrize("tile", [Tile(6, 1), Tile(8, 2)], ids=str)
@pytest.mark.parametrize("sizes", CASES.values(), ids=CASES)
def test_weight_gradient_agrees_with_numpy(sizes: tuple[Any, ...], tile: Tile) -> None:
    case = Case(*sizes)
    many = gathered(case, tile, THREADS)
    agree(many, case.weight_gradient())
    assert np.array_equal(many, gathered(case, tile, 1))
    agree(gathered(case, tile, THREADS, by_block=True), case.weight_gradient())


SLIDING = {
    "one input channel, in padding": (33, 1, 6, 1, [Axis(9, 5, before=2, after=2)] * 2),
    "more channels than wait together": (5, 11, 19, 1, [Axis(7, 3, before=2), Axis(8, 4, before=1, after=3)]),
    "one window in the middle": (17, 2, 3, 1, [Axis(4, 3, 2), Axis(4, 4, before=3, after=2)]),
    "groups across panels": (2, 6, 36, 3, [Axis(5, 3, before=1, after=1)] * 2),
}


@pytest.mark.parametrize("sizes", SLIDING.values(), ids=SLIDING)
def test_tiles_that_slide_make_the_bits_of_those_that_go_tap_by_tap(sizes: tuple[Any, ...]) -> None:
    case, tile = Case(*sizes), Tile(8, 2)
    chosen = choose_weight_tiles(tile, case.w.shape[-2], case.outs // case.groups, case.groups, case.axes[-1])
    assert isinstance(chosen, SlidingTiles)
    for by_block in (False, True):
        slid = gathered(case, tile, THREADS, by_block)
        assert np.array_equal(slid, gathered(case, tile, 1, by_block, slides=False))
        agree(slid, case.weight_gradient())


@st.composite
def an_axis(draw: st.DrawFn) -> Axis:
    extent, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    before, after = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    span = (extent - 1) * dilation + 1
    return Axis(draw(st.integers(max(1, span - before - after), 12)), extent, stride, dilation, before, after)


@given(st.sampled_from([Tile(8, 2), Tile(6, 1), Tile(2, 1)]), st.integers(1, 80), st.integers(1, 3), an_axis())
def test_chosen_tiles_make_all_channels_and_every_run(tile: Tile, outs: int, groups: int, axis: Axis) -> None:
    for taps in (axis.forward(), axis.backward()):
        tiles = tiles_of(tile, outs, groups, [taps])
        assert groups > 1 or outs // 16 * sum(tiles.panel) + sum(tiles.rest) == outs // 16 * 16 + outs % 16
        heights = dict(tiles.widths)
        assert heights.keys() >= {*tiles.panel, *tiles.rest}
        assert groups == 1 or 1 in heights
        if tiles.row is not None:
            assert all(widths == ((len(taps.places), (0,)),) for widths in heights.values())
            met = [(pixel, tap, at) for at, readers in tiles.row.reads for pixel, tap in readers]
            assert sorted(met) == sorted(
                (pixel, place.tap + k, place.position + k * taps.position_step)
                for pixel, place in enumerate(taps.places)
                for k in range(place.count)
            )
            continue
        for widths in heights.values():
            for run in taps.runs():
                left = run.length
                for width, counts in widths:
                    assert left < width or max(run.place.count, 1) in counts
                    left %= width
                assert left == 0


def any_tiles(taps: int) -> Tiles:
    """Tiles that any channels and any runs can be made of, so that what is drawn at random shares a few kernels."""
    counts = tuple(range(1, taps + 1))
    return Tiles((), (), ((2, ((1, counts),)), (1, ((2, counts), (1, counts)))))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_windows(data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, 3))
    ins, outs = (groups * data.draw(st.integers(1, 6)) for _ in range(2))
    axes = data.draw(st.lists(an_axis(), min_size=2, max_size=2))
    case = Case(data.draw(st.integers(1, 18)), ins, outs, groups, axes)
    tiles = any_tiles(axes[-1].extent)
    agree(convolved(case, tiles, backward=False, threads=2), case.output())
    agree(convolved(case, tiles, backward=True, threads=2), case.input_gradient())
    agree(gathered(case, Tile(6, 1), 2), case.weight_gradient())
