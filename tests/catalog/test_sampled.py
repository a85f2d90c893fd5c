"""Losses that score the target and a few words that are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.losses import Loss
from netspec.catalog.losses.sampled import Sampled, alias_table
from netspec.compiler.graph import Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.tensortype import ShapeError

VALUES, FEATURES, ROWS = 11, 4, 6
COUNTS = np.array([50, 20, 9, 7, 5, 4, 3, 2, 1, 1, 0])
KINDS = ("negative_sampling", "sampled_softmax")
RNG = np.random.default_rng(3)
X, KERNEL, BIAS = (RNG.normal(size=shape) for shape in ((ROWS, FEATURES), (FEATURES, VALUES), (VALUES,)))
TARGET = np.array([0, 1, 0, 9, 3, 2])
KEY = {"layer/draws/stream_hi": 3.0, "layer/draws/stream_lo": 7.0, "step": 5.0}


def sampled(kind: str, **fields: Any) -> Sampled:
    made = Loss.kinds[kind](**fields)
    assert isinstance(made, Sampled)
    return made


def of_step(one: Sampled, step: int = 5) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The losses of a step of training, and the words that were scored."""
    bench = Bench(training=True)
    result, chosen = built(bench, one)
    given = {"x": X, "kernel": KERNEL, "bias": BIAS, "target": TARGET, **KEY, "step": float(step)}
    arrays = given | {f"layer.{name}": array for name, array in one.constants(COUNTS.tolist()).items()}
    values = bench.values({"loss": result, "chosen": chosen}, arrays)
    return values["loss"], values["chosen"]


def built(bench: Bench, one: Loss) -> tuple[Value, Value]:
    g = bench.scope
    x, target = bench.input("x", FEATURES), bench.input("target", dtype="uint16")
    kernel, bias = (
        bench.input("kernel", FEATURES, VALUES, batch=False),
        bench.input("bias", VALUES, batch=False),
    )
    result = one.build(g, apply(g, "y + b", y=g.add(Contract(), x, kernel), b=bias), target)
    nodes = bench.graph.graph("found", {"loss": result}).nodes
    return result, next((node.value() for node in nodes if node.op.name == "draw_rows"), result)


def softplus(z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.logaddexp(0, z)


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_and_other_words_are_scored(kind: str) -> None:
    losses, chosen = of_step(sampled(kind, samples=7))
    assert chosen.shape == (ROWS, 8)
    np.testing.assert_array_equal(chosen[:, 0], TARGET)
    assert not (chosen[:, 1:] == TARGET[:, None]).any()
    assert (chosen == -1).any()
    scores = X @ KERNEL + BIAS
    share = COUNTS**0.75 / (COUNTS**0.75).sum()
    for row, (loss, words) in enumerate(zip(losses, chosen, strict=True)):
        own, others = TARGET[row], words[1:][words[1:] >= 0]
        if kind == "negative_sampling":
            expected = softplus(-scores[row, own]) + softplus(scores[row, others]).sum()
        else:
            z = scores[row] - np.log(np.maximum(7 * share, 1e-30))
            expected = np.log(np.exp(z[[own, *others]]).sum()) - z[own]
        assert loss == pytest.approx(expected, rel=1e-5)


def test_negative_sampling_is_on_average_what_is_measured() -> None:
    one = sampled("negative_sampling", samples=5)
    bench = Bench(training=False)
    whole, _ = built(bench, one)
    share = one.constants(COUNTS.tolist())["share"]
    exact = bench.value(whole, x=X, kernel=KERNEL, bias=BIAS, target=TARGET, **{"layer.share": share})
    drawn = np.array([of_step(one, step)[0] for step in range(400)])
    spread = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - exact) < 4 * spread).all()
    assert (spread < 0.05 * exact).all()


def test_sampled_softmax_is_measured_as_cross_entropy() -> None:
    bench = Bench(training=False)
    whole, _ = built(bench, sampled("sampled_softmax"))
    z = X @ KERNEL + BIAS
    expected = np.log(np.exp(z).sum(axis=1)) - z[np.arange(ROWS), TARGET]
    found = bench.value(whole, x=X, kernel=KERNEL, bias=BIAS, target=TARGET)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_another_step_draws_other_words() -> None:
    one = sampled("negative_sampling", samples=9)
    assert not np.array_equal(of_step(one, 1)[1], of_step(one, 2)[1])
    assert np.array_equal(of_step(one, 1)[1], of_step(one, 1)[1])


@pytest.mark.parametrize("power", [0.0, 0.75, 1.0])
def test_words_are_drawn_by_a_power_of_their_counts(power: float) -> None:
    one = sampled("negative_sampling", samples=50, power=power)
    drawn = np.concatenate([of_step(one, step)[1][3, 1:] for step in range(80)])  # the target of this row is rare
    counts = np.bincount(drawn[drawn >= 0], minlength=VALUES)
    share = COUNTS**power * (COUNTS > 0)
    assert counts[COUNTS == 0].sum() == 0
    np.testing.assert_allclose(counts / drawn.size, np.where(np.arange(VALUES) == 9, 0, share / share.sum()), atol=0.02)


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_a_table_holds_its_distribution(count: int) -> None:
    share = np.random.default_rng(count).dirichlet(np.full(count, 0.3))
    keep, other = alias_table(share)
    held = keep.astype(float) / count + np.bincount(other, (1 - keep.astype(float)) / count, count)
    np.testing.assert_allclose(held, share, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_is_a_linear_layer(kind: str) -> None:
    bench = Bench()
    scores = apply(bench.scope, "tanh(x)", x=bench.input("x", VALUES))
    with pytest.raises(ShapeError, match="linear `dense`"):
        sampled(kind).build(bench.scope, scores, bench.input("target", dtype="uint16"))
