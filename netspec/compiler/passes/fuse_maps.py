"""Merge chains of maps, so that an intermediate result stays in registers instead of memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from netspec.compiler.formula.compose import select
from netspec.compiler.formula.expr import Call, Expr, Name, replace_all
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.functions import FUNCTIONS
from netspec.compiler.formula.simplify import simplified
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Graph, Node, Value
from netspec.compiler.graph.rewrite import Rewriter, rebuild
from netspec.compiler.ops.elementwise import by_place
from netspec.compiler.ops.map import Map
from netspec.compiler.passes.simplify import RULES

CHEAP = 2
"""Operations per element that are sooner done again than read from memory."""

CHEAP_SCALAR = 12
"""The same for a single number, whose own kernel and barrier cost some hundred cycles."""

WIDEST = 16
"""Inputs that a map may grow to: each is a pointer and a stride that a kernel holds in registers."""

_NAMES = tuple(f"x{i}" for i in range(WIDEST))
_FLOPS = {"/": 4}  # a division takes as long as four products


class FuseMaps:
    """Inline a map into the maps that read it.

    It is inlined where its results are read by one map of the same shape only, or where it is cheap: one or two
    operations on at most one array of full size, or few on single numbers, and read by maps alone. Results that nobody
    reads are dropped.
    """

    name: ClassVar[str] = "fuse-maps"

    def run(self, graph: Graph) -> Graph:
        rules = Rewriter(RULES)
        while True:
            setup = None if graph.setup is None else self.run(graph.setup)
            fused = rebuild(graph, _Fusion(graph).translate, setup)
            if len(fused.nodes) == len(graph.nodes):
                return fused
            # A fusion can leave a value with one reader, or let a map take in a broadcast, and so allow the next.
            graph = rules.run(fused)


@dataclass(frozen=True)
class _Expansion:
    """A map of the old graph as formulas over values of the new one."""

    formula: Formula
    inputs: tuple[Value, ...]


class _Fusion:
    """One sweep over one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.expansions: dict[Node, _Expansion] = {}

    def translate(self, node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
        if not isinstance(node.op, Map):
            return g.again(node, inputs).values
        expansion = self._expand(node, node.op.formula, inputs)
        self.expansions[node] = expansion
        live = [i for i, value in enumerate(node.values) if self._is_read(value)]
        formula = select(expansion.formula, live) if live else expansion.formula
        same = formula == node.op.formula and expansion.inputs == inputs
        made = (g.again(node, inputs) if same else g.node(Map(formula), *expansion.inputs)).values
        at = {i: position for position, i in enumerate(live)}
        return [made[at.get(i, 0)] for i in range(len(node.types))]

    def _is_read(self, value: Value) -> bool:
        return value in self.graph.uses or value in self.graph.results

    def _expand(self, node: Node, formula: Formula, inputs: tuple[Value, ...]) -> _Expansion:
        """``node`` with the producers that are to be inlined put into its formula."""
        producers = [self._producer(old.node, node) for old in node.inputs]
        if not any(producers) and formula.inputs == _NAMES[: len(set(inputs))]:
            return _Expansion(formula, inputs)  # as it is: nothing is put in, and its inputs differ
        names: dict[Value, str] = {}
        bodies: list[Expr] = []
        for old, new, producer in zip(node.inputs, inputs, producers, strict=True):
            if producer is not None:
                renamed = tuple(names.setdefault(value, f"x{len(names)}") for value in producer.inputs)
                bodies.append(_result(producer.formula, old.index, renamed))
            else:
                bodies.append(Name(names.setdefault(new, f"x{len(names)}")))
        return _Expansion(_inlined(formula, tuple(bodies), tuple(names.values())), tuple(names))

    def _producer(self, old: Node, consumer: Node) -> _Expansion | None:
        """What is put in the place of an input of ``consumer`` that comes from ``old``, if anything."""
        producer = self.expansions.get(old)
        return producer if producer and self._fits(old, producer, consumer, len(consumer.inputs)) else None

    def _fits(self, old: Node, producer: _Expansion, consumer: Node, width: int) -> bool:
        shape = consumer.types[0].shape
        same = old.types[0].shape == shape
        if (not same and by_place(producer.formula)) or width + len(producer.inputs) - 1 > WIDEST:
            return False
        readers = {reader for value in old.values for reader in self.graph.uses.get(value, ())}
        if any(value in self.graph.results for value in old.values):
            return False
        if same and readers == {consumer}:
            return True
        wide = [v for v in producer.inputs if v.type.shape == old.types[0].shape and v.type.shape]
        limit = CHEAP if old.types[0].shape else CHEAP_SCALAR
        return _flops(producer.formula) <= limit and len(wide) <= 1 and all(isinstance(r.op, Map) for r in readers)


@lru_cache(maxsize=4096)
def _result(formula: Formula, index: int, names: tuple[str, ...]) -> Expr:
    """One result of ``formula``, its inputs called ``names``."""
    renamed: dict[Expr, Expr] = {Name(old): Name(new) for old, new in zip(formula.inputs, names, strict=True)}
    return replace_all((formula.outputs[index],), renamed)[0]


@lru_cache(maxsize=4096)
def _inlined(formula: Formula, bodies: tuple[Expr, ...], names: tuple[str, ...]) -> Formula:
    """``formula`` with an expression over ``names`` in the place of each input."""
    changed: dict[Expr, Expr] = {Name(name): body for name, body in zip(formula.inputs, bodies, strict=True)}
    return Formula(names, simplified(*replace_all(formula.outputs, changed)))


@lru_cache(maxsize=4096)
def _flops(formula: Formula) -> int:
    calls = [node.function for node in formula.nodes if isinstance(node, Call)]
    return sum(_FLOPS.get(name, FUNCTIONS[name].flops) for name in calls)
