"""Attention against PyTorch and its definition, of sequences that end; positional encodings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench, layer_on
from numpy.typing import NDArray

from netspec.catalog.layers import Layer
from netspec.compiler.autodiff import gradients
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, size

Array = NDArray[Any]
T, S, B, N, M = 4, 6, 3, 8, 5
SIZES = {"T": T, "S": S, "B": B}
LENGTHS = {"T": np.array([4, 2, 3]), "S": np.array([6, 1, 4])}
LIVE = {name: np.arange(SIZES[name])[None] < found[:, None] for name, found in LENGTHS.items()}


class Sequences(Bench):
    """A bench whose lengths ``T`` and ``S`` end where `LENGTHS` says."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weights.steps = self.steps_of  # type: ignore[method-assign]

    def steps_of(self, g: GraphBuilder, rows: Dim) -> Value:
        (name,) = (name for name in LENGTHS if name in str(rows))
        return g.input(f"{name}.lengths", TensorType("float32", (BATCH,)), "stored")

    def sequence(self, name: str, length: str, width: int) -> Value:
        return self.graph.input(name, TensorType("float32", (size(length) * BATCH, width)), "stored")


def built(width: int = N, *, alone: bool = False, **fields: Any) -> tuple[Sequences, list[Value], dict[str, Value]]:
    """Attention from ``[T, 8]`` to a memory ``[S, width]``, or to itself."""
    bench = Sequences()
    inputs = [bench.sequence("query", "T", N), *([] if alone else [bench.sequence("memory", "S", width)])]
    layer = Layer.kinds["attention"](**fields)
    assert isinstance(layer, Layer)
    made = layer.build(bench.scope, *inputs)
    assert not isinstance(made, Value)
    return bench, inputs, dict(made)


def drawn(bench: Bench, width: int = N) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    shapes: dict[str, Any] = {f"layer.{name}": found[0] for name, found in bench.weights.asked.items()}
    shapes |= {"query": (T * B, N), "memory": (S * B, width), "c": (T * B, N)}
    lengths = {f"{name}.lengths": found.astype(float) for name, found in LENGTHS.items()}
    return {key: rng.normal(0, 0.5, shape) for key, shape in shapes.items()} | lengths


def by_sample(array: Array) -> Array:
    """``[T*B, ...]`` as ``[B, T, ...]``."""
    return array.reshape(-1, B, *array.shape[1:]).swapaxes(0, 1)


def pulled(bench: Bench, y: Value, wrt: dict[str, Value], given: dict[str, Array]) -> dict[str, Array]:
    """The gradients of ``sum(c y)``, by name."""
    c = bench.graph.input("c", y.type, "stored")
    total = bench.scope.add(Reduce("sum", (0, 1)), apply(bench.scope, "c * y", c=c, y=y))
    found = gradients(bench.graph, total, list(wrt.values()))
    return bench.values({k: v for k, v in zip(wrt, found, strict=True) if v is not None}, given, **SIZES)


@pytest.mark.parity
@pytest.mark.parametrize("causal", [False, True])
def test_heads_are_pytorchs(causal: bool) -> None:
    torch = pytest.importorskip("torch")
    bench, inputs, made = built(alone=causal, width=M, heads=2, causal=causal)
    given = drawn(bench, M)
    other = torch.nn.MultiheadAttention(
        N, 2, kdim=None if causal else M, vdim=None if causal else M, batch_first=True
    ).double()
    names = ("query", "key", "value")
    with torch.no_grad():
        matrices = [torch.tensor(given[f"layer.{name}"].T) for name in names]
        if causal:
            other.in_proj_weight.copy_(torch.cat(matrices))
        else:
            for name, matrix in zip("qkv", matrices, strict=True):
                getattr(other, f"{name}_proj_weight").copy_(matrix)
        other.in_proj_bias.copy_(torch.tensor(np.concatenate([given[f"layer.{name}_bias"] for name in names])))
        other.out_proj.weight.copy_(torch.tensor(given["layer.output"].T))
        other.out_proj.bias.copy_(torch.tensor(given["layer.output_bias"]))
    query = torch.tensor(by_sample(given["query"]), requires_grad=True)
    memory = query if causal else torch.tensor(by_sample(given["memory"]), requires_grad=True)
    expected, weights = other(
        query, memory, memory,
        key_padding_mask=torch.tensor(~LIVE["T" if causal else "S"]),
        attn_mask=torch.ones(T, T).triu(1).bool() if causal else None,
        average_attn_weights=False,
    )  # fmt: skip
    found, real = bench.values(made, given, **SIZES), LIVE["T"]
    np.testing.assert_allclose(by_sample(found[""])[real], expected.detach()[real], rtol=1e-9, atol=1e-9)
    ours = by_sample(found["weights"])
    np.testing.assert_allclose(ours[real], weights.detach().swapaxes(1, 2)[real], rtol=1e-9, atol=1e-9)
    assert not ours[~real].any()
    given["c"] = given["c"] * real.T.reshape(-1, 1)
    (expected * torch.tensor(by_sample(given["c"]))).sum().backward()
    output = bench.graph.input("layer.output", TensorType("float32", (N, N)), "parameter")
    wrt = dict(zip(("query", "memory"), inputs, strict=False)) | {"output": output}
    back = pulled(bench, made[""], wrt, given)
    np.testing.assert_allclose(by_sample(back["query"])[real], query.grad[real], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(back["output"].T, other.out_proj.weight.grad, rtol=1e-8, atol=1e-9)
    if not causal:
        np.testing.assert_allclose(by_sample(back["memory"]), memory.grad, rtol=1e-8, atol=1e-9)


@pytest.mark.parity
def test_products_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    bench, inputs, made = built()
    given = drawn(bench)
    query, memory = (torch.tensor(by_sample(given[key]), requires_grad=True) for key in ("query", "memory"))
    mask = torch.tensor(LIVE["T"][:, :, None] & LIVE["S"][:, None, :])
    expected = torch.nn.functional.scaled_dot_product_attention(query, memory, memory, mask)
    found = bench.values(made, given, **SIZES)
    real = LIVE["T"]
    np.testing.assert_allclose(by_sample(found[""])[real], expected.detach()[real], rtol=1e-9, atol=1e-9)
    (expected * torch.tensor(by_sample(given["c"])))[torch.tensor(real)].sum().backward()
    back = pulled(bench, made[""], dict(zip(("query", "memory"), inputs, strict=True)), given)
    np.testing.assert_allclose(by_sample(back["query"])[real], query.grad[real], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(by_sample(back["memory"]), memory.grad, rtol=1e-8, atol=1e-9)


def expected_of(score: str, given: dict[str, Array], scaled: bool) -> Array:
    """The definition, sample by sample over real places."""
    q, m = by_sample(given["query"]), by_sample(given["memory"])
    made = np.zeros((B, T, m.shape[2]))
    for b in range(B):
        own = m[b, : LENGTHS["S"][b]]
        for t in range(LENGTHS["T"][b]):
            if score == "additive":
                z = q[b, t] @ given["layer.query"] + given["layer.bias"] + own @ given["layer.key"]
                e = np.tanh(z) @ given["layer.score"]
            else:
                e = own @ (q[b, t] @ given["layer.kernel"] if score == "general" else q[b, t])
                e = e / np.sqrt(m.shape[2]) if scaled else e
            p = np.exp(e - e.max())
            made[b, t] = p / p.sum() @ own
    return made


@pytest.mark.parametrize(
    ("width", "fields"),
    [
        (N, {"score": "dot", "scaled": False}),
        (M, {"score": "general"}),
        (M, {"score": "additive"}),
        (M, {"score": "additive", "units": 17}),
    ],
)
def test_scores(width: int, fields: dict[str, Any]) -> None:
    bench, _, made = built(width, **fields)
    given = drawn(bench, width)
    given["query"][~LIVE["T"].T.ravel()] = np.nan  # what stands behind an end must not count
    given["memory"][~LIVE["S"].T.ravel()] = np.nan
    found = by_sample(bench.values(made, given, **SIZES)[""])
    np.testing.assert_allclose(found, expected_of(fields["score"], given, fields.get("scaled", True)), rtol=1e-9)


def test_a_single_query_and_fixed_places() -> None:
    """The mean of a picture's places for each step, and of a sequence for one query."""
    rng, bench = np.random.default_rng(1), Sequences()
    layer = Layer.kinds["attention"]()
    assert isinstance(layer, Layer)
    one, steps, places = bench.input("one", N), bench.sequence("steps", "T", N), bench.input("places", 6, N)
    asked = {"one in steps": (one, steps), "steps in places": (steps, places), "places in steps": (places, steps),
             "places": (places,), "one in places": (one, places)}  # fmt: skip
    outputs: dict[str, Value] = {}
    for name, inputs in asked.items():
        made = layer.build(bench.scope, *inputs)
        assert not isinstance(made, Value)
        outputs |= {name: made[""], f"{name} weights": made["weights"]}
    given = {"one": rng.normal(size=(B, N)), "steps": rng.normal(size=(T * B, N)), "places": rng.normal(size=(B, 6, N))}
    found = bench.values(outputs, {**given, "T.lengths": LENGTHS["T"]}, **SIZES)
    steps_given = by_sample(given["steps"])

    def mean(query: Array, memory: Array) -> Array:
        e = np.exp(query @ memory.T / np.sqrt(N))
        return e / e.sum(axis=-1, keepdims=True) @ memory

    for b, n in enumerate(LENGTHS["T"]):
        one_of, own, fixed = given["one"][b], steps_given[b, :n], given["places"][b]
        np.testing.assert_allclose(found["one in steps"][b], mean(one_of, own), rtol=1e-9)
        np.testing.assert_allclose(by_sample(found["steps in places"])[b, :n], mean(own, fixed), rtol=1e-9)
        np.testing.assert_allclose(found["places in steps"][b], mean(fixed, own), rtol=1e-9)
        np.testing.assert_allclose(found["places"][b], mean(fixed, fixed), rtol=1e-9)
        np.testing.assert_allclose(found["one in places"][b], mean(one_of, fixed), rtol=1e-9)
    shapes = {name: found[f"{name} weights"].shape for name in asked}
    assert shapes == {
        "one in steps": (B, T), "steps in places": (T * B, 6), "places in steps": (B, 6, T), "places": (B, 6, 6),
        "one in places": (B, 6),
    }  # fmt: skip


def test_waves_tell_places_apart() -> None:
    bench = Sequences()
    x = bench.sequence("x", "T", N)
    layer = Layer.kinds["positional"]()
    assert isinstance(layer, Layer)
    made = layer.build(bench.scope, x)
    assert isinstance(made, Value)
    found = by_sample(bench.values({"y": made}, {"x": np.ones((T * B, N))}, **SIZES)["y"]) - 1
    t, i = np.arange(T)[:, None], np.arange(N // 2)
    angle = t / 10_000 ** (2 * i / N)
    for sample in found:
        np.testing.assert_allclose(sample[:, ::2], np.sin(angle), atol=1e-9)
        np.testing.assert_allclose(sample[:, 1::2], np.cos(angle), atol=1e-9)


def test_learned_places_are_rows_of_a_table() -> None:
    bench = Sequences()
    x = bench.sequence("x", "T", N)
    layer = Layer.kinds["positional"](encoding="learned", length=3)
    assert isinstance(layer, Layer)
    made = layer.build(bench.scope, x)
    assert isinstance(made, Value)
    given = drawn(bench) | {"x": np.zeros((T * B, N))}
    assert {name: found[0] for name, found in bench.weights.asked.items()} == {"table": (3, N)}
    found = by_sample(bench.values({"y": made}, given, **SIZES)["y"])
    np.testing.assert_allclose(found[0], given["layer.table"][[0, 1, 2, 2]], rtol=1e-9)
    fixed, _, y = layer_on("positional", 3, N, encoding="learned", length=3)
    table = {"layer.table": given["layer.table"]}
    np.testing.assert_allclose(fixed.value(y, x=np.zeros((B, 3, N)), **table)[1], given["layer.table"], rtol=1e-9)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ShapeError, match=r"queries as long as the memory's values, got \[T, 8\] and \[S, 5\]"):
        built(M)
    with pytest.raises(ShapeError, match=r"from a sequence to the same steps, got \[T, 8\] and \[S, 8\]"):
        built(causal=True)
    with pytest.raises(ShapeError, match="8 units do not divide into 3 heads"):
        built(heads=3)
    bench = Bench()
    with pytest.raises(ShapeError, match="goes along a length axis"):
        Layer.kinds["attention"]().build(bench.scope, bench.input("x", 4))  # type: ignore[attr-defined]
    with pytest.raises(ShapeError, match="not of the same samples and steps"):
        Layer.kinds["attention"]().build(  # type: ignore[attr-defined]
            bench.scope, bench.graph.input("q", TensorType("float32", (BATCH * size("T") * size("T.C"), 3)), "stored"),
            bench.graph.input("m", TensorType("float32", (BATCH * size("S"), 3)), "stored"),
        )  # fmt: skip
