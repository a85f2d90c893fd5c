"""Values, nodes and graphs: small, immutable, identified by the object itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from netspec.compiler.graph.op import Op, UnsupportedError
from netspec.tensortype import Dim, TensorType

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real

Role: TypeAlias = Literal["stored", "index", "parameter", "state", "derived", "step", "constant", "slice"]


@dataclass(frozen=True)
class Origin:
    """Where in the spec a node comes from: the path of its layer, loss or optimizer, and its line (0: nowhere)."""

    path: str
    line: int = 0


@dataclass(frozen=True, eq=False)
class Node:
    """One application of an op; equal only to itself."""

    op: Op
    inputs: tuple[Value, ...]
    types: tuple[TensorType, ...]
    origin: Origin | None = None

    def value(self, index: int = 0) -> Value:
        """One result; one that the node does not have is what `verify` finds."""
        return self.values[index] if 0 <= index < len(self.types) else Value(self, index)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """All results; a network of 50 layers asks for them some 100,000 times while it is compiled."""
        return tuple(Value(self, i) for i in range(len(self.types)))

    def __repr__(self) -> str:
        return f"<{self.op.name} {', '.join(map(str, self.types))}>"


@dataclass(frozen=True, eq=False)
class Value:
    """One result of a node, which makes each once: `Node.values`."""

    node: Node
    index: int = 0

    @property
    def type(self) -> TensorType:
        return self.node.types[self.index]

    def __repr__(self) -> str:
        return f"<{self.node.op.name}.{self.index} {self.type}>"


@dataclass(frozen=True)
class Input(Op):
    """What a graph is given.

    Roles: ``stored`` arrays of the data and the ``index`` of the batch's rows into them; ``parameter``; ``state`` that
    lives from step to step (moments, running statistics); ``derived`` from parameters alone (a transposed weight);
    ``step``, a scalar that the host computes for every step; ``constant`` of the run. In the body of a loop ``state``
    goes from round to round, ``slice`` is one round's rows of an array, and ``constant`` the same in all of them.
    """

    name: ClassVar[str] = "input"
    key: str
    type: TensorType
    role: Role

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        return (self.type,)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        raise UnsupportedError(f"no array was given for the input `{self.key}`")


@dataclass(frozen=True)
class Graph:
    """Outputs by name, and what they are computed from.

    An output that carries the key of a parameter, state or derived input is that input's value after the step.
    ``setup`` computes the ``derived`` inputs from the parameters before the first step.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[tuple[str, Value], ...]
    setup: Graph | None = field(default=None)

    def __repr__(self) -> str:
        from netspec.compiler.graph.printer import show  # which prints nodes and so stands above them

        return show(self)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes that outputs need, inputs first, each after what it reads; the order is a function of the graph."""
        order: dict[Node, None] = {value.node: None for value in self.inputs}
        for _, value in self.outputs:
            stack: list[tuple[Node, int]] = [(value.node, 0)]
            while stack:
                node, position = stack.pop()
                if node in order:
                    continue
                waiting = next((v.node for v in node.inputs[position:] if v.node not in order), None)
                if waiting is None:
                    order[node] = None
                else:
                    stack += [(node, position), (waiting, 0)]
        return tuple(order)

    @cached_property
    def uses(self) -> dict[Value, tuple[Node, ...]]:
        """The nodes that read each value, in order, once each."""
        found: dict[Value, dict[Node, None]] = {}
        for node in self.nodes:
            for value in node.inputs:
                found.setdefault(value, {})[node] = None
        return {value: tuple(nodes) for value, nodes in found.items()}

    @cached_property
    def results(self) -> frozenset[Value]:
        """The values that are outputs."""
        return frozenset(value for _, value in self.outputs)

    @cached_property
    def by_key(self) -> dict[str, Value]:
        """The inputs by their key."""
        return {key_of(value): value for value in self.inputs}

    def bind(self, sizes: Mapping[str, Dim]) -> Graph:
        """The graph with symbols in its types and ops replaced."""
        new: dict[Value, Value] = {}
        for node in self.nodes:
            types = tuple(type_.bind(sizes) for type_ in node.types)
            made = Node(node.op.bind(sizes), tuple(new[value] for value in node.inputs), types, node.origin)
            new.update(zip(node.values, made.values, strict=True))
        outputs = tuple((key, new[value]) for key, value in self.outputs)
        return Graph(self.name, tuple(new[value] for value in self.inputs), outputs, self.setup)

    def inputs_of(self, *roles: Role) -> tuple[Value, ...]:
        return tuple(value for value in self.inputs if role_of(value) in roles)


def key_of(value: Value) -> str:
    """The key of an input."""
    assert isinstance(value.node.op, Input)
    return value.node.op.key


def role_of(value: Value) -> Role | None:
    """The role of an input; None for any other value."""
    return value.node.op.role if isinstance(value.node.op, Input) else None


def shapes_of(value: Value) -> list[Value]:
    """A value and those that it is another shape of, down to the one that is computed."""
    found = [value]
    while found[-1].node.op.name == "reshape":
        found.append(found[-1].node.inputs[0])
    return found
