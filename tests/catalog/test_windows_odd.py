"""Convolutions and pools of odd sizes as machine code: one pixel, windows as large as the map, strides with a rest."""

from __future__ import annotations

from typing import Any

import pytest
from compiled_layers import check_layer

CONVOLUTIONS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 1), {"filters": 1, "kernel": 1}),
    ((1, 1, 17), {"filters": 3, "kernel": 1}),
    ((1, 1, 3), {"filters": 17, "kernel": 3, "padding": "same"}),
    ((7, 5, 1), {"filters": 3, "kernel": (7, 5)}),
    ((7, 8, 3), {"filters": 4, "kernel": 3, "stride": (4, 3)}),
    ((5, 17), {"filters": 17, "kernel": 5, "dilation": 1, "padding": 2}),
    ((3, 4, 2, 1), {"filters": 3, "kernel": 2, "stride": 2}),
    ((8, 3), {"filters": 1, "kernel": 3, "stride": 4}),
    ((5, 1), {"filters": 3, "kernel": 5}),
    ((1, 1, 1, 17), {"filters": 3, "kernel": 1}),
    ((2, 3, 2, 3), {"filters": 17, "kernel": (2, 3, 2)}),
    ((9, 6), {"filters": 4, "kernel": 3, "stride": 2, "groups": 2}),
    ((1, 1, 17), {"filters": 17, "kernel": 1, "groups": 17}),
    ((5, 6, 51), {"filters": 54, "kernel": 3, "padding": 1, "groups": 3}),
    ((7, 6, 4), {"filters": 2, "kernel": (7, 6), "groups": 2}),
    ((4, 3, 5, 6), {"filters": 3, "kernel": 2, "stride": (3, 1, 2), "groups": 3}),
]

POOLS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 1, 1), {"size": 1}),
    ((1, 1, 17), {"size": 3, "stride": 2, "padding": "same"}),
    ((5, 4, 3), {"size": (5, 4)}),
    ((8, 3), {"size": 3, "stride": 4}),
    ((3, 4, 5, 2), {"size": 2, "stride": (1, 3, 2)}),
    ((1, 3), {"size": 1}),
    ((6, 17), {"size": 6}),
    ((1, 1, 1, 1), {"size": 1}),
    ((2, 3, 2, 17), {"size": (2, 3, 2)}),
]


@pytest.mark.parametrize(("shape", "fields"), CONVOLUTIONS)
def test_convolutions(shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    check_layer(f"conv{len(shape) - 1}d", shape, **fields)


@pytest.mark.parametrize("how", ["max", "avg"])
@pytest.mark.parametrize(("shape", "fields"), POOLS)
def test_pools(how: str, shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    check_layer(f"{how}_pool{len(shape) - 1}d", shape, **fields)


@pytest.mark.parametrize("how", ["max", "avg"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4, 17), (6, 5, 1), (2, 3, 2, 3)])
def test_global_pools(how: str, shape: tuple[int, ...]) -> None:
    check_layer(f"global_{how}_pool{len(shape) - 1}d", shape)


@pytest.mark.parametrize(
    ("shape", "fields"),
    [((1, 1, 1), {"space": 2}), ((5, 4, 3), {"space": ((1, 0), 2), "channels": (1, 2)}), ((17,), {"channels": (1, 1)})],
)
def test_zeros_and_crops(shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    check_layer("zero_pad", shape, **fields)
    larger = [n + 4 for n in shape]
    check_layer("crop", larger, **fields)
