"""The two formulas that whoever works on graphs without knowing ops needs: a constant, and a sum."""

from __future__ import annotations

from netspec.compiler.formula.expr import Call, Constant, Name
from netspec.compiler.formula.formula import Formula
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Value
from netspec.compiler.graph.op import make
from netspec.tensortype import Dim

_SUM = Formula(("a", "b"), (Call("+", Name("a"), Name("b")),))


def constant(g: GraphBuilder, value: float, shape: tuple[Dim, ...] = ()) -> Value:
    """``value`` everywhere in ``shape``, float32."""
    scalar = g.add(make("map", formula=Formula((), (Constant(value),))))
    return g.add(make("broadcast", shape=shape), scalar) if shape else scalar


def add(g: GraphBuilder, a: Value, b: Value) -> Value:
    """``a + b``, elementwise."""
    return g.add(make("map", formula=_SUM), a, b)
