"""From a graph to calls of kernels: gives every value its memory and asks every op for its kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from netspec.compiler.codegen.buffers import place_buffer, turned
from netspec.compiler.codegen.phase import looped
from netspec.compiler.graph.lowering import Access, Argument, Buffer, Call, Loop, Lowering, Pack, Padding, Place
from netspec.compiler.graph.node import Graph, Input, Node, Role, Value, key_of, role_of, shapes_of
from netspec.compiler.graph.op import UnsupportedError
from netspec.compiler.kernels.kernel import Kernel
from netspec.tensortype import COLUMNS, ITEM_BYTES, Dim, Size, TensorType, product

if TYPE_CHECKING:
    from netspec.compiler.kernels.processor import Tile

_PLACES: Mapping[Role, Place] = {
    "stored": "stored",
    "index": "index",
    "parameter": "persistent",
    "state": "persistent",
    "derived": "persistent",
    "step": "step",
    "constant": "constant",
    "slice": "arena",
}


@dataclass(frozen=True)
class Lowered:
    """The calls of one step, in graph order, and the memory they use.

    ``outputs`` maps the name of every output to its buffer. An output that updates an input shares that input's buffer;
    scalar outputs are ``step`` buffers, one number a step. ``values`` maps values to buffers, for looking inside.
    """

    graph: Graph
    calls: tuple[Call | Loop, ...]
    buffers: tuple[Buffer, ...]
    outputs: Mapping[str, Buffer]
    values: Mapping[Value, Buffer]
    extents: Mapping[Buffer, Dim]


def lower(graph: Graph, tile: Tile) -> Lowered:
    """Lower every node of ``graph`` for a processor whose register tile is ``tile``."""
    lowering = GraphLowering(graph, tile)
    for node in graph.nodes:
        if not isinstance(node.op, Input):
            lowering.run(node)
    outputs = {name: lowering.buffer(value) for name, value in graph.outputs}
    for name, buffer in outputs.items():
        if name in graph.by_key and buffer is not lowering.buffers[graph.by_key[name]]:
            raise UnsupportedError(f"the new value of `{name}` does not lie where the old one did")
    # The weights of heads that a prediction does not reach are inputs that nobody reads: they need no memory.
    idle = {v for v in graph.inputs if lowering.buffers[v].place == "persistent" and not graph.uses.get(v)}
    held = (buffer.memory for value, buffer in lowering.buffers.items() if value not in idle or value in graph.results)
    buffers = tuple(dict.fromkeys([*held, *lowering.temporaries]))
    return Lowered(graph, tuple(lowering.calls), buffers, outputs, lowering.buffers, lowering.extents)


class GraphLowering(Lowering):
    """The lowering of one graph while it goes on."""

    def __init__(self, graph: Graph, tile: Tile) -> None:
        self.graph, self.tile = graph, tile
        self.calls: list[Call | Loop] = []
        self.buffers: dict[Value, Buffer] = {}
        self.extents: dict[Buffer, Dim] = {}
        self.temporaries: list[Buffer] = []
        self._node: Node | None = None
        self._names: dict[str, int] = {}
        for value in graph.inputs:
            place = _PLACES[role_of(value) or "constant"]
            # Products and transpositions write whole vectors into each row of a matrix. What a matrix is used for may
            # differ between the programs that share it, so the padding follows from the type alone.
            padding: Padding = "vectors" if value.type.rank == 2 else "none"
            self.buffers[value] = place_buffer(key_of(value), value.type, place, padding)
        # An update is written over what it replaces: the scheduler lets all readers of the old value go first.
        self._updates = {value: graph.by_key[name] for name, value in graph.outputs if name in graph.by_key}
        # A table that lies in columns is written by what makes its transpose.
        self._turned = {v.node.inputs[0]: v for v in self._updates if v.type.layout == COLUMNS}
        scalars = [value for name, value in graph.outputs if value.type.rank == 0 and name not in graph.by_key]
        self._scalars = {source for value in scalars for source in shapes_of(value)}
        self._holders = _holders(graph, self._updates)

    def run(self, node: Node) -> None:
        self._node = node
        node.op.lower(node, self)

    def buffer(self, value: Value, padding: Padding = "vectors") -> Buffer:
        known = self.buffers.get(value)
        if known is None:
            target, holder = self._updates.get(value), self._holders.get(value)
            if target is not None and target.type == value.type:
                known = self.buffers[target]
            elif holder is not None and padding == "vectors":
                known = _part(self.buffer(holder[0]), value.type, holder[1])
            elif value in self._turned:
                known = turned(self.buffer(self._turned[value]), value.type)
            else:
                place: Place = "step" if value in self._scalars else "arena"
                known = place_buffer(self._name(value), value.type, place, padding)
            self.buffers[value] = known
        return known

    def alias(self, value: Value, other: Value) -> bool:
        known, type_ = self.buffer(other), value.type
        if value in self._updates or value in self.buffers or known.type.layout.kind != "rows":
            return False
        rows = type_.shape[0] if type_.rank else 1
        if known.contiguous:
            stride = product(type_.shape[1:]) * ITEM_BYTES[type_.dtype]
        elif rows == known.rows and (type_.rank > 1 or isinstance(rows, Size)):
            stride = known.row_stride
        else:  # a row of numbers has to lie in one stretch
            return False
        self.buffers[value] = replace(known, type=type_, rows=rows, row_stride=stride, whole=known.memory)
        return True

    def inside(self, value: Value, other: Value, axis: int, start: Dim) -> bool:
        known, type_ = self.buffer(other), value.type
        if value in self._updates or value in self.buffers or value in self._holders:
            return False
        if known.type.layout.kind != "rows" or known.place != "arena" or known.rows != other.type.shape[0]:
            return False
        if axis == 0:
            # One of equal blocks, if it is the first, the second or the last of them, which loops write.
            if start not in (0, type_.shape[0], known.rows - type_.shape[0]):
                return False
            self.buffers[value] = replace(_part(known, type_, start * known.row_stride), block=True)
        elif axis == type_.rank - 1 == 1:
            self.buffers[value] = _part(known, type_, start * ITEM_BYTES[type_.dtype])
        else:
            return False
        return True

    def loop(self, body: Graph, buffers: Mapping[Value, Buffer], rounds: Dim) -> None:
        assert self._node is not None
        inner = _Body(self, self._node, body, buffers)
        for node in body.nodes:
            if not isinstance(node.op, Input):
                inner.run(node)
        self.temporaries += inner.temporaries
        self.temporaries += [b.memory for v, b in inner.buffers.items() if v not in buffers and b.whole is None]
        self.calls.append(looped([call for each in inner.calls for call in each.calls], rounds, self._node))

    def turn(self, value: Value, other: Value) -> None:
        seen = turned(self.buffer(other), value.type)
        if self.buffers.setdefault(value, seen).memory is not seen.memory:
            raise UnsupportedError(f"{value.type} has to lie where {other.type} does, which is its transpose")

    def temporary(self, type_: TensorType, padding: Padding = "none") -> Buffer:
        assert self._node is not None
        buffer = place_buffer(f"{self._name(self._node.value())}/copy", type_, "arena", padding)
        self.temporaries.append(buffer)
        return buffer

    def extent(self, value: Value, size: Dim) -> None:
        self.buffers[value] = buffer = place_buffer(f"size {size}", value.type, "constant")
        self.extents[buffer] = size

    def call(
        self,
        kernel: Kernel,
        pack: Pack,
        arguments: Mapping[str, Argument],
        reads: Sequence[Access],
        writes: Sequence[Access],
        over: Sequence[tuple[Buffer, Buffer]] = (),
    ) -> None:
        assert self._node is not None
        touched = [tuple(map(_of_whole, part)) for part in (reads, writes)]
        pairs = tuple(pair for pair in over if all(x.place == "arena" and x.memory is x for x in pair))
        self.calls.append(Call(kernel, pack, arguments, touched[0], touched[1], self._node, pairs))

    def _name(self, value: Value) -> str:
        origin = value.node.origin
        base = f"{origin.path}/{value.node.op.name}" if origin else value.node.op.name
        count = self._names[base] = self._names.get(base, 0) + 1
        return base if count == 1 else f"{base}.{count}"


class _Body(GraphLowering):
    """The lowering of what runs in a loop, for the node that is the loop."""

    def __init__(self, outer: GraphLowering, whole: Node, body: Graph, buffers: Mapping[Value, Buffer]) -> None:
        self.graph, self.tile = body, outer.tile
        self.calls, self.temporaries = [], []
        self.buffers, self.extents = dict(buffers), outer.extents
        self._outer, self._whole, self._node = outer, whole, whole
        self._updates, self._scalars, self._turned, self._names = {}, set(), {}, outer._names
        self._holders = {value: found for value, found in _holders(body, {}).items() if value not in buffers}

    def call(
        self,
        kernel: Kernel,
        pack: Pack,
        arguments: Mapping[str, Argument],
        reads: Sequence[Access],
        writes: Sequence[Access],
        over: Sequence[tuple[Buffer, Buffer]] = (),
    ) -> None:
        node, self._node = self._node, self._whole  # for the scheduler it is the whole loop that runs
        super().call(kernel, pack, arguments, reads, writes, over)
        self._node = node


def _holders(graph: Graph, updates: Mapping[Value, Value]) -> dict[Value, tuple[Value, Dim]]:
    """What may be written straight into the result of its reader, and how many bytes into each row."""
    found: dict[Value, tuple[Value, Dim]] = {}
    for node in graph.nodes:
        for value, start in zip(node.inputs, node.op.holds(node), strict=True):
            own = value in graph.results or value in updates or value in found or not value.node.op.stores_exactly
            if start is not None and not own and node.inputs.count(value) == 1:
                found[value] = node.value(), start
    return found


def _of_whole(access: Access) -> Access:
    """The access as one to what the bytes belong to."""
    buffer, split = access.buffer, access.split
    if buffer.memory is buffer:
        return access
    if split is not None and split.axis == "rows" and buffer.block:
        split = replace(split, axis="blocks")
    return Access(buffer.memory, split)


def _part(buffer: Buffer, type_: TensorType, offset: Dim) -> Buffer:
    rows = type_.shape[0] if type_.rank else 1
    return replace(buffer, type=type_, rows=rows, whole=buffer.memory, offset=buffer.offset + offset)
