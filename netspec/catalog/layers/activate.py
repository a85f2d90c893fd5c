"""An activation as a layer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations.activation import Activation
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value


class Activate(Layer):
    """An activation by itself; every activation's name is a layer too: ``- relu`` is ``- activation: relu``.

    Shapes: ``[...] -> [...]``, any.

    Example:
        inputs: {x: [4]}
        layers: [{dense: 8}, {activation: relu}, {dense: 8}, {leaky_relu: 0.1}]
    """

    kind: ClassVar[str] = "activation"
    function: Activation = Field(description="The activation.", json_schema_extra={"main": True})

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        g.net = x
        return self.function.apply(g, x)
