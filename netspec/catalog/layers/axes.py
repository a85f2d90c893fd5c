"""The axes of a layer's input: the batch, lengths, and the fixed axes behind them."""

from __future__ import annotations

from netspec.compiler.graph import Value
from netspec.tensortype import Dim, ShapeError, Size, show_shape


def shown(x: Value) -> str:
    """The shape of one sample, as users write it."""
    return show_shape(x.type.shape[1:])


def is_length(size: Dim) -> bool:
    """Whether a size is a length that differs from sample to sample, not a number that the data will tell, ``|F|``."""
    return isinstance(size, Size) and not any(symbol.startswith("|") for symbol in size.symbols)


def leading(x: Value) -> int:
    """How many axes stand before the fixed ones: the batch, and the lengths that follow it."""
    count = 1
    while count < x.type.rank and is_length(x.type.shape[count]):
        count += 1
    return count


def fixed(layer: str, x: Value) -> tuple[Dim, ...]:
    """The fixed axes of ``x``.

    Raises:
        ShapeError: if there is none, or a length stands among them.
    """
    axes = x.type.shape[leading(x) :]
    if not axes:
        raise ShapeError(
            f"`{layer}` needs values, got {shown(x)}, an index for each sample",
            "an index becomes values by `one_hot` or `embedding`",
        )
    if any(is_length(n) for n in axes):
        raise ShapeError(f"`{layer}` acts on fixed axes, which stand after all lengths, got {shown(x)}")
    return axes
