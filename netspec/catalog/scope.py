"""What a layer builds into: the graph, the path of the layer, and the phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from netspec.compiler.graph import GraphBuilder, Op, Value
from netspec.tensortype import Dim, TensorType

if TYPE_CHECKING:
    from netspec.catalog.initializers.initializer import Initializer

SCALAR = TensorType("float32", ())


class ParameterSource(Protocol):
    """Who makes weights: the lowering of a spec, which knows what is shared, frozen and given."""

    def parameter(
        self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim]
    ) -> Value:
        """The weight ``name`` of the layer at ``path``."""
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

    def add(self, op: Op, *inputs: Value) -> Value:
        """The result of ``op``, as a node of this layer."""
        return self.graph.add(op, *inputs)

    def parameter(self, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim] = (1, 1)) -> Value:
        """The weight ``name``: ``float32`` of ``shape``.

        Args:
            name: The last part of its path, such as ``kernel``.
            shape: Its sizes.
            init: What it starts with, unless the spec says otherwise.
            fans: ``(fan_in, fan_out)``, the connections into and out of one unit.
        """
        return self._source.parameter(self.path, name, shape, init, fans)

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
