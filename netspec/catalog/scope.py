"""What a layer builds into: the graph, the path of the layer, and the phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from netspec.compiler.graph import GraphBuilder, Op, Value
from netspec.tensortype import Dim, DType, TensorType

if TYPE_CHECKING:
    from netspec.catalog.head import Head
    from netspec.catalog.initializers.initializer import Initializer

SCALAR = TensorType("float32", ())


@dataclass(frozen=True)
class Incoming:
    """Which numbers of a weight lead into one unit: those along ``axes`` of the weight seen in ``shape``.

    ``places`` spreads the last axis of the weight first, as the op `take` does: tables of connections have gaps.
    """

    shape: tuple[Dim, ...]
    axes: tuple[int, ...]
    places: tuple[int, ...] = ()


class ParameterSource(Protocol):
    """Who makes weights: the lowering of a spec, which knows what is shared, frozen and given, and the inputs."""

    def parameter(
        self,
        path: str,
        name: str,
        shape: tuple[Dim, ...],
        init: Initializer,
        fans: tuple[Dim, Dim],
        incoming: Incoming | None,
    ) -> Value:
        """The weight ``name`` of the layer at ``path``."""
        ...

    def statistic(self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer) -> Value:
        """The running statistic ``name`` of the layer at ``path``."""
        ...

    def is_frozen(self, path: str, name: str) -> bool:
        """Whether the spec freezes the weight, or the statistic, where its owner stands."""
        ...

    def follow(self, path: str, name: str, found: Value, rate: float) -> None:
        """Let a running statistic move towards what a batch shows."""
        ...

    def steps(self, g: GraphBuilder, rows: Dim) -> Value:
        """How many steps of the last length are real, for each row of what stands before it."""
        ...

    def real(self, g: GraphBuilder, rows: Dim) -> Value | None:
        """1 at the real places of an axis that merges batch and lengths, else 0; None if all are real."""
        ...

    def resumed(self, g: GraphBuilder, path: str, state: str, start: Value, *, asked: bool) -> Value:
        """A state of the layer at ``path`` before the first step of this graph."""
        ...

    def leave(self, path: str, state: str, value: Value) -> None:
        """What `resumed` gives next time."""
        ...

    def size_of(self, value: Value) -> Dim | None:
        """How many values whole numbers can take that are an input; None where that is not said."""
        ...

    def head_of(self, value: Value) -> Head | None:
        """What the layer whose value this is has set as its head; None if it has none."""
        ...


@dataclass(frozen=True)
class Units:
    """A layer of units that learn by themselves, as a learning rule sees them."""

    x: Value
    """``float32[B, in]``, what they read."""
    net: Value
    """``float32[B, units]``, the weighted sums with their bias."""
    output: Value
    """``float32[B, units]``, what they answer."""


class Scope:
    """The graph as the layer at ``path`` sees it; ``training`` is False for the predictor and for evaluation."""

    def __init__(self, graph: GraphBuilder, path: str, source: ParameterSource, *, training: bool) -> None:
        self.graph, self.path, self.training, self._source = graph, path, training, source
        self.units: Units | None = None
        """Set by a layer whose units a learning rule can train."""
        self.net: Value | None = None
        """Set by a layer of units: their net input, what the activation is applied to."""
        self.spread: Dim | None = None
        """Set by a layer that takes variances over a batch: over how many numbers each of them is."""
        self.head: Head | None = None
        """Set by a layer whose weights are part of a loss: what that loss reads."""

    def inside(self, graph: GraphBuilder) -> Scope:
        """The same layer where it builds into another graph, such as the body of a loop."""
        return Scope(graph, self.path, self._source, training=self.training)

    def add(self, op: Op, *inputs: Value) -> Value:
        """The result of ``op``, as a node of this layer."""
        return self.graph.add(op, *inputs)

    def parameter(
        self,
        name: str,
        shape: tuple[Dim, ...],
        init: Initializer,
        fans: tuple[Dim, Dim] = (1, 1),
        incoming: Incoming | None = None,
    ) -> Value:
        """The weight ``name``: ``float32`` of ``shape``.

        Args:
            name: The last part of its path, such as ``kernel``.
            shape: Its sizes.
            init: What it starts with, unless the spec says otherwise.
            fans: ``(fan_in, fan_out)``, the connections into and out of one unit.
            incoming: What leads into one unit; without it all but the last axis, as of a matrix or a convolution.
        """
        return self._source.parameter(self.path, name, shape, init, fans, incoming)

    def statistic(self, name: str, shape: tuple[Dim, ...], init: Initializer) -> Value:
        """The running statistic ``name``: ``float32`` of ``shape``, as it is before the step.

        It is kept, given, shared and frozen like a weight; no gradient changes it, but `follow`.
        """
        return self._source.statistic(self.path, name, shape, init)

    def is_frozen(self, name: str) -> bool:
        """Whether the spec freezes a weight or statistic of this layer, or of the one that it shares it with."""
        return self._source.is_frozen(self.path, name)

    def follow(self, name: str, found: Value, rate: float) -> None:
        """Let the running statistic ``name`` move in each step of training by ``rate`` of the way to ``found``."""
        self._source.follow(self.path, name, found, rate)

    def steps(self, x: Value) -> Value:
        """How many steps of the last length of ``x`` are real: ``float32[R]`` for ``x`` ``[T*R, ...]``."""
        return self._source.steps(self.graph, x.type.shape[0])

    def real(self, x: Value) -> Value | None:
        """1 at the real places of ``x``, ``float32[rows]``, 0 behind the end of a sample; None if it has no length.

        Whatever takes places together chooses by it, and never multiplies: 0 times a NaN is a NaN.
        """
        return self._source.real(self.graph, x.type.shape[0])

    def resumed(self, state: str, start: Value, *, asked: bool) -> Value:
        """``start``, or what the run of this graph before has left of ``state``, ``float32[B, width]``, where it did.

        Args:
            state: Its name.
            start: What it is before the first step of a sequence.
            asked: Whether the spec asks for it; else only graphs that make sequences step by step go on so.
        """
        return self._source.resumed(self.graph, self.path, state, start, asked=asked)

    def leave(self, state: str, value: Value) -> None:
        """Keep what ``state``, which was `resumed`, is after the last step; no gradient flows back from there."""
        self._source.leave(self.path, state, value)

    def size_of(self, x: Value) -> Dim | None:
        """How many values ``x`` can take, whole numbers that are an input of the network; None where nobody says."""
        return self._source.size_of(x)

    def head_of(self, x: Value) -> Head | None:
        """What the layer whose value is ``x`` has set as its head; None if it has none."""
        return self._source.head_of(x)

    def constant(self, name: str, shape: tuple[Dim, ...], dtype: DType = "float32") -> Value:
        """What `Layer.constants` makes of the data by that name: ``dtype`` of ``shape``."""
        return self.graph.input(f"{self.path}.{name}", TensorType(dtype, shape), "constant")

    def counter(self, draw: str = "") -> tuple[Value, Value, Value]:
        """What random numbers of this layer are drawn by: the stream's two halves and the step.

        The host computes the halves by `netspec.catalog.streams.stream` of the seed and the key without its last part,
        so that neither threads, nor layouts, nor a resumed run change a draw.

        Args:
            draw: Tells several draws of one layer apart.
        """
        place = f"{self.path}/{draw}" if draw else self.path
        hi = self.graph.input(f"{place}/stream_hi", SCALAR, "constant")
        lo = self.graph.input(f"{place}/stream_lo", SCALAR, "constant")
        return hi, lo, self.graph.input("step", SCALAR, "step")
