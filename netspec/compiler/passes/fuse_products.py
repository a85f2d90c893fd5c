"""Put element-wise work into the store of the product, or the sum over samples, that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from netspec.compiler.formula import Expr, Formula, Name, replace_all
from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.ops.channel_sum import ChannelSum
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.conv import Conv, ConvInput, ConvWeight
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.moments import Moments
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.passes.pieces import piece_of
from netspec.compiler.passes.units import Unit, regroup
from netspec.tensortype import TensorType


class FuseProducts:
    """Turn ``map(contract(a, b), ...)`` into one product with an epilogue; likewise for sums over the first axis.

    A bias and its activation, the mask of a backward product, an optimizer's update then work on sums that are still in
    registers: of 235,000 weights' Adam step 23 us of 38 are hidden, and no gradient is ever stored.
    """

    name = "fuse-products"

    def run(self, graph: Graph) -> Graph:
        position = {node: i for i, node in enumerate(graph.nodes)}
        units: dict[Node, Unit] = {}
        for node in graph.nodes:
            if _is_fusible(node) and node not in units:
                unit = _grow(_Product(node), graph, position, units)
                if len(unit.nodes) > 1:
                    units.update(dict.fromkeys(unit.nodes, unit))
        return regroup(graph, units) if units else graph


def _is_fusible(node: Node) -> bool:
    if isinstance(node.op, Contract | Conv | ConvInput | ConvWeight | ChannelSum | Moments):
        return node.op.epilogue is None
    if not isinstance(node.op, Reduce) or node.op.epilogue is not None:
        return False
    return node.op.axes == (0,) and not node.op.keepdims and node.types[0].rank <= 1


class _Product(Unit):
    """A product or fold, the maps that it takes in, and the expression of every value it makes."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.nodes = [root]
        several = len(root.types) > 1
        self.made = tuple(f"acc{i}" if several else "acc" for i in range(len(root.types)))
        self.expressions: dict[Value, Expr] = {v: Name(n) for v, n in zip(root.values, self.made, strict=True)}
        self.extras: dict[Value, str] = {}
        self.kept: tuple[Value, ...] = root.values

    @property
    def inputs(self) -> Sequence[Value]:
        return (*self.root.inputs, *self.extras)

    def take(self, node: Node) -> None:
        """Absorb a map that reads one of the values made here."""
        assert isinstance(node.op, Map)
        replacements: dict[Expr, Expr] = {}
        for name, value in zip(node.op.formula.inputs, node.inputs, strict=True):
            if value not in self.expressions and value not in self.extras:
                self.extras[value] = f"x{len(self.extras)}"
            replacements[Name(name)] = self.expressions.get(value) or Name(self.extras[value])
        made = replace_all(node.op.formula.outputs, replacements)
        self.expressions.update(zip(node.values, made, strict=True))
        self.nodes.append(node)

    def emit(self, g: GraphBuilder, inputs: Sequence[Value]) -> Mapping[Value, Value]:
        formula = Formula((*self.made, *self.extras.values()), tuple(self.expressions[value] for value in self.kept))
        assert isinstance(self.root.op, Contract | Reduce | Conv | ConvInput | ConvWeight | ChannelSum | Moments)
        with g.at(self.nodes[-1].origin):
            node = g.node(replace(self.root.op, epilogue=formula), *inputs)
        return dict(zip(self.kept, node.values, strict=True))


def _grow(unit: _Product, graph: Graph, position: Mapping[Node, int], taken: Mapping[Node, Unit]) -> _Product:
    """Absorb readers as long as one fits."""
    shape = unit.root.types[0].shape
    small = isinstance(unit.root.op, ChannelSum | Moments)  # a few numbers: any kernel less is a gain
    grown = True
    while grown:
        grown = False
        for value in list(unit.expressions):
            for reader in graph.uses.get(value, ()):
                if reader in unit.nodes or reader in taken or not (small or _pays(value, reader, graph)):
                    continue
                if not _fits(reader, shape, unit, position):
                    continue
                unit.take(reader)
                grown = True
    inside = set(unit.nodes)
    unit.kept = tuple(
        value
        for value in unit.expressions
        if value in graph.results or any(reader not in inside for reader in graph.uses.get(value, ()))
    )
    return unit


def _pays(value: Value, reader: Node, graph: Graph) -> bool:
    """Whether the value need not be stored then, or what the map makes has to be stored anyway.

    A map that is read by other row work alone becomes one loop with that and is never stored.
    """
    if value not in graph.results and graph.uses[value] == (reader,):
        return True
    return any(
        made in graph.results or any(piece_of(node) is None for node in graph.uses.get(made, ()))
        for made in reader.values
    )


def _fits(reader: Node, shape: tuple[object, ...], unit: _Product, position: Mapping[Node, int]) -> bool:
    if not isinstance(reader.op, Map) or any(type_.shape != shape for type_ in reader.types):
        return False
    others = [value for value in reader.inputs if value not in unit.expressions]
    if not all(value.type.dtype == "float32" and _spreads(unit.root, value.type, shape) for value in others):
        return False
    return not _reaches(others, unit.nodes, position)


def _spreads(root: Node, extra: TensorType, shape: tuple[object, ...]) -> bool:
    """Whether an extra can be read beside each element: it has whole axes of the result, or none."""
    small = extra.shape
    if isinstance(root.op, Conv | ConvInput):
        return small == shape or extra.elements == 1 or (extra.elements == small[-1] == shape[-1])
    if isinstance(root.op, ConvWeight):
        return small == shape or extra.elements == 1
    if len(shape) <= 1:
        return small in ((), shape) or small == (1,)
    return len(small) <= len(shape)


def _reaches(values: Sequence[Value], targets: Sequence[Node], position: Mapping[Node, int]) -> bool:
    """Whether any value is computed from a target; nodes that stand before the first target cannot be."""
    aims, first = set(targets), min(position[node] for node in targets)
    stack, seen = [value.node for value in values], set[Node]()
    while stack:
        node = stack.pop()
        if node in aims:
            return True
        if node not in seen and position[node] > first:
            seen.add(node)
            stack += [value.node for value in node.inputs]
    return False
