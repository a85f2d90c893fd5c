"""Programs that networks have and that a compiler gets wrong: shared weights, in-place updates, narrow products."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from random_programs import PARAMETERS, TABLES
from test_random_programs import check

from netspec.compiler.autodiff import gradients
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import BATCH, TensorType

SCALAR = TensorType("float32", ())
Given = Mapping[str, Value]
Case = Callable[[GraphBuilder, Given], dict[str, Value]]
CASES: list[Case] = []


def case(build: Case) -> Case:
    CASES.append(build)
    return build


def total(g: GraphBuilder, x: Value) -> Value:
    return g.add(Reduce("sum", tuple(range(x.type.rank))), x)


def squares(g: GraphBuilder, x: Value) -> Value:
    return total(g, apply(g, "x * x", x=x))


def descend(g: GraphBuilder, loss: Value, weights: Mapping[str, Value]) -> dict[str, Value]:
    """The loss, and a step down its gradient by each weight."""
    outputs = {"loss": loss}
    for (key, weight), ct in zip(weights.items(), gradients(g, loss, list(weights.values())), strict=True):
        assert ct is not None
        outputs[key] = apply(g, "p - 0.001 * d", p=weight, d=ct)
    return outputs


def draws(g: GraphBuilder, kind: str, *shape: object) -> Value:
    return g.add(Random(kind, shape), *(g.input(key, SCALAR, "step") for key in ("hi", "lo", "step")))  # type: ignore[arg-type]


@case
def tied_autoencoder(g: GraphBuilder, x: Given) -> dict[str, Value]:
    code = apply(g, "tanh(a)", a=g.add(Contract(), x["reals"], x["u"]))
    again = g.add(Contract(transpose_b=True), code, x["u"])
    return descend(g, squares(g, apply(g, "a - b", a=again, b=x["reals"])), {"u": x["u"]})


@case
def parameter_on_the_left(g: GraphBuilder, x: Given) -> dict[str, Value]:
    made = g.add(Contract(False, True), x["u"], x["pixels"])
    return {"made": made} | descend(g, squares(g, made), {"u": x["u"]})


@case
def parameter_on_both_sides(g: GraphBuilder, x: Given) -> dict[str, Value]:
    made = g.add(Contract(), x["square"], g.add(Contract(), x["square"], x["square"]))
    return {"made": made} | descend(g, squares(g, made), {"square": x["square"]})


@case
def frozen_weight(g: GraphBuilder, x: Given) -> dict[str, Value]:
    hidden = apply(g, "max(a, 0)", a=g.add(Contract(), x["reals"], x["u"]))
    return descend(g, squares(g, g.add(Contract(), hidden, x["w"])), {"w": x["w"]})


@case
def update_that_is_read(g: GraphBuilder, x: Given) -> dict[str, Value]:
    new = apply(g, "a - 0.1 * d", a=x["w"], d=g.add(Contract(True), x["pixels"], x["reals"]))
    mean = apply(g, "0.9 * e + 0.1 * t", e=x["u"], t=g.add(Transpose((1, 0)), new))
    return {"w": new, "u": mean, "shown": new}


@case
def parameters_that_change_places(g: GraphBuilder, x: Given) -> dict[str, Value]:
    return {"thin": g.add(Reshape((5, 1)), x["flat"]), "flat": g.add(Reshape((1, 5)), x["thin"])}


@case
def rows_limited_in_norm(g: GraphBuilder, x: Given) -> dict[str, Value]:
    change = g.add(Contract(True), x["pixels"], x["reals"])
    new = apply(g, "0.9 * w + 0.1 * d", w=x["w"], d=change)
    norm = g.add(Reduce("sum", (1,), True), apply(g, "m * m", m=new))
    return {"w": apply(g, "m * min(1, 1 / sqrt(n))", m=new, n=norm)}


@case
def columns_limited_in_norm(g: GraphBuilder, x: Given) -> dict[str, Value]:
    change = g.add(Contract(True), x["pixels"], x["reals"])
    new = apply(g, "0.9 * w + 0.1 * d", w=x["w"], d=change)
    norm = g.add(Reduce("sum", (0,), True), apply(g, "m * m", m=new))
    return {"w": apply(g, "m * min(1, 1 / sqrt(n))", m=new, n=norm)}


@case
def gradients_clipped_by_their_norm(g: GraphBuilder, x: Given) -> dict[str, Value]:
    d = g.add(Contract(True), x["pixels"], x["reals"])
    b = g.add(Reduce("sum", (0,)), x["reals"])
    norm = apply(g, "a + b", a=squares(g, d), b=squares(g, b))
    parts = {"w": d, "wide": b}
    return {key: apply(g, "p - d / sqrt(1 + n)", p=x[key], d=ct, n=norm) for key, ct in parts.items()} | {"norm": norm}


@case
def batch_normalisation(g: GraphBuilder, x: Given) -> dict[str, Value]:
    n, given = g.add(Extent(BATCH)), x["reals"]
    mean = apply(g, "s / n", s=g.add(Reduce("sum", (0,)), given), n=n)
    centred = apply(g, "x - m", x=given, m=mean)
    variance = apply(g, "s / n", s=g.add(Reduce("sum", (0,)), apply(g, "c * c", c=centred)), n=n)
    made = apply(g, "c / sqrt(v + 0.1) * g", c=centred, v=variance, g=x["wide"])
    return {"made": made, "mean": mean} | descend(g, squares(g, made), {"wide": x["wide"]})


@case
def attention(g: GraphBuilder, x: Given) -> dict[str, Value]:
    scores = g.add(Contract(False, True), x["pixels"], x["pixels"])
    top = g.add(Reduce("max", (1,), True), scores)
    powers = apply(g, "exp(s - m)", s=scores, m=top)
    sums = g.add(Reduce("sum", (1,), True), powers)
    return {"made": g.add(Contract(), apply(g, "e / z", e=powers, z=sums), x["reals"])}


@case
def dense_along_a_length_axis(g: GraphBuilder, x: Given) -> dict[str, Value]:
    flat = g.add(Reshape((3 * BATCH, 5)), x["cubes"])
    made = apply(g, "tanh(a + b)", a=g.add(Contract(), flat, x["w"]), b=x["wide"])
    deep = g.add(Reshape((BATCH, 3, 17)), made)
    return {"last": g.add(Slice(1, 2, 3), deep)} | descend(g, squares(g, deep), {"w": x["w"], "wide": x["wide"]})


@case
def narrow_products(g: GraphBuilder, x: Given) -> dict[str, Value]:
    one = g.add(Contract(), x["pixels"], x["thin"])  # N = 1
    outer = g.add(Contract(), one, x["flat"])  # K = 1
    number = g.add(Contract(True), one, x["number"])  # M = N = 1
    biased = apply(g, "tanh(a + b * c) + d", a=one, b=x["number"], c=x["scalar"], d=x["single"])
    wide = apply(g, "a * b + c", a=outer, b=x["number"], c=x["flat"])
    return {"one": biased, "outer": wide, "product": number, "scalar": g.add(Reshape(()), number)}


@case
def largest_over_a_middle_axis(g: GraphBuilder, x: Given) -> dict[str, Value]:
    top = g.add(Reduce("max", (1,)), apply(g, "a * b", a=x["cubes"], b=x["depth"]))
    return {"top": top} | descend(g, squares(g, top), {"depth": x["depth"]})


@case
def every_view_of_three_axes(g: GraphBuilder, x: Given) -> dict[str, Value]:
    made = apply(
        g, "a * b + c * d + e * f", a=x["cubes"], b=x["depth"], c=x["each"], d=x["bias"], e=x["rate"], f=x["single"]
    )
    by_sample = apply(g, "a + b", a=made, b=g.add(Reshape((BATCH, 1, 1)), x["number"]))
    loss = squares(g, by_sample)
    return {"made": by_sample} | descend(g, loss, {"depth": x["depth"], "each": x["each"], "bias": x["bias"]})


@case
def four_axes(g: GraphBuilder, x: Given) -> dict[str, Value]:
    wide = g.add(Broadcast((BATCH, 2, 3, 5)), x["cube"])
    sums = g.add(Reduce("sum", (2,), True), apply(g, "a * b", a=wide, b=x["each"]))
    outer = apply(g, "a * b", a=g.add(Reshape((BATCH, 3, 5, 1)), x["cubes"]), b=x["bias"])
    return {"a": apply(g, "a * b", a=wide, b=sums), "b": g.add(Transpose((0, 2, 1, 3)), outer)}


@case
def counts_and_one_hot(g: GraphBuilder, x: Given) -> dict[str, Value]:
    labels = g.add(Reshape((BATCH, 1)), x["labels"])
    hot = apply(g, "where(i == l, 1, 0)", l=labels, i=g.add(Iota((5,), 0)))
    return {
        "rows": g.add(Contract(), hot, x["w"]),
        "mid": apply(g, "a * i", a=x["cubes"], i=g.add(Iota((BATCH, 3, 5), 1))),
    }


@case
def draws_of_every_width(g: GraphBuilder, x: Given) -> dict[str, Value]:
    column, row = draws(g, "uniform", BATCH, 1), draws(g, "normal", BATCH)
    dropped = apply(g, "where(r < 0.5, 0, x)", r=column, x=x["reals"])
    return {
        "dropped": dropped,
        "narrow": apply(g, "where(r < 0.5, 0, x)", r=column, x=x["number"]),
        "samples": row,
        "one": draws(g, "normal"),
        "noisy": apply(g, "x + r", x=x["pixels"], r=draws(g, "normal", BATCH, 5)),
        **descend(g, squares(g, g.add(Contract(), dropped, x["u"])), {"u": x["u"]}),
    }


@case
def pieces_of_odd_widths(g: GraphBuilder, x: Given) -> dict[str, Value]:
    joined = g.add(Concat(1), x["reals"], x["pixels"], x["number"])
    inner = g.add(Concat(1), x["cubes"], g.add(Slice(1, 1, 2), x["cubes"]))
    return {
        "joined": joined,
        "part": g.add(Slice(1, 3, 20), joined),
        "inner": inner,
        "last": g.add(Concat(2), x["cubes"], g.add(Pad(2, 1, 17), x["cubes"])),
        "below": g.add(Concat(0), x["pixels"], g.add(Pad(0, 1, 2), x["pixels"])),
        "turned": g.add(Transpose((2, 1, 0)), inner),
    }


@case
def sums_over_the_middle_on_the_right(g: GraphBuilder, x: Given) -> dict[str, Value]:
    right = g.add(Reduce("sum", (1,)), apply(g, "a * r", a=x["cube"], r=x["rate"]))
    return {"y": g.add(Contract(), g.add(Slice(1, 0, 2), x["reals"]), right)}


@case
def outputs_that_are_inputs(g: GraphBuilder, x: Given) -> dict[str, Value]:
    new = apply(g, "a * 0.5", a=x["scalar"])
    return {"rate": x["rate"], "w": x["w"], "scalar": new, "again": new, "old": x["scalar"], "data": x["number"]}


@pytest.mark.parametrize("build", CASES, ids=lambda build: build.__name__)
def test_a_program(build: Case) -> None:
    g = GraphBuilder()
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    given: dict[str, Value] = {}
    for key, type_ in TABLES.items():
        rows = g.add(Gather(), g.input(key, type_, "stored"), index)
        given[key] = rows if type_.dtype == "float32" else g.add(Cast("float32"), rows)
    for key, shape in PARAMETERS.items():
        given[key] = g.input(key, TensorType("float32", shape), "parameter")
    given["rate"] = g.input("rate", SCALAR, "step")
    outputs = {("shown rate" if key == "rate" else key): value for key, value in build(g, given).items()}
    check(g.graph(build.__name__, outputs))
