"""Products of a layer's input with its weights."""

from __future__ import annotations

from typing import Final

from netspec.catalog.losses.targets import HOT
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.lookup import Lookup
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.mask_numbers import MaskNumbers
from netspec.compiler.ops.reshape import Reshape

HOT_ROWS: Final = Map(parse(HOT, ("c", "t")))


def product(g: Scope, x: Value, weights: Value) -> Value:
    """``x weights``, ``float32[R, n]`` and ``float32[n, m]`` to ``float32[R, m]``.

    Of one-hot rows these are rows of the weights. With 10,000 words and 200 units the product took 23 ms for 640 of
    them on one thread, and looking them up takes less than 0.1.
    """
    index = _hot(x)
    return g.add(Contract(), x, weights) if index is None else look_up(g, weights, index, dense=True)


def look_up(g: Scope, table: Value, index: Value, *, dense: bool) -> Value:
    """The row of ``table`` for each whole number of ``index``, zeros in padding.

    Padding is no word: a row that is read only there must not be moved, by whatever means an optimizer keeps.
    """
    if index.type.dtype == "float32":  # of data with a fault, whose kinds are not known
        index = g.add(Cast("int32"), index)
    if (real := g.real(index)) is not None:
        index = g.add(MaskNumbers(), index, real)
    return g.add(Lookup(dense), table, index)


def _hot(x: Value) -> Value | None:
    """The whole numbers ``[R]`` of which ``x`` is the one-hot rows; None if it is anything else."""
    made = x.node
    if made.op != HOT_ROWS or not isinstance(made.inputs[0].node.op, Iota):
        return None
    index = made.inputs[1]
    while isinstance(index.node.op, Cast | Reshape):
        index = index.node.inputs[0]
    return index if index.type.rank == 1 and index.type.shape[0] == x.type.shape[0] else None
