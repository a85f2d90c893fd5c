"""What passes do about graphs inside ops: the bodies of loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from netspec.compiler.formula import Formula, Name
from netspec.compiler.graph import Graph, GraphBuilder, Input, Node, Value, key_of, role_of
from netspec.compiler.graph.rewrite import Pass, rebuild
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.scan import Scan

_COPY = Map(Formula(("x0",), (Name("x0"),)))


@dataclass(frozen=True)
class InBodies:
    """A pass that runs on a graph, and then on the bodies of its loops."""

    step: Pass

    @property
    def name(self) -> str:
        return self.step.name

    def run(self, graph: Graph) -> Graph:
        return _with_bodies(self.step.run(graph), self.step)


@dataclass(frozen=True)
class OnlyInBodies:
    """A pass on the bodies of loops alone."""

    step: Pass

    @property
    def name(self) -> str:
        return self.step.name

    def run(self, graph: Graph) -> Graph:
        return _with_bodies(graph, self.step)


def _with_bodies(graph: Graph, step: Pass) -> Graph:
    if not any(node.op.bodies() for node in graph.nodes):
        return graph

    def translate(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
        bodies = node.op.bodies()
        if not bodies:
            return g.again(node, inputs).values
        return g.node(node.op.with_bodies([step.run(body) for body in bodies]), *inputs).values

    return rebuild(graph, translate, graph.setup)


class TrimLoops:
    """Drop what a loop gives that nobody reads, and what it is given and does not read.

    A layer's loop gives all that the way back may need, and the way back gives the cotangent of all that it was given.
    """

    name = "trim-loops"

    def run(self, graph: Graph) -> Graph:
        while any(isinstance(node.op, Scan) and _trimmed(node, node.op, graph) != node.op.body for node in graph.nodes):
            graph = rebuild(graph, partial(_trim, graph), graph.setup)
        return graph


def _trimmed(node: Node, scan: Scan, graph: Graph) -> Graph:
    """The body with the outputs and inputs that are needed; the body itself if all are."""
    body = scan.body
    read = {value for value in node.values if value in graph.uses or value in graph.results}
    pairs = list(zip(body.outputs, node.values, strict=True))
    outputs = tuple(pair for pair, value in pairs if value in read or pair[0] in scan.states)
    made = Graph(body.name, body.inputs, outputs)
    alive = {key_of(value) for value in made.inputs_of("state") if value in made.uses}
    told = {pair[0] for pair, value in pairs if value in read}
    idle = scan.states.keys() - alive - told
    outputs = tuple(pair for pair in outputs if pair[0] not in idle)
    used = Graph(body.name, body.inputs, outputs).uses
    inputs = tuple(v for v in body.inputs if v in used or key_of(v) in scan.states.keys() - idle)
    if (inputs, outputs) == (body.inputs, body.outputs) or not any(role_of(v) == "state" for v in inputs):
        return body
    return Graph(body.name, inputs, outputs)


def _trim(graph: Graph, node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
    scan = node.op
    if not isinstance(scan, Scan) or (body := _trimmed(node, scan, graph)) == scan.body:
        return g.again(node, inputs).values
    given = dict(zip(map(key_of, scan.body.inputs), inputs, strict=True))
    new = g.node(scan.with_bodies([body]), *(given[key_of(value)] for value in body.inputs))
    made = {key: value for (key, _), value in zip(body.outputs, new.values, strict=True)}
    return [made.get(key, new.value()) for key, _ in scan.body.outputs]


class HoistInvariants:
    """Compute once, before a loop, what is the same in all its steps: the transpose of a weight, zeros."""

    name = "hoist-invariants"

    def run(self, graph: Graph) -> Graph:
        return rebuild(graph, _hoist, graph.setup) if any(node.op.bodies() for node in graph.nodes) else graph


def _hoist(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
    scan = node.op
    if not isinstance(scan, Scan):
        return g.again(node, inputs).values
    given = dict(zip(map(key_of, scan.body.inputs), inputs, strict=True))
    outside = {value: given[key_of(value)] for value in scan.body.inputs if role_of(value) == "constant"}
    inner = GraphBuilder()
    new: dict[Value, Value] = {}
    for each in scan.body.nodes:
        if isinstance(each.op, Input):
            new[each.value()] = inner.again(each, ()).value()
        elif each.inputs and all(value in outside for value in each.inputs):
            with g.at(each.origin):
                moved = g.node(each.op, *(outside[value] for value in each.inputs))
            outside.update(zip(each.values, moved.values, strict=True))
        else:
            for value in each.inputs:
                if value not in new:
                    key = f"same.{len(new)}"
                    new[value] = inner.input(key, value.type, "constant")
                    given[key] = outside[value]
            inner.origin = each.origin
            new.update(zip(each.values, inner.again(each, [new[v] for v in each.inputs]).values, strict=True))
    body = inner.graph(scan.body.name, [(key, new[value]) for key, value in scan.body.outputs])
    read = tuple(v for v in body.inputs if v in body.uses or role_of(v) != "constant")
    body = Graph(body.name, read, body.outputs)
    return g.node(scan.with_bodies([body]), *(given[key_of(value)] for value in read)).values


class OwnSteps:
    """Copy in each step what a loop gives that is one of its inputs or given twice: each has memory of its own."""

    name = "own-steps"

    def run(self, graph: Graph) -> Graph:
        g = GraphBuilder()
        for value in graph.inputs:
            g.again(value.node, ())
        outputs: dict[str, Value] = {}
        for key, value in graph.outputs:
            taken = isinstance(value.node.op, Input) or value in outputs.values()
            outputs[key] = value
            while taken and outputs[key] in [v for k, v in outputs.items() if k != key] + list(graph.inputs):
                outputs[key] = g.add(_COPY, outputs[key])
        return Graph(graph.name, graph.inputs, tuple(outputs.items()))
