"""The axes of a layer's input: batch and lengths, which are one, and the fixed axes behind them."""

from __future__ import annotations

from netspec.compiler.graph import Value
from netspec.tensortype import Dim, ShapeError, is_length, lengths, sample_shape, show_shape, without_last


def shown(x: Value) -> str:
    """The shape of one sample, as users write it."""
    return show_shape(sample_shape(x.type.shape))


def fixed(layer: str, x: Value) -> tuple[Dim, ...]:
    """The fixed axes of ``x``.

    Raises:
        ShapeError: if there is none.
    """
    axes = x.type.shape[1:]
    if not axes:
        raise ShapeError(
            f"`{layer}` needs values, got {shown(x)}, an index for each sample",
            "an index becomes values by `one_hot` or `embedding`",
        )
    if any(map(is_length, axes)):
        raise ShapeError(f"`{layer}` acts on a known number of values at each place, got {shown(x)}")
    return axes


def last_length(layer: str, x: Value) -> tuple[Dim, Dim]:
    """The last length of ``x``, and how many rows each of its steps has; together they are the rows of ``x``.

    Raises:
        ShapeError: if ``x`` has no length.
    """
    found = lengths(x.type.shape[0])
    if not found:
        raise ShapeError(
            f"`{layer}` goes along a length axis, got {shown(x)}",
            "a length that differs from sample to sample has a capital name: `inputs: {x: [T, 3]}`",
        )
    return found[-1], without_last(x.type.shape[0])
