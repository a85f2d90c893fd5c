"""Local response normalisation."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import AboveZero, NotNegative, Positive
from netspec.catalog.formulas import with_numbers
from netspec.catalog.layers.axes import fixed
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.channel_window import ChannelWindow
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import product

_DIVIDED = parse("x * (k + alpha * s) ** -beta", ("x", "s", "k", "alpha", "beta"))


class Lrn(Layer):
    r"""$y_c = x_c \left(k + \alpha \sum_j x_j^2\right)^{-\beta}$ over $n$ neighbouring channels $j$ at the same place.

    They are $c - \lfloor n / 2 \rfloor$ to $c + \lfloor (n - 1) / 2 \rfloor$, as far as there are such. $\alpha$
    multiplies the sum, as in the paper. PyTorch's multiplies the mean: its ``alpha`` of 1e-4 with 5 channels is 2e-5
    here.

    Shapes: ``[...] -> [...]``, any; the last axis are the channels.

    Example:
        inputs: {image: [12, 12, 3]}
        layers: [{conv2d: {filters: 16, kernel: 5, activation: relu}}, lrn, flatten, {dense: 10}]

    Reference: Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks.
    """

    kind: ClassVar[str] = "lrn"
    size: Positive = Field(default=5, description="Channels that are summed over, n.")
    alpha: NotNegative = Field(default=1e-4, description="Factor of the sum of squares.")
    beta: NotNegative = Field(default=0.75, description="The power that is divided by.")
    k: AboveZero = Field(default=2.0, description="Added to the sum.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        *places, channels = fixed(self.kind, x)
        flat = x.type.shape[0], product(places), channels
        # What convolutions leave is taken as it is, with samples in the lanes.
        seen = x if places else g.add(Reshape(flat), x)
        window = ChannelWindow(self.size // 2, (self.size - 1) // 2)
        squares = g.add(window, apply(g, "x * x", x=seen))
        numbers = {"k": self.k, "alpha": self.alpha, "beta": self.beta}
        y = g.add(Map(with_numbers(_DIVIDED, numbers)), seen, squares)
        return g.add(Reshape(x.type.shape), y)
