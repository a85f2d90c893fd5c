"""Dropout."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import Probability
from netspec.catalog.formulas import lower, with_numbers
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.random import Random


class Dropout(Layer):
    r"""In training $y = x / (1 - r)$, or 0 with the probability $r$, the rate; elsewhere $y = x$.

    The values are scaled in training, so that their mean is that of prediction. What is dropped is a function of seed,
    path, step and place: not of threads, and the same after a resume.

    Shapes: ``[...] -> [...]``, any.

    Example:
        inputs: {x: [64]}
        layers: [{dense: {units: 32, activation: relu}}, {dropout: 0.5}, {dense: 10}]

    Reference: Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting.
    """

    kind: ClassVar[str] = "dropout"
    rate: Probability = Field(description="The share of values dropped.", json_schema_extra={"main": True})

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        if not (g.training and self.rate):
            return x
        keep = 1 - self.rate
        # Chosen, never multiplied by a mask: 0 * inf would put NaN where a value is dropped.
        formula = parse("where(u < keep, x * scale, 0)", ("x", "u", "keep", "scale"))
        u = g.add(Random("uniform", x.type.shape), *g.counter())
        return lower(g, with_numbers(formula, {"keep": keep, "scale": 1 / keep}), {"x": x, "u": u})
