"""Graphs of single kinds, and their values by the interpreter in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netspec.catalog.initializers import Initializer
from netspec.catalog.scope import Scope
from netspec.compiler.autodiff.reverse import gradients
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.ops import Reduce
from netspec.tensortype import BATCH, Dim, DType, TensorType


@dataclass
class Weights:
    """A source of weights that makes each a parameter of the graph and remembers what was asked for."""

    graph: GraphBuilder
    asked: dict[str, tuple[tuple[Dim, ...], Initializer, tuple[Dim, Dim]]] = field(default_factory=dict)

    def parameter(
        self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim]
    ) -> Value:
        self.asked[name] = (shape, init, fans)
        return self.graph.input(f"{path}.{name}", TensorType("float32", shape), "parameter")


@dataclass
class Bench:
    """A scope at the path ``layer``, with its weights and inputs."""

    training: bool = True
    graph: GraphBuilder = field(default_factory=GraphBuilder)

    def __post_init__(self) -> None:
        self.weights = Weights(self.graph)
        self.scope = Scope(self.graph, "layer", self.weights, training=self.training)

    def input(self, name: str, *shape: Dim, dtype: DType = "float32", batch: bool = True) -> Value:
        """An input; a sample's shape, so the batch is put before it."""
        return self.graph.input(name, TensorType(dtype, (BATCH, *shape) if batch else shape), "stored")

    def values(self, outputs: Mapping[str, Value], arrays: Mapping[str, Any], **sizes: int) -> dict[str, Any]:
        given = {key: np.asarray(value) for key, value in arrays.items()}
        return interpret(self.graph.graph("test", outputs), given, np.float64, sizes)

    def value(self, output: Value, **arrays: Any) -> Any:
        """One value, by the interpreter."""
        return self.values({"y": output}, arrays)["y"]

    def gradient(self, output: Value, wrt: Sequence[Value], **arrays: Any) -> list[Any]:
        """The gradients of the sum of ``output``."""
        total = self.scope.add(Reduce("sum", tuple(range(output.type.rank))), output)
        found = gradients(self.graph, total, wrt)
        outputs = {f"d{i}": value for i, value in enumerate(found) if value is not None}
        values = self.values(outputs, arrays)
        return [values.get(f"d{i}") for i in range(len(found))]
