"""Channels and branches that are dropped whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import layer_on
from compiled_layers import check_layer

from netspec.tensortype import ShapeError, size

STREAM = {"layer/stream_hi": 17.0, "layer/stream_lo": 4711.0}


@pytest.mark.parametrize("space", [(3,), (2, 3), (2, 1, 3)])
def test_whole_channels_are_dropped(space: tuple[int, ...]) -> None:
    bench, x, y = layer_on("spatial_dropout", *space, 50, rate=0.3)
    given = {"x": np.full((40, *space, 50), 2.0), **STREAM}
    found = bench.value(y, **given, step=0.0)
    flat = found.reshape(40, -1, 50)
    assert np.array_equal(flat, np.broadcast_to(flat[:, :1], flat.shape)), "all places of a channel alike"
    kept = flat[:, 0] != 0
    assert kept.mean() == pytest.approx(0.7, abs=0.03)
    np.testing.assert_allclose(flat[:, 0][kept], 2 / 0.7)
    assert kept.any(axis=1).all(), "each sample has draws of its own"
    assert not kept.all(axis=0).any()
    assert not np.array_equal(found, bench.value(y, **given, step=1.0)), "each step has others"
    (slope,) = bench.gradient(y, [x], **given, step=0.0)
    np.testing.assert_allclose(slope, np.where(found != 0, 1 / 0.7, 0))


def test_channels_along_a_length() -> None:
    bench, _, y = layer_on("spatial_dropout", size("T"), 20, rate=0.5)
    found = bench.along(y, np.ones((6, 9, 20)), **STREAM, step=3.0)
    assert set(np.unique(found)) == {0, 2}
    assert np.array_equal(found, np.broadcast_to(found[:, :1], found.shape))


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 2, 3)])
def test_whole_samples_are_dropped(shape: tuple[int, ...]) -> None:
    bench, x, y = layer_on("drop_path", *shape, rate=0.25)
    given = {"x": np.full((400, *shape), 3.0), **STREAM}
    flat = bench.value(y, **given, step=0.0).reshape(400, -1)
    assert set(np.unique(flat)) == {0, 4}
    assert (flat == flat[:, :1]).all()
    assert (flat[:, 0] != 0).mean() == pytest.approx(0.75, abs=0.06)
    (slope,) = bench.gradient(y, [x], **given, step=0.0)
    np.testing.assert_allclose(slope.reshape(400, -1), flat / 3)


@pytest.mark.parametrize("kind", ["spatial_dropout", "drop_path"])
def test_nothing_is_dropped_elsewhere(kind: str) -> None:
    for options in ({"training": False, "rate": 0.5}, {"rate": 0.0}):
        _, x, y = layer_on(kind, 2, 3, **options)  # type: ignore[arg-type]  # what is a field, what an option
        assert y is x


@pytest.mark.parametrize("kind", ["spatial_dropout", "drop_path"])
def test_what_is_dropped_need_not_be_finite(kind: str) -> None:
    bench, _, y = layer_on(kind, 2, 64, rate=0.5)
    found = bench.value(y, x=np.full((32, 2, 64), np.nan), **STREAM, step=0.0)
    assert set(np.unique(np.isnan(found))) == {False, True}
    assert (found[~np.isnan(found)] == 0).all()


def test_one_place_asks_for_dropout() -> None:
    with pytest.raises(ShapeError, match="drops channels at all places") as raised:
        layer_on("spatial_dropout", 7, rate=0.5)
    assert raised.value.advice == "`- dropout` drops single values"


CASES: list[tuple[str, tuple[int, ...]]] = [
    ("spatial_dropout", (1, 1)),
    ("spatial_dropout", (3, 2, 17)),
    ("drop_path", (3,)),
    ("drop_path", (3, 2, 17)),
]


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_kernels(kind: str, shape: tuple[int, ...]) -> None:
    fields: dict[str, Any] = {"rate": 0.4}
    check_layer(kind, shape, **fields)
