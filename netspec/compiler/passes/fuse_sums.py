"""Sums over samples and places take in what they sum, and those over the same arrays become one sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from netspec.compiler.formula.compose import canonical, rename, trim, union
from netspec.compiler.formula.expr import ONE, Call, Expr, Name, names
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.simplify import make, simplified
from netspec.compiler.graph import Graph, GraphBuilder, Node, Op, Value
from netspec.compiler.graph.rewrite import rebuild
from netspec.compiler.ops.channel_sum import ChannelSum
from netspec.compiler.ops.elementwise import by_place
from netspec.compiler.ops.group_sum import GroupSum, is_narrow, summed_shape
from netspec.compiler.ops.map import Map
from netspec.compiler.passes.fuse_maps import FuseMaps
from netspec.compiler.passes.units import Unit, regroup
from netspec.tensortype import TensorType, known, product

MOST = 4
"""Sums of one sweep: each holds a register for each of its chains."""


class FuseSums:
    """Turn ``channel_sum(map(...))`` into sums of formulas, numbers of a channel taken out, several in one sweep.

    The gradient of batch normalisation sums a cotangent ``d`` four times, times this and that; what is left are
    ``sum(d)`` and ``sum(d * (x - mean))``. Both in one sweep read ``d`` once, and nothing is written for them.
    """

    name = "fuse-sums"

    def run(self, graph: Graph) -> Graph:
        if not any(_is_plain(node) for node in graph.nodes):
            return graph
        graph = FuseMaps().run(rebuild(graph, _Terms(graph).translate, graph.setup))
        groups = _Groups(graph).found
        return regroup(graph, groups) if groups else graph


def _is_plain(node: Node) -> bool:
    if isinstance(node.op, GroupSum):
        return node.op.terms is None
    return isinstance(node.op, ChannelSum) and node.op.terms is None and node.op.epilogue is None


class _Terms:
    """Puts maps into the sums that alone read them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def translate(self, node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
        if not (_is_plain(node) and self._takes(node.inputs[0])):
            return g.node(node.op, *inputs).values
        made = inputs[0].node
        if not isinstance(made.op, Map):
            return g.node(node.op, *inputs).values
        op, whole = node.op, inputs[0].type
        if isinstance(op, ChannelSum) and any(v.type.shape == summed_shape(whole) for v in made.inputs):
            # Of each sample first: what its numbers multiply is summed already, often beside other sums.
            each = _factored_sum(g, GroupSum(known(whole.channels)), inputs[0])
            return (g.add(ChannelSum(), each),)
        return (_factored_sum(g, op, inputs[0]),)

    def _takes(self, old: Value) -> bool:
        """Whether the value is a map of whole arrays and numbers of channels that nobody but sums reads."""
        op = old.node.op
        if not isinstance(op, Map) or by_place(op.formula) or isinstance(old.type.shape[0], int):
            return False
        readers = [reader for value in old.node.values for reader in self.graph.uses.get(value, ())]
        if any(value in self.graph.results for value in old.node.values) or not all(map(_is_plain, readers)):
            return False
        return all(value.type.dtype == "float32" and _fits(value.type, old.type) for value in old.node.inputs)


def _fits(type_: TensorType, whole: TensorType) -> bool:
    return type_.shape == whole.shape or is_narrow(type_, whole)


def _factored_sum(g: GraphBuilder, op: Op, value: Value) -> Value:
    """The sum ``op`` of a map, times what is the same in all that is summed."""
    made = value.node
    assert isinstance(made.op, Map)
    pairs = zip(made.op.formula.inputs, made.inputs, strict=True)
    narrow = {name for name, v in pairs if v.type.shape != value.type.shape and _is_factor(op, v.type, value.type)}
    term, factor = _factored(made.op.formula.outputs[value.index], narrow)
    whole = _sum(g, op, Formula(made.op.formula.inputs, (term,)), made.inputs)
    if factor is ONE:
        return whole
    formula, kept = trim(Formula(("sum", *made.op.formula.inputs), (make("*", Name("sum"), factor),)))
    return g.add(Map(canonical(formula)), whole, *(made.inputs[i - 1] for i in kept if i))


def _is_factor(op: Op, type_: TensorType, whole: TensorType) -> bool:
    """Whether a sum may be multiplied by it afterwards: groups of several channels only by one number."""
    return not isinstance(op, GroupSum) or op.groups == whole.channels or type_.elements == 1


def _sum(g: GraphBuilder, op: Op, formula: Formula, inputs: Sequence[Value]) -> Value:
    """The sum of a formula; of an array itself without any."""
    trimmed, kept = trim(formula)
    of = [inputs[i] for i in kept]
    assert isinstance(op, ChannelSum | GroupSum)
    return g.add(op if isinstance(trimmed.output, Name) else replace(op, terms=canonical(trimmed)), *of)


def _factored(expr: Expr, narrow: set[str]) -> tuple[Expr, Expr]:
    """``term, factor`` of ``term * factor``, where the factor is the same at every place of a channel.

    An expression that is the same itself is a term: its sum is over as many places as there are.
    """
    term, factor = _split(expr, narrow)
    return (expr, ONE) if term is ONE else simplified(term, factor)  # type: ignore[return-value]


def _split(expr: Expr, narrow: set[str]) -> tuple[Expr, Expr]:
    if set(names(expr)) <= narrow:
        return ONE, expr
    match expr:
        case Call(function="negative", operands=(inner,)):
            term, factor = _split(inner, narrow)
            return term, make("negative", factor)
        case Call(function="*", operands=(left, right)):
            (term, factor), (other, more) = _split(left, narrow), _split(right, narrow)
            return make("*", term, other), make("*", factor, more)
        case Call(function="/", operands=(left, right)) if set(names(right)) <= narrow:
            term, factor = _split(left, narrow)
            return term, make("/", factor, right)
    return expr, ONE


class _Sweep(Unit):
    """Sums that become one node."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    @property
    def inputs(self) -> Sequence[Value]:
        return tuple(dict.fromkeys(value for node in self.nodes for value in node.inputs))

    def emit(self, g: GraphBuilder, inputs: Sequence[Value]) -> Mapping[Value, Value]:
        name = {value: f"x{i}" for i, value in enumerate(self.inputs)}
        terms = []
        for node in self.nodes:
            assert isinstance(node.op, ChannelSum | GroupSum)
            terms.append(rename(node.op.summed, [name[value] for value in node.inputs]))
        whole = union(*terms)
        at = dict(zip(name.values(), inputs, strict=True))
        with g.at(self.nodes[-1].origin):
            op = self.nodes[0].op
            assert isinstance(op, ChannelSum | GroupSum)
            made = g.node(replace(op, terms=canonical(whole)), *(at[x] for x in whole.inputs))
        return dict(zip((node.value() for node in self.nodes), made.values, strict=True))


class _Groups:
    """Which sums go together: those that read an array in common, where neither waits for the other."""

    def __init__(self, graph: Graph) -> None:
        self.of: dict[Node, _Sweep] = {}
        for node in graph.nodes:
            single = len(node.types) == 1
            if single and (isinstance(node.op, GroupSum) or (isinstance(node.op, ChannelSum) and not node.op.epilogue)):
                self._place(node)
        self.found = {node: sweep for node, sweep in self.of.items() if len(sweep.nodes) > 1}

    def _place(self, node: Node) -> None:
        wide = _wide(node)
        for sweep in dict.fromkeys(self.of.values()):
            shares = _like(node, sweep.nodes[0]) and any(wide & _wide(other) for other in sweep.nodes)
            if shares and len(sweep.nodes) < MOST and not self._waits(node, sweep):
                break
        else:
            sweep = _Sweep()
        sweep.nodes.append(node)
        self.of[node] = sweep

    def _waits(self, node: Node, sweep: _Sweep) -> bool:
        """Whether the node is computed from the sweep, other sweeps taken as one node each."""
        stack, seen = [value.node for value in node.inputs], set[object]()
        while stack:
            each = stack.pop()
            other = self.of.get(each)
            if other is sweep:
                return True
            key: object = other or each
            if key not in seen:
                seen.add(key)
                stack += [value.node for value in (other.inputs if other else each.inputs)]
        return False


def _like(node: Node, other: Node) -> bool:
    """Whether two nodes sum over the same axes and groups."""
    groups = [each.op.groups if isinstance(each.op, GroupSum) else None for each in (node, other)]
    return groups[0] == groups[1]


def _wide(node: Node) -> set[Value]:
    """The arrays that a sum reads element by element."""
    shape = max((value.type.shape for value in node.inputs), key=lambda s: (len(s), known(product(s[1:]))))
    return {value for value in node.inputs if value.type.shape == shape}
