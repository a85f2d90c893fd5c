"""Targets as losses and metrics read them, and sums over what belongs to one sample."""

from __future__ import annotations

from typing import Final

from netspec.catalog.formulas import lower, with_numbers
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import Dim, Size, product

HOT: Final = "where(c == t, 1, 0)"
"""The formula of `one_hot`, which products with its rows are known by."""


def is_category(output: Value, target: Value) -> bool:
    """Whether the target is classes, each against a row of scores."""
    return target.type.dtype != "float32" and target.type.rank == output.type.rank - 1 and output.type.channels != 1


def classes(g: Scope, output: Value) -> Value:
    """The index of each class along the last axis of ``output``, as numbers."""
    return counted(g, output.type.rank - 1, output.type.channels)


def counted(g: Scope, rank: int, size: Dim) -> Value:
    """The numbers below ``size`` behind ``rank`` axes of one."""
    return g.add(Iota((*(1,) * rank, size), rank))


def one_hot(g: Scope, index: Value, size: Dim) -> Value:
    """``[..., size]``, 1 at each whole number of ``index`` and else 0."""
    return apply(g, HOT, c=counted(g, index.type.rank, size), t=labels(g, index))


def labels(g: Scope, target: Value) -> Value:
    """The classes of a category as numbers, with an axis of size 1 for the scores."""
    return g.add(Reshape((*target.type.shape, 1)), real(g, target))


def real(g: Scope, value: Value) -> Value:
    """``value`` as float32, in which whole numbers below 2**24 are exact."""
    return value if value.type.dtype == "float32" else g.add(Cast("float32"), value)


def numbers(g: Scope, output: Value, target: Value) -> Value:
    """The target in the shape of ``output``: classes one-hot, or 0 and 1 against a single score."""
    if is_category(output, target):
        return one_hot(g, target, output.type.channels)
    target = real(g, target)
    return target if target.type.shape == output.type.shape else g.add(Reshape(output.type.shape), target)


def row_sum(g: Scope, value: Value) -> Value:
    """The sum over the last axis, which stays with length 1: what further work on the same rows can follow."""
    return g.add(Reduce("sum", (value.type.rank - 1,), keepdims=True), value)


def total(g: Scope, value: Value) -> Value:
    """The sum over everything of a sample, ``[B]``."""
    batch, *others = value.type.shape
    if any(n != 1 for n in others):
        value = g.add(Reduce("sum", tuple(range(1, value.type.rank)), keepdims=True), value)
    return g.add(Reshape((batch,)), value) if others else value


def mean(g: Scope, value: Value) -> Value:
    """The mean over everything of a sample, ``[B]``."""
    count: Dim = product(value.type.shape[1:])
    if isinstance(count, Size):
        value = apply(g, "v / n", v=value, n=g.add(Extent(count)))
    elif count != 1:
        value = lower(g, with_numbers(parse("v * share", ("v", "share")), {"share": 1 / count}), {"v": value})
    return total(g, value)
