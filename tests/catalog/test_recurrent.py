"""Recurrent layers: against PyTorch, in both directions, and cells that a spec defines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.layers import Layer
from netspec.compiler.graph import Graph, Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.scan import Scan
from netspec.tensortype import BATCH, ShapeError, TensorType, size

Array = np.ndarray[Any, np.dtype[Any]]
T, B, IN, UNITS = 4, 3, 5, 6
SIZES = {"T": T, "B": B}
ROWS = size("T") * BATCH


def built(kind: str, **fields: Any) -> tuple[Bench, Value, dict[str, Value]]:
    """A layer of 6 units on ``[T, 5]``; an initial state is the input ``begin``."""
    bench = Bench()
    x = bench.graph.input("x", TensorType("float32", (ROWS, IN)), "stored")
    given = [bench.input("begin", fields.pop("begin"))] if "begin" in fields else []
    layer = Layer.kinds[kind](units=UNITS, **({"initial": "begin"} if given else {}), **fields)
    assert isinstance(layer, Layer)
    made = layer.build(bench.scope, x, *given)
    assert not isinstance(made, Value)
    return bench, x, dict(made)


def drawn(bench: Bench, **shapes: tuple[int, ...]) -> dict[str, Array]:
    """Weights of the layer and other arrays, not too large for a saturated gate."""
    rng = np.random.default_rng(0)
    asked = {f"layer.{name}": tuple(int(n) for n in found[0]) for name, found in bench.weights.asked.items()}  # type: ignore[arg-type]
    return {key: rng.normal(0, 0.5, shape) for key, shape in {**asked, **shapes}.items()}


def steps(array: Array) -> Array:
    """``[T*B, n]`` as ``[T, B, n]``."""
    return array.reshape(T, -1, array.shape[-1])


def torchs(kind: str, given: dict[str, Array], bidirectional: bool) -> Any:
    """PyTorch's layer with the same weights; its gates are ours in order, its bias is two."""
    torch = pytest.importorskip("torch")
    made = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](
        IN, UNITS, bidirectional=bidirectional
    ).double()
    with torch.no_grad():
        for side, suffix in (("", ""), ("backward_", "_reverse"))[: 1 + bidirectional]:
            getattr(made, f"weight_ih_l0{suffix}").copy_(torch.tensor(given[f"layer.{side}kernel"].T))
            getattr(made, f"weight_hh_l0{suffix}").copy_(torch.tensor(given[f"layer.{side}recurrent"].T))
            getattr(made, f"bias_ih_l0{suffix}").copy_(torch.tensor(given[f"layer.{side}bias"]))
            second = getattr(made, f"bias_hh_l0{suffix}")
            second.zero_()
            if kind == "gru":
                second[2 * UNITS :] = torch.tensor(given[f"layer.{side}recurrent_bias"])
    return made


@pytest.mark.parity
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_layers_are_pytorchs(kind: str, bidirectional: bool) -> None:
    torch = pytest.importorskip("torch")
    bench, x, made = built(kind, bidirectional=bidirectional)
    given = drawn(bench, x=(T * B, IN), w=(T * B, UNITS * (1 + bidirectional)))
    other = torchs(kind, given, bidirectional)
    read = torch.tensor(steps(given["x"]), requires_grad=True)
    expected, state = other(read)
    found = bench.values(made, given, **SIZES)
    np.testing.assert_allclose(steps(found[""]), expected.detach(), rtol=1e-9, atol=1e-9)
    parts = state if kind == "lstm" else (state,)
    beside = np.concatenate([part[i].detach() for i in range(1 + bidirectional) for part in parts], axis=1)
    np.testing.assert_allclose(found["state"], beside, rtol=1e-9, atol=1e-9)
    weight = bench.graph.input("w", made[""].type, "stored")
    (expected * torch.tensor(steps(given["w"]))).sum().backward()
    weights = {
        name: bench.graph.input(f"layer.{name}", TensorType("float32", s), "parameter")
        for name, (s, *_) in bench.weights.asked.items()
    }
    pulled = gradient(bench, apply(bench.scope, "y * w", y=made[""], w=weight), [x, *weights.values()], given)
    np.testing.assert_allclose(steps(pulled[0]), read.grad, rtol=1e-8, atol=1e-9)
    ours = dict(zip(weights, pulled[1:], strict=True))
    np.testing.assert_allclose(ours["kernel"].T, other.weight_ih_l0.grad, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours["recurrent"].T, other.weight_hh_l0.grad, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours["bias"], other.bias_ih_l0.grad, rtol=1e-8, atol=1e-9)


def gradient(bench: Bench, y: Value, wrt: list[Value], given: dict[str, Array]) -> list[Array]:
    from netspec.compiler.autodiff import gradients

    found = gradients(bench.graph, bench.scope.add(Reduce("sum", (0, 1)), y), wrt)
    values = bench.values({f"d{i}": value for i, value in enumerate(found) if value is not None}, given, **SIZES)
    return [values[f"d{i}"] for i in range(len(wrt))]


@pytest.mark.parametrize(("kind", "width"), [("rnn", UNITS), ("lstm", 2 * UNITS), ("gru", UNITS)])
def test_a_state_that_is_given_goes_on_where_another_sequence_ended(kind: str, width: int) -> None:
    bench, _, made = built(kind)
    given = drawn(bench, x=(T * B, IN))
    whole = bench.values(made, given, **SIZES)
    half = {**given, "x": given["x"][: T // 2 * B]}
    before = bench.values(made, half, T=T // 2, B=B)
    other, _, after = built(kind, begin=width)
    rest = {**given, "x": given["x"][T // 2 * B :], "begin": before["state"]}
    found = other.values(after, rest, T=T - T // 2, B=B)
    np.testing.assert_array_equal(np.concatenate([before[""], found[""]]), whole[""])
    np.testing.assert_array_equal(found["state"], whole["state"])


def test_peepholes_see_the_cell() -> None:
    bench, _, made = built("lstm", peepholes=True)
    given = drawn(bench, x=(T * B, IN))
    found = bench.values(made, given, **SIZES)
    h, c = np.zeros((B, UNITS)), np.zeros((B, UNITS))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    pi, pf, po = np.split(given["layer.peephole"], 3)
    for t in range(T):
        z = steps(given["x"])[t] @ given["layer.kernel"] + given["layer.bias"] + h @ given["layer.recurrent"]
        i, f, g, o = np.split(z, 4, axis=1)
        c = sigmoid(f + pf * c) * c + sigmoid(i + pi * c) * np.tanh(g)
        h = sigmoid(o + po * c) * np.tanh(c)
        np.testing.assert_allclose(steps(found[""])[t], h, rtol=1e-9, atol=1e-12)


def test_the_gru_as_published_resets_the_state() -> None:
    bench, _, made = built("gru", reset="before")
    given = drawn(bench, x=(T * B, IN))
    found, h = bench.values(made, given, **SIZES), np.zeros((B, UNITS))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    w = np.split(given["layer.recurrent"], 3, axis=1)
    for t in range(T):
        x = np.split(steps(given["x"])[t] @ given["layer.kernel"] + given["layer.bias"], 3, axis=1)
        r, z = sigmoid(x[0] + h @ w[0]), sigmoid(x[1] + h @ w[1])
        h = (1 - z) * np.tanh(x[2] + (r * h) @ w[2]) + z * h
        np.testing.assert_allclose(steps(found[""])[t], h, rtol=1e-9, atol=1e-12)


def test_the_forget_gate_begins_open() -> None:
    bench, *_ = built("lstm", forget_bias=2.0)
    _, init, fans = bench.weights.asked["bias"]
    bias = init.draw((4 * UNITS,), (1, 1), 0, "layer.bias")
    assert fans == (1, 1)
    np.testing.assert_array_equal(bias.reshape(4, UNITS)[:, 0], [0, 2, 0, 0])


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_the_way_back_takes_no_exponential_again(kind: str) -> None:
    from netspec.compiler.autodiff import gradients

    bench, x, made = built(kind)
    loss = bench.graph.add(Reduce("sum", (0, 1)), made[""])
    (found,) = gradients(bench.graph, loss, [x])
    assert found is not None
    scans = [
        node.op for node in Graph("back", (), (("x", found),)).nodes if isinstance(node.op, Scan) and node.op.reverse
    ]
    assert len(scans) == 1
    formulas = " ".join(str(node.op.formula) for node in scans[0].body.nodes if isinstance(node.op, Map))
    assert formulas
    assert "tanh" not in formulas
    assert "sigmoid" not in formulas


def test_what_does_not_fit_is_told() -> None:
    bench = Bench()
    layer = Layer.kinds["rnn"](units=3)
    assert isinstance(layer, Layer)
    with pytest.raises(ShapeError, match="goes along a length axis"):
        layer.build(bench.scope, bench.input("x", 4))
    with pytest.raises(ShapeError, match=r"begins with a state of \[12\], got \[5\]"):
        built("lstm", begin=5)
