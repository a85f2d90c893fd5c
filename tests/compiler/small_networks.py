"""Whole training steps of small dense networks, as a spec's lowering builds them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from netspec.compiler.autodiff import gradients
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph import Graph, GraphBuilder, Origin, Value, key_of
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply, apply_all, lower_formula
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.tensortype import BATCH, TensorType, size

MOMENTUM = "v = 0.9 * m - lr * d; p + v, v"


def mlp_step(widths: Sequence[int]) -> Graph:
    """One step of a classifier of 8-bit pixels: relu, cross-entropy, gradient descent with momentum."""
    g = GraphBuilder()
    pixels = g.input("pixels", TensorType("uint8", (size("N"), widths[0])), "stored")
    labels = g.input("labels", TensorType("int64", (size("N"),)), "stored")
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    rate = g.input("lr", TensorType("float32", ()), "step")
    with g.at(Origin("input", 3)):
        x = apply(g, "a / 255", a=g.add(Gather(), pixels, index))
        target = g.add(Reshape((BATCH, 1)), g.add(Gather(), labels, index))
    parameters: list[Value] = []
    for i, (inputs, units) in enumerate(pairwise(widths), 1):
        with g.at(Origin(f"dense_{i}", 4 + i)):
            kernel = g.input(f"dense_{i}.kernel", TensorType("float32", (inputs, units)), "parameter")
            bias = g.input(f"dense_{i}.bias", TensorType("float32", (units,)), "parameter")
            parameters += [kernel, bias]
            x = apply(g, "a + b", a=g.add(Contract(), x, kernel), b=bias)
            x = apply(g, "max(a, 0)", a=x) if i < len(widths) - 1 else x
    with g.at(Origin("cross_entropy", 20)):
        loss = cross_entropy(g, x, target)
    outputs = {"loss": loss}
    for parameter, derivative in zip(parameters, gradients(g, loss, parameters), strict=True):
        assert derivative is not None
        key = key_of(parameter)
        with g.at(Origin("sgd", 30)):
            velocity = g.input(f"{key}.velocity", parameter.type, "state")
            new = apply_all(g, MOMENTUM, p=parameter, m=velocity, d=derivative, lr=rate)
        outputs |= {key: new[0], f"{key}.velocity": new[1]}
    return g.graph("step", outputs)


def cross_entropy(g: GraphBuilder, logits: Value, labels: Value) -> Value:
    """The mean over the batch of log sum exp minus the label's logit; ``labels`` is ``int64[B, 1]``."""
    shift = g.add(StopGradient(), g.add(Reduce("max", (1,), keepdims=True), logits))
    formula = parse("m + log(sum(exp(x - m))) - sum(where(column() == t, x, 0))", ("x", "m", "t"))
    (each,) = lower_formula(g, formula, {"x": logits, "m": shift, "t": labels})
    return apply(g, "a / n", a=g.add(Reduce("sum", (0, 1)), each), n=g.add(Extent(BATCH)))
