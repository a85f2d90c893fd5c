"""Back-propagation through time: the scan that pulls cotangents back through another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netspec.compiler.autodiff import accumulate, pull_back
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.arithmetic import add, constant
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Input, Node, Role, Value, key_of, role_of
from netspec.compiler.graph.op import UnsupportedError
from netspec.compiler.graph.rewrite import rebuild
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.scan import Scan
from netspec.compiler.ops.slice import Slice
from netspec.tensortype import Dim, TensorType

COTANGENT = "d."
"""Before the key of a state or slice: the cotangent of it."""
COMING = "coming."
"""Before the key of an output: the cotangent that each step's gets from what reads it."""
MADE = "made."
"""Before the number of an output that the gradients of weights are made of."""

_SUM = Map(parse("a + b", ("a", "b")))


def pulled_back(
    g: GraphBuilder, node: Node, scan: Scan, cotangents: Sequence[Value | None]
) -> tuple[Value | None, ...]:
    """The cotangents of the inputs of a scan, given those of its results."""
    way = _Way(g, node, scan)
    coming = dict(zip((key for key, _ in scan.body.outputs), cotangents, strict=True))
    return way.back({key: value for key, value in coming.items() if value is not None})


@dataclass(frozen=True)
class _Parts:
    """The cotangent of a track: of what it was after each step, in the end and in the beginning, to be added."""

    after: Value | None = None
    last: Value | None = None
    first: Value | None = None


class _Way:
    """The way back through one scan while it is built."""

    def __init__(self, g: GraphBuilder, node: Node, scan: Scan) -> None:
        self.g, self.node, self.scan, self.body = g, node, scan, scan.body
        self.inner = GraphBuilder(node.origin)
        self.given: dict[str, Value] = {}  # what the inputs of the inner graph are, by their keys
        self.twins: dict[Node, Node] = {}
        self.values: dict[Value, Value] = {}  # of the body, in the inner graph
        self.kept: dict[Value, Value] = {}  # what is computed again in the inner graph, and the slice that it is
        self.made: dict[Value, str] = {}  # outputs of the inner graph
        self._mirror()

    def back(self, coming: dict[str, Value]) -> tuple[Value | None, ...]:
        scan, outputs = self.scan, dict(self.body.outputs)
        found: dict[Value, Value] = {}
        first: dict[str, Value] = {}  # cotangents of the initial states, beside what comes back to them
        last: dict[str, Value] = {}
        for key, value in coming.items():
            type_, after = outputs[key].type, value
            if key in scan.states:
                parts = self._track(value, type_)
                last |= {key: parts.last} if parts.last else {}
                first |= {key: parts.first} if parts.first else {}
                if parts.after is None:
                    continue
                after = parts.after
            accumulate(self.inner, found, outputs[key], self._input(f"{COMING}{key}", type_, "slice", after))
        for key, state in scan.states.items():
            begin = last.get(key) or constant(self.g, 0.0, state.type.shape)
            carried = self._input(f"{COTANGENT}{key}", state.type, "state", begin)
            accumulate(self.inner, found, outputs[key], carried)
        pull_back(self.inner, self.body.nodes, found, self.body.inputs, self.twins.__getitem__)
        results = self._run(found)
        return tuple(self._of_input(value, found, first, results) for value in self.body.inputs)

    def _mirror(self) -> None:
        """Bring the body's values into the inner graph: given ones as slices, cheap ones computed again."""
        kept = {value: i for i, (key, value) in enumerate(self.body.outputs) if key not in self.scan.states}
        for value, outer in zip(self.body.inputs, self.node.inputs, strict=True):
            key, role = key_of(value), role_of(value)
            assert role is not None
            if role == "state":
                before = self._before(key, outer.type.shape[0])
                self.values[value] = self._input(key, value.type, "slice", before)
            else:
                self.values[value] = self._input(key, value.type, role, outer)
        for node in self.body.nodes:
            if isinstance(node.op, Input):
                continue
            with self.inner.at(node.origin):
                twin = self.twins[node] = self.inner.node(node.op, *(self.values[value] for value in node.inputs))
            for value, same in zip(node.values, twin.values, strict=True):
                if value in kept:
                    outer = self.node.value(kept[value])
                    given = self._input(f"{self.body.outputs[kept[value]][0]}", value.type, "slice", outer)
                    self.values[value] = self.kept[same] = given
                else:
                    self.values[value] = same

    def _input(self, key: str, type_: TensorType, role: Role, outer: Value) -> Value:
        self.given[key] = outer
        return self.inner.input(key, type_, role)

    def _before(self, key: str, rows: Dim) -> Value:
        """What a state was before each step."""
        index = [name for name, _ in self.body.outputs].index(key)
        begin: Dim = rows if self.scan.reverse else 0
        return self.g.add(Slice(0, begin, begin + self.scan.steps * rows), self.node.value(index))

    def _track(self, cotangent: Value, type_: TensorType) -> _Parts:
        """The parts of the cotangent of a track.

        What is read of a track is mostly all steps or the last one; then no array of zeros has to be added.
        """
        if cotangent.node.op == _SUM:
            a, b = (self._track(value, type_) for value in cotangent.node.inputs)
            return _Parts(self._sum(a.after, b.after), self._sum(a.last, b.last), self._sum(a.first, b.first))
        rows, steps, reverse = type_.shape[0], self.scan.steps, self.scan.reverse
        stretch = steps * rows
        beginning, ending = (stretch, 0) if reverse else (0, stretch)
        op = cotangent.node.op
        if isinstance(op, Pad) and op.axis == 0:
            (inner,) = cotangent.node.inputs
            if (op.before, op.after) == ((0, rows) if reverse else (rows, 0)):
                return _Parts(after=inner)
            if inner.type.shape[0] == rows and op.before == ending:
                return _Parts(last=inner)
            if inner.type.shape[0] == rows and op.before == beginning:
                return _Parts(first=inner)
        begin: Dim = 0 if reverse else rows
        after = self.g.add(Slice(0, begin, begin + stretch), cotangent)
        return _Parts(after, first=self.g.add(Slice(0, beginning, beginning + rows), cotangent))

    def _sum(self, a: Value | None, b: Value | None) -> Value | None:
        return add(self.g, a, b) if a is not None and b is not None else a or b

    def _run(self, found: dict[Value, Value]) -> dict[str, Value]:
        """The scan the other way round; its results by key."""
        outputs: dict[str, Value] = {}
        for value in self.body.inputs:
            key, cotangent = f"{COTANGENT}{key_of(value)}", found.get(value)
            if role_of(value) == "state":
                outputs[key] = cotangent or constant(self.inner, 0.0, value.type.shape)
            elif role_of(value) == "slice" and cotangent is not None and value.type.dtype == "float32":
                self.made.setdefault(cotangent, key)
        for reader in self._readers():
            cotangents = [found.get(value) for value in reader.values]
            if any(cotangent is not None for cotangent in cotangents):
                operands = [self.values[v] for v in reader.inputs if role_of(v) != "constant"]
                for read in (*operands, *cotangents):
                    if read is not None and not isinstance(read.node.op, Input):
                        self.made.setdefault(read, f"{MADE}{len(self.made)}")
        states = set(outputs.values())
        for value, key in self.made.items():
            outputs[key] = self.inner.add(Map(parse("a", ("a",))), value) if value in states else value
        body = rebuild(self.inner.graph(f"{self.body.name}.back", outputs), self._read)
        op = Scan(body, self.scan.steps, not self.scan.reverse)
        node = self.g.node(op, *(self.given[key_of(value)] for value in body.inputs))
        return {key: value for (key, _), value in zip(body.outputs, node.values, strict=True)}

    def _read(self, node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
        """A node of the inner graph, what was kept in the place of its results: rules of gradients name them too."""
        given = [self.kept.get(value) for value in node.values]
        return [
            made if value is None else g.input(key_of(value), value.type, "slice")
            for made, value in zip(g.again(node, inputs).values, given, strict=True)
        ]

    def _readers(self) -> list[Node]:
        """The nodes of the body that read a constant."""
        found = [node for node in self.body.nodes if any(role_of(value) == "constant" for value in node.inputs)]
        for node in found:
            if not isinstance(node.op, Contract | Map):
                raise UnsupportedError(f"`scan` has no gradient by what `{node.op.name}` reads in each step")
        return found

    def _of_input(
        self, value: Value, found: dict[Value, Value], first: dict[str, Value], results: dict[str, Value]
    ) -> Value | None:
        key, cotangent = key_of(value), found.get(value)
        if role_of(value) == "state":
            rows = value.type.shape[0]
            begin: Dim = self.scan.steps * rows if self.scan.reverse else 0
            whole = self.g.add(Slice(0, begin, begin + rows), results[f"{COTANGENT}{key}"])
            return self._sum(whole, first.get(key))
        if role_of(value) == "slice":
            return None if cotangent is None or cotangent not in self.made else self._all_steps(cotangent, results)
        return self._of_constant(value, found, results)

    def _all_steps(self, value: Value, results: dict[str, Value]) -> Value:
        """A value of the inner graph at all steps: in a product or a map over them it is as good as step by step."""
        if isinstance(value.node.op, Input):
            return self.given[value.node.op.key]
        return results[self.made[value]]

    def _of_constant(self, constant: Value, found: dict[Value, Value], results: dict[str, Value]) -> Value | None:
        """What a weight gets from all steps: the rule of each reader, over the rows of all steps at once."""
        whole: Value | None = None
        for reader in self._readers():
            cotangents = [found.get(value) for value in reader.values]
            if constant not in reader.inputs or all(cotangent is None for cotangent in cotangents):
                continue
            inputs = [
                self.given[key_of(v)] if role_of(v) == "constant" else self._all_steps(self.values[v], results)
                for v in reader.inputs
            ]
            with self.g.at(reader.origin):
                node = self.g.node(reader.op, *inputs)
                given = [None if c is None else self._all_steps(c, results) for c in cotangents]
                pulled = reader.op.vjp(self.g, node, given)
            for value, part in zip(reader.inputs, pulled, strict=True):
                if value == constant:
                    whole = self._sum(whole, part)
        return whole
