"""Zeros around axes, and edges cut off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import layer_on

from netspec.tensortype import BATCH, ShapeError, size

RNG = np.random.default_rng(0)

PADS: list[tuple[tuple[int, ...], dict[str, Any], list[tuple[int, int]]]] = [
    ((1, 1, 1), {"space": 2}, [(2, 2), (2, 2), (0, 0)]),
    ((4, 3, 2), {"space": (1, 0)}, [(1, 1), (0, 0), (0, 0)]),
    ((4, 3, 2), {"space": (0, (2, 1))}, [(0, 0), (2, 1), (0, 0)]),
    ((4, 3, 2), {"channels": (1, 3)}, [(0, 0), (0, 0), (1, 3)]),
    ((4, 3, 2, 5), {"space": 1, "channels": (0, 2)}, [(1, 1), (1, 1), (1, 1), (0, 2)]),
    ((7,), {"channels": (2, 0)}, [(2, 0)]),
]


@pytest.mark.parametrize(("shape", "fields", "widths"), PADS)
def test_zeros_stand_around(shape: tuple[int, ...], fields: dict[str, Any], widths: list[tuple[int, int]]) -> None:
    bench, x, y = layer_on("zero_pad", *shape, **fields)
    given = RNG.normal(size=(3, *shape))
    np.testing.assert_array_equal(bench.value(y, x=given), np.pad(given, [(0, 0), *widths]))
    (found,) = bench.gradient(y, [x], x=given)
    np.testing.assert_array_equal(found, np.ones_like(given))


@pytest.mark.parametrize(("shape", "fields", "widths"), PADS)
def test_what_was_padded_is_cropped_to_itself(
    shape: tuple[int, ...], fields: dict[str, Any], widths: list[tuple[int, int]]
) -> None:
    padded = [n + before + after for n, (before, after) in zip(shape, widths, strict=True)]
    bench, x, y = layer_on("crop", *padded, **fields)
    assert y.type.shape == (BATCH, *shape)
    inner = RNG.normal(size=(3, *shape))
    given = np.pad(inner, [(0, 0), *widths], constant_values=np.nan)
    np.testing.assert_array_equal(bench.value(y, x=given), inner)
    (found,) = bench.gradient(y, [x], x=given)
    np.testing.assert_array_equal(found, np.pad(np.ones_like(inner), [(0, 0), *widths]))


def test_frames_of_a_video_are_padded_each() -> None:
    bench, _, y = layer_on("zero_pad", size("T"), 3, 2, 1, space=1)
    assert y.type.shape == (BATCH * size("T"), 5, 4, 1)
    video = RNG.normal(size=(2, 4, 3, 2, 1))
    np.testing.assert_array_equal(bench.along(y, video), np.pad(video, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)]))


def test_channels_that_the_data_will_tell() -> None:
    words = size("|word|")
    assert layer_on("zero_pad", words, channels=(1, 2))[2].type.shape == (BATCH, words + 3)
    assert layer_on("crop", words, channels=(1, 2))[2].type.shape == (BATCH, words - 3)


def test_nothing_is_left_of_an_axis() -> None:
    assert layer_on("crop", 4, 4, 1, space=((1, 2), 0))[2].type.shape == (BATCH, 1, 4, 1)
    with pytest.raises(ShapeError, match="cuts 2 and 2 off an axis that has 4"):
        layer_on("crop", 4, 4, 1, space=2)
