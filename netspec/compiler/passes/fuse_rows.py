"""Gather element-wise work and row reductions that follow one another into single passes over memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netspec.compiler.formula import Call, Expr, Formula, Name, canonical, replace_all, simplified
from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.rows import Rows
from netspec.compiler.passes.pieces import SCALAR, Domain, Piece, keeps_rows, piece_of
from netspec.compiler.passes.units import Unit, regroup


class FuseRows:
    """Turn maps, reductions over the columns, gathers, casts and broadcasts into as few `rows` as the data flow allows.

    Softmax cross-entropy with its gradient and the accuracy are a dozen such nodes; as one kernel they take 1.8 us for
    64 samples of 10 classes, less than one round through memory for each would.
    """

    name = "fuse-rows"

    def run(self, graph: Graph) -> Graph:
        clusters = _Clusters(graph)
        for node in graph.nodes:
            piece = piece_of(node)
            if piece is not None and not (isinstance(node.op, Gather) and _stands_apart(node, graph)):
                clusters.place(node, piece)
        return regroup(graph, clusters.of)


def _stands_apart(node: Node, graph: Graph) -> bool:
    """A gather of whole numbers, which stay such; or one whose every reader takes its rows from the table itself."""
    value = node.value()
    if value.type.dtype != "float32":
        return True
    return value not in graph.results and all(_inlines(reader, graph) for reader in graph.uses.get(value, ()))


def _inlines(reader: Node, graph: Graph) -> bool:
    if isinstance(reader.op, Reshape) and keeps_rows(reader.types[0], reader.inputs[0].type):
        value = reader.value()
        return value not in graph.results and all(_inlines(node, graph) for node in graph.uses.get(value, ()))
    return not isinstance(reader.op, Gather) and piece_of(reader) is not None


@dataclass(eq=False)
class _Cluster(Unit):
    """Nodes that become one `rows`; ``leaves`` are its inputs with their views, ``made`` what it computes."""

    graph: Graph
    domain: Domain
    nodes: list[Node] = field(default_factory=list)
    leaves: dict[tuple[Value, str], Name] = field(default_factory=dict)
    made: dict[Value, tuple[Expr, str]] = field(default_factory=dict)
    index: Value | None = None

    @property
    def inputs(self) -> Sequence[Value]:
        values = [value for value, _ in self.leaves]
        return [*values, self.index] if self.index is not None else values

    def emit(self, g: GraphBuilder, inputs: Sequence[Value]) -> Mapping[Value, Value]:
        inside = set(self.nodes)
        kept = [value for value in self.made if _is_read_outside(value, inside, self.graph)]
        names = tuple(name.name for name in self.leaves.values())
        formula = canonical(Formula(names, simplified(*(self.made[value][0] for value in kept))))
        op = Rows(
            formula,
            self.domain.sizes,
            tuple(view for _, view in self.leaves),
            tuple(self.made[value][1] for value in kept),
            tuple(value.type.shape for value in kept),
        )
        with g.at(self.nodes[-1].origin):
            node = g.node(op, *inputs)
        return dict(zip(kept, node.values, strict=True))


def _is_read_outside(value: Value, inside: set[Node], graph: Graph) -> bool:
    """Whether anything but ``inside`` needs the value, directly or under another shape."""
    if value in graph.results:
        return True
    return any(
        _is_read_outside(node.value(), inside, graph) if origin_of(node.value()) != node.value() else node not in inside
        for node in graph.uses.get(value, ())
    )


class _Clusters:
    """The clusters so far; a node joins those it reads from if no path through other nodes leads back into them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.of: dict[Node, _Cluster] = {}
        self._names: dict[tuple[Value, str], Name] = {}
        self._position = {node: i for i, node in enumerate(graph.nodes)}

    def place(self, node: Node, piece: Piece) -> None:
        cluster = _Cluster(self.graph, piece.domain)
        for near in self._near(piece):
            if not cluster.nodes and self._may_join(near, piece):
                cluster = near
            elif cluster.nodes and self._may_join(near, piece, cluster) and self._may_merge(cluster, near):
                self._merge(cluster, near)
        cluster.domain = cluster.domain.joined(piece.domain)
        replacements: dict[Expr, Expr] = {
            Name(name): self._read(cluster, value, view)
            for name, (value, view) in zip(piece.formula.inputs, piece.inputs, strict=True)
        }
        outputs = replace_all(piece.formula.outputs, replacements)
        cluster.made.update((value, (expr, piece.result)) for value, expr in zip(node.values, outputs, strict=True))
        cluster.nodes.append(node)
        self.of[node] = cluster

    def _near(self, piece: Piece) -> Sequence[_Cluster]:
        """The clusters that make an input of ``piece``, the latest first."""
        sources = (origin_of(value).node for value, _ in piece.inputs)
        found = dict.fromkeys(self.of[node] for node in sources if node in self.of)
        return sorted(found, key=lambda c: -self._position[c.nodes[-1]])

    def _may_join(self, cluster: _Cluster, piece: Piece, partner: _Cluster | None = None) -> bool:
        """Whether ``piece`` fits into ``cluster``, what it reads of ``partner`` (which is to merge with it) apart."""
        if not cluster.domain.fits(piece.domain):
            return False
        outside: list[Value] = []
        for value, view in piece.inputs:
            source = origin_of(value)
            maker = self.of.get(source.node)
            if maker is not None and maker is partner:
                continue
            if maker is cluster:
                if cluster.made[source][1] != view:
                    return False
            elif isinstance(source.node.op, Gather):
                if cluster.index not in (None, source.node.inputs[1]):
                    return False
            else:
                outside.append(value)
        return not self._reaches(outside, cluster)

    def _may_merge(self, one: _Cluster, other: _Cluster) -> bool:
        if not one.domain.fits(other.domain) or (one.index and other.index and one.index != other.index):
            return False
        for reader, made in ((one, other), (other, one)):
            outside = []
            for value, view in reader.leaves:
                source = origin_of(value)
                if self.of.get(source.node) is not made:
                    outside.append(value)
                elif made.made[source][1] != view:
                    return False
            if self._reaches(outside, made):
                return False
        return True

    def _merge(self, cluster: _Cluster, other: _Cluster) -> None:
        """Put ``other`` into ``cluster``; what one reads of the other becomes its expression."""
        first, second = (cluster, other) if self._feeds(cluster, other) else (other, cluster)
        made: dict[Value, tuple[Expr, str]] = dict(first.made)
        inner: dict[Expr, Expr] = {
            name: first.made[origin_of(value)][0]
            for (value, _), name in second.leaves.items()
            if origin_of(value) in first.made
        }
        for value, (expr, view) in second.made.items():
            made[value] = replace_all((expr,), inner)[0], view
        kept = {leaf: name for leaf, name in second.leaves.items() if name not in inner}
        cluster.leaves, cluster.made = {**first.leaves, **kept}, made
        cluster.domain = cluster.domain.joined(other.domain)
        cluster.index = cluster.index or other.index
        cluster.nodes = sorted({*cluster.nodes, *other.nodes}, key=self._position.__getitem__)
        self.of.update(dict.fromkeys(other.nodes, cluster))

    def _feeds(self, cluster: _Cluster, other: _Cluster) -> bool:
        return any(self.of.get(origin_of(value).node) is cluster for value, _ in other.leaves)

    def _read(self, cluster: _Cluster, value: Value, view: str) -> Expr:
        source = origin_of(value)
        maker = self.of.get(source.node)
        if maker is cluster:
            return cluster.made[source][0]
        if isinstance(source.node.op, Gather) and "R" in view:
            table, cluster.index = source.node.inputs
            return self._leaf(cluster, table, view.replace("R", "G"))
        op = source.node.op
        if isinstance(op, Iota) and view == "C" and op.shape[op.axis] == source.type.elements == cluster.domain.columns:
            return Call("column")
        if maker and maker.domain == SCALAR:  # cheaper made again than fetched from where another made it
            leaves: dict[Expr, Expr] = {name: self._leaf(cluster, *leaf) for leaf, name in maker.leaves.items()}
            return replace_all((maker.made[source][0],), leaves)[0]
        return self._leaf(cluster, value, view)

    def _leaf(self, cluster: _Cluster, value: Value, view: str) -> Name:
        name = self._names.setdefault((value, view), Name(f"v{len(self._names)}"))
        cluster.leaves[value, view] = name
        return name

    def _reaches(self, values: Sequence[Value], cluster: _Cluster) -> bool:
        """Whether a value is computed from ``cluster``, other clusters taken as one node each."""
        stack, seen = [value.node for value in values], set[object]()
        while stack:
            node = stack.pop()
            other = self.of.get(node)
            if other is cluster:
                return True
            key: object = other or node
            if key in seen:
                continue
            seen.add(key)
            stack += [value.node for value in (other.inputs if other else node.inputs)]
        return False


def origin_of(value: Value) -> Value:
    """The value behind reshapes that only name the same rows and columns otherwise."""
    while isinstance(value.node.op, Reshape) and keeps_rows(value.type, value.node.inputs[0].type):
        value = value.node.inputs[0]
    return value
