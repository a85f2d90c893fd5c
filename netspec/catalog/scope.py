"""What a layer builds into: the graph, the path of the layer, and the phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from netspec.compiler.graph import GraphBuilder, Op, Value
from netspec.tensortype import Dim, TensorType

if TYPE_CHECKING:
    from netspec.catalog.initializers.initializer import Initializer

SCALAR = TensorType("float32", ())


@dataclass(frozen=True)
class Incoming:
    """Which numbers of a weight lead into one unit: those along ``axes`` of the weight seen in ``shape``.

    ``places`` spreads the last axis of the weight first, as the op `take` does: tables of connections have gaps.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    places: tuple[int, ...] = ()


class ParameterSource(Protocol):
    """Who makes weights: the lowering of a spec, which knows what is shared, frozen and given."""

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
