"""Formulas as nodes: what layers, losses and optimizers write instead of ops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from netspec.compiler.formula.expr import Call, Constant, Expr, Name, names, reductions, replace_all
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Value
from netspec.compiler.graph.op import Op
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.elementwise import by_place
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import Dim, ShapeError, broadcast

_COLUMNS: Final = Call("columns")


class Adder(Protocol):
    """Whoever adds nodes: a `GraphBuilder`, or a layer's scope."""

    def add(self, op: Op, *inputs: Value) -> Value:
        """The only result of ``op``."""
        ...


@lru_cache(maxsize=4096)
def _map(text: str, names: tuple[str, ...]) -> Map:
    return Map(parse(text, names))


def apply(g: Adder, text: str, /, **values: Value) -> Value:
    """``text``, such as ``"max(a, 0) + b"``, of the values named."""
    return g.add(_map(text, tuple(values)), *values.values())


def apply_all(g: GraphBuilder, text: str, /, **values: Value) -> tuple[Value, ...]:
    """All results of ``text``, such as ``"m = b1 * m + g; p - r * m, m"``."""
    return g.node(_map(text, tuple(values)), *values.values()).values


def lower_formula(g: Adder, formula: Formula, values: Mapping[str, Value]) -> tuple[Value, ...]:
    """The results of a formula that may reduce over the last axis: `Map` nodes with `Reduce` between them.

    Args:
        g: Who adds the nodes.
        formula: Its names are keys of ``values``; its draws have keys.
        values: More of them than occur does no harm.

    Returns:
        One value for each result; one that depends on reductions alone has length 1 along the last axis.

    Raises:
        ShapeError: if shapes do not fit, or what is reduced has no last axis.
    """
    occurring = [values[name] for name in names(*formula.outputs)]
    whole = broadcast(*(value.type.shape for value in occurring))
    if not whole and formula.reduces:
        raise ShapeError(f"`{formula}` reduces over the last axis, and there is none")
    lowering = _Lowering(g, dict(values), whole, occurring[0] if occurring else None)
    replaced: dict[Expr, Expr] = {_COLUMNS: lowering.columns()} if _COLUMNS in formula.nodes else {}
    for i, reduction in enumerate(reductions(*formula.outputs)):
        name = f"_{reduction.kind}{i}"
        lowering.values[name] = lowering.reduce(reduction.kind, replace_all((reduction.body,), replaced)[0])
        replaced[reduction] = Name(name)
    return tuple(lowering.map(output) for output in replace_all(formula.outputs, replaced))


@dataclass
class _Lowering:
    """One formula becoming nodes; ``whole`` is the shape of all its inputs together, ``any`` one of them."""

    g: Adder
    values: dict[str, Value]
    whole: tuple[Dim, ...]
    any: Value | None

    def columns(self) -> Expr:
        """The length of the last axis, which the narrow result of a reduction no longer tells."""
        if not self.whole:
            raise ShapeError("`columns()` is the length of the last axis, and there is none")
        if isinstance(self.whole[-1], int):
            return Constant(self.whole[-1])
        self.values["_columns"] = self.g.add(Extent(self.whole[-1]))
        return Name("_columns")

    def reduce(self, kind: str, body: Expr) -> Value:
        value = self.map(body)
        shape = value.type.shape
        if shape[-1:] != self.whole[-1:]:
            value = self.g.add(Broadcast((*shape[:-1], self.whole[-1])), value)
        op = Reduce(cast("Any", kind), (value.type.rank - 1,), keepdims=True)  # formulas and graphs have the same kinds
        return self.g.add(op, value)

    def map(self, expr: Expr) -> Value:
        if isinstance(expr, Name):
            return self.values[expr.name]
        used = {name: self.values[name] for name in names(expr)}
        narrow = broadcast(*(value.type.shape for value in used.values())) != self.whole
        if narrow and self.any is not None and by_place(Formula(tuple(used), (expr,))):
            used["_whole"] = self.g.add(Broadcast(self.whole), self.any)
        return self.g.add(Map(Formula(tuple(used), (expr,))), *used.values())
