"""Graphs of single kinds, and their values by the interpreter in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netspec.catalog.head import Head
from netspec.catalog.initializers import Initializer
from netspec.catalog.layers import Layer
from netspec.catalog.scope import Incoming, Scope
from netspec.compiler.autodiff.reverse import gradients
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import Dim, DType, TensorType, merged


@dataclass
class Weights:
    """A source of weights that makes each a parameter of the graph and remembers what was asked for."""

    graph: GraphBuilder
    asked: dict[str, tuple[tuple[Dim, ...], Initializer, tuple[Dim, Dim]]] = field(default_factory=dict)
    followed: dict[str, tuple[Value, float]] = field(default_factory=dict)
    frozen: bool = False
    extents: dict[Value, Dim] = field(default_factory=dict)

    def parameter(
        self,
        path: str,
        name: str,
        shape: tuple[Dim, ...],
        init: Initializer,
        fans: tuple[Dim, Dim],
        incoming: Incoming | None,
    ) -> Value:
        self.asked[name] = (shape, init, fans)
        return self.graph.input(f"{path}.{name}", TensorType("float32", shape), "parameter")

    def statistic(self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer) -> Value:
        return self.parameter(path, name, shape, init, (1, 1), None)

    def is_frozen(self, path: str, name: str) -> bool:
        return self.frozen

    def follow(self, path: str, name: str, found: Value, rate: float) -> None:
        self.followed[name] = found, rate

    def steps(self, g: GraphBuilder, rows: Dim) -> Value:
        raise NotImplementedError("no sample here has an end")

    def real(self, g: GraphBuilder, rows: Dim) -> Value | None:
        return None

    def resumed(self, g: GraphBuilder, path: str, state: str, start: Value, *, asked: bool) -> Value:
        return start

    def leave(self, path: str, state: str, value: Value) -> None:
        return

    def size_of(self, index: Value) -> Dim | None:
        return self.extents.get(index)

    def head_of(self, value: Value) -> Head | None:
        return None


@dataclass
class Bench:
    """A scope at the path ``layer``, with its weights and inputs."""

    training: bool = True
    graph: GraphBuilder = field(default_factory=GraphBuilder)

    def __post_init__(self) -> None:
        self.weights = Weights(self.graph)
        self.scope = Scope(self.graph, "layer", self.weights, training=self.training)

    def input(self, name: str, *shape: Dim, dtype: DType = "float32", batch: bool = True) -> Value:
        """An input; a sample's shape, so the batch is put before it, and lengths are one axis with it."""
        return self.graph.input(name, TensorType(dtype, merged(shape) if batch else shape), "stored")

    def values(self, outputs: Mapping[str, Value], arrays: Mapping[str, Any], **sizes: int) -> dict[str, Any]:
        given = {key: np.asarray(value) for key, value in arrays.items()}
        return interpret(self.graph.graph("test", outputs), given, np.float64, sizes)

    def value(self, output: Value, **arrays: Any) -> Any:
        """One value, by the interpreter."""
        return self.values({"y": output}, arrays)["y"]

    def along(self, output: Value, x: Any, name: str = "x", **arrays: Any) -> Any:
        """One value ``[B, T, ...]`` of an input ``[B, T, ...]`` with a length, by the interpreter."""
        batch, steps = x.shape[:2]
        by_time = x.swapaxes(0, 1).reshape(steps * batch, *x.shape[2:])
        made = self.values({"y": output}, {name: by_time, **arrays}, B=batch, T=steps)["y"]
        return made.reshape(steps, batch, *made.shape[1:]).swapaxes(0, 1)

    def gradient(self, output: Value, wrt: Sequence[Value], **arrays: Any) -> list[Any]:
        """The gradients of the sum of ``output``."""
        total = self.scope.add(Reduce("sum", tuple(range(output.type.rank))), output)
        found = gradients(self.graph, total, wrt)
        outputs = {f"d{i}": value for i, value in enumerate(found) if value is not None}
        values = self.values(outputs, arrays)
        return [values.get(f"d{i}") for i in range(len(found))]


def layer_on(kind: str, *shape: Dim, training: bool = True, **fields: Any) -> tuple[Bench, Value, Value]:
    """A layer on the input ``x`` of a sample's shape: the bench, the input, what the layer makes."""
    bench = Bench(training)
    x = bench.input("x", *shape)
    layer = Layer.kinds[kind](**fields)
    assert isinstance(layer, Layer)
    made = layer.build(bench.scope, x)
    assert isinstance(made, Value)
    return bench, x, made
