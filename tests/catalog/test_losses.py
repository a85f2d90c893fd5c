from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.activations.sigmoid import sigmoid
from netspec.catalog.activations.softmax import Softmax
from netspec.catalog.losses import Loss
from netspec.catalog.losses.defined import defined_loss
from netspec.catalog.losses.fused import scores_behind
from netspec.compiler.graph import Graph
from netspec.compiler.ops.expressions import apply
from netspec.data.fieldtype import FieldType, category, number, numbered_classes
from netspec.tensortype import BATCH, DType, ShapeError, TensorType

Z = np.array([[0.5, -1.2, 2.0], [0.0, 0.0, 0.0], [3.0, 2.9, -4.0], [-0.3, 0.7, 0.1]])
CLASSES = np.array([2, 0, 1, 1])
ONE_HOT = np.eye(3)[CLASSES]
P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
S = 1 / (1 + np.exp(-Z))
CATEGORY = category(numbered_classes(3))


def loss(kind: str, **fields: Any) -> Loss:
    made = Loss.kinds[kind](**fields)
    assert isinstance(made, Loss)
    return made


def measured(
    one: Loss, z: np.ndarray, target: np.ndarray, *, through: Any = None, dtype: DType | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each sample, and the gradient of their sum by ``z``; ``through`` is an activation before the loss."""
    bench = Bench()
    x = bench.input("z", *z.shape[1:])
    t = bench.input("t", *target.shape[1:], dtype=dtype or ("float32" if target.dtype.kind == "f" else "uint8"))
    output = x if through is None else through(bench, x)
    result = one.build(bench.scope, output, t)
    assert result.type == TensorType("float32", (BATCH,))
    (gradient,) = bench.gradient(result, [x], z=z, t=target)
    return bench.value(result, z=z, t=target), gradient


def softmaxed(bench: Bench, x: Any) -> Any:
    return Softmax().apply(bench.scope, x)


def sigmoided(bench: Bench, x: Any) -> Any:
    return sigmoid().apply(bench.scope, x)


def raised(bench: Bench, x: Any) -> Any:
    """A rate, above 0."""
    return apply(bench.scope, "exp(z) + 0.2", z=x)


def hidden(bench: Bench, x: Any) -> Any:
    """A softmax that no loss can see through."""
    return apply(bench.scope, "p + 0 * z", p=Softmax().apply(bench.scope, x), z=x)


def test_squared_error_is_half_the_sum() -> None:
    values, gradient = measured(loss("squared_error"), Z, ONE_HOT)
    np.testing.assert_allclose(values, 0.5 * ((Z - ONE_HOT) ** 2).sum(axis=1))
    np.testing.assert_allclose(gradient, Z - ONE_HOT)


def test_mse_is_the_mean() -> None:
    values, gradient = measured(loss("mse"), Z, ONE_HOT)
    np.testing.assert_allclose(values, ((Z - ONE_HOT) ** 2).mean(axis=1))
    np.testing.assert_allclose(gradient, 2 * (Z - ONE_HOT) / 3)


def test_mse_over_all_axes_of_a_sample() -> None:
    z, t = np.arange(24.0).reshape(2, 3, 4), np.ones((2, 3, 4))
    np.testing.assert_allclose(measured(loss("mse"), z, t)[0], ((z - t) ** 2).mean(axis=(1, 2)))


@pytest.mark.parametrize("kind", ["squared_error", "mse", "binary_cross_entropy", "cross_entropy"])
def test_a_category_is_one_hot(kind: str) -> None:
    for dtype in ("uint8", "int32"):
        by_class = measured(loss(kind), Z, CLASSES, dtype=dtype)
        by_numbers = measured(loss(kind), Z, ONE_HOT)
        np.testing.assert_allclose(by_class[0], by_numbers[0], rtol=1e-12)
        np.testing.assert_allclose(by_class[1], by_numbers[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["squared_error", "mse", "binary_cross_entropy"])
def test_two_classes_against_one_output(kind: str) -> None:
    z, classes = np.array([[0.3], [-1.0]]), np.array([1, 0])
    by_class = measured(loss(kind), z, classes)
    np.testing.assert_allclose(by_class[0], measured(loss(kind), z, classes[:, None] * 1.0)[0])


@pytest.mark.parametrize(
    ("through", "fields"), [(None, {}), (softmaxed, {"logits": False}), (hidden, {"logits": False})]
)
def test_cross_entropy_of_a_softmax(through: Any, fields: dict[str, bool]) -> None:
    values, gradient = measured(loss("cross_entropy", **fields), Z, CLASSES, through=through)
    np.testing.assert_allclose(values, -np.log(P[np.arange(4), CLASSES]), rtol=1e-12)
    np.testing.assert_allclose(gradient, P - ONE_HOT, rtol=1e-12, atol=1e-15)


def test_cross_entropy_against_probabilities() -> None:
    t = np.array([[0.2, 0.3, 0.5]] * 4)
    values, gradient = measured(loss("cross_entropy"), Z, t)
    np.testing.assert_allclose(values, -(t * np.log(P)).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(gradient, P - t, rtol=1e-12, atol=1e-15)


def test_cross_entropy_of_sigmoids() -> None:
    values, gradient = measured(loss("cross_entropy", logits=False), Z, CLASSES, through=sigmoided)
    np.testing.assert_allclose(values, -np.log(S[np.arange(4), CLASSES]), rtol=1e-12)
    np.testing.assert_allclose(gradient, (S - 1) * ONE_HOT, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("through", "fields"), [(None, {}), (sigmoided, {"logits": False})])
def test_binary_cross_entropy_of_sigmoids(through: Any, fields: dict[str, bool]) -> None:
    values, gradient = measured(loss("binary_cross_entropy", **fields), Z, ONE_HOT, through=through)
    np.testing.assert_allclose(values, -(ONE_HOT * np.log(S) + (1 - ONE_HOT) * np.log(1 - S)).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(gradient, S - ONE_HOT, rtol=1e-12, atol=1e-15)  # at 0 too: row 1


@pytest.mark.parametrize("through", [softmaxed, hidden])
def test_binary_cross_entropy_over_a_softmax(through: Any) -> None:
    values, gradient = measured(loss("binary_cross_entropy", logits=False), Z, ONE_HOT, through=through)
    np.testing.assert_allclose(values, -(ONE_HOT * np.log(P) + (1 - ONE_HOT) * np.log(1 - P)).sum(axis=1), rtol=1e-10)
    by_p = -ONE_HOT / P + (1 - ONE_HOT) / (1 - P)
    np.testing.assert_allclose(gradient, P * (by_p - (by_p * P).sum(axis=1, keepdims=True)), rtol=1e-10, atol=1e-12)


def test_label_smoothing_spreads_a_share_over_all_classes() -> None:
    smooth = 0.9 * ONE_HOT + 0.1 / 3
    for through, fields in [(None, {}), (softmaxed, {"logits": False}), (hidden, {"logits": False})]:
        for target in (CLASSES, ONE_HOT):
            values, gradient = measured(
                loss("cross_entropy", label_smoothing=0.1, **fields), Z, target, through=through
            )
            np.testing.assert_allclose(values, -(smooth * np.log(P)).sum(axis=1), rtol=1e-12)
            np.testing.assert_allclose(gradient, P - smooth, rtol=1e-10, atol=1e-12)


D = np.array([[0.5, -2.0, 3.0], [0.0, 1.0, -1.0], [0.2, -0.3, 0.1]])
"""Differences: small, large, 0 and just at the bend of `huber`."""


@pytest.mark.parametrize(
    ("kind", "fields", "values", "slopes"),
    [
        ("mae", {}, np.abs(D), np.sign(D)),
        ("huber", {}, np.where(np.abs(D) > 1, np.abs(D) - 0.5, D * D / 2), np.clip(D, -1, 1)),
        ("huber", {"delta": 0.25}, np.where(np.abs(D) > 0.25, 0.25 * (np.abs(D) - 0.125), D * D / 2),
         np.clip(D, -0.25, 0.25)),
        ("quantile", {"q": 0.9}, np.where(D < 0, -0.9 * D, 0.1 * D), np.where(D < 0, -0.9, np.where(D > 0, 0.1, 0))),
    ],
)  # fmt: skip
def test_losses_of_differences(kind: str, fields: dict[str, float], values: np.ndarray, slopes: np.ndarray) -> None:
    found, gradient = measured(loss(kind, **fields), D + 1, np.ones_like(D))
    np.testing.assert_allclose(found, values.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(gradient, slopes / 3, rtol=1e-12)


def test_a_quantile_is_where_its_loss_is_least() -> None:
    targets = np.random.default_rng(3).exponential(size=(1000, 1))
    grid = np.linspace(0, 5, 501)
    one = loss("quantile", q=0.8)
    sums = [measured(one, np.full_like(targets, y), targets)[0].sum() for y in grid]
    assert grid[int(np.argmin(sums))] == pytest.approx(np.quantile(targets, 0.8), abs=0.02)


def test_hinge_against_classes() -> None:
    values, gradient = measured(loss("hinge", margin=0.5), Z, CLASSES)
    own = Z[np.arange(4), CLASSES][:, None]
    over = np.where(ONE_HOT > 0, 0, 0.5 + Z - own)
    np.testing.assert_allclose(values, np.maximum(over, 0).mean(axis=1), rtol=1e-12)
    active = (over > 0) / 3
    np.testing.assert_allclose(gradient, active - ONE_HOT * active.sum(axis=1, keepdims=True), rtol=1e-12, atol=1e-15)


def test_hinge_of_single_scores() -> None:
    z, t = np.array([[0.3], [2.0], [-0.4], [0.0]]), np.array([[1.0], [1.0], [1.0], [-1.0]])
    for target in (t, np.maximum(t, 0), (t[:, 0] > 0) * 1):
        values, gradient = measured(loss("hinge"), z, target)
        np.testing.assert_allclose(values, [0.7, 0, 1.4, 1], rtol=1e-12)
        np.testing.assert_allclose(gradient, [[-1], [0], [-1], [1]], rtol=1e-12)


def test_perceptron_costs_only_what_is_wrong() -> None:
    z, t = np.array([[0.3], [2.0], [-0.4], [0.5]]), np.array([[1.0], [1.0], [1.0], [-1.0]])
    values, gradient = measured(loss("perceptron"), z, t)
    np.testing.assert_allclose(values, [0, 0, 0.4, 0.5], rtol=1e-12)
    np.testing.assert_allclose(gradient, [[0], [0], [-1], [1]], rtol=1e-12)
    values, gradient = measured(loss("perceptron"), Z[2:], CLASSES[2:])
    np.testing.assert_allclose(values, [0.1, 0], rtol=1e-9)
    np.testing.assert_allclose(gradient, [[1, -1, 0], [0, 0, 0]], atol=1e-15)


@pytest.mark.parametrize(
    ("through", "fields"), [(None, {}), (softmaxed, {"logits": False}), (hidden, {"logits": False})]
)
def test_kl_is_the_cross_entropy_above_the_targets_own(through: Any, fields: dict[str, bool]) -> None:
    t = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.1, 0.1, 0.8]])
    values, gradient = measured(loss("kl", **fields), Z, t, through=through)
    log_t = np.log(np.where(t > 0, t, 1))
    np.testing.assert_allclose(values, (t * (log_t - np.log(P))).sum(axis=1), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(gradient, P - t, rtol=1e-10, atol=1e-12)
    assert "`kl`" in (loss("kl").remark(*probabilities()) or "")


def probabilities() -> tuple[Any, Any]:
    bench = Bench()
    return bench.scope, Softmax().apply(bench.scope, bench.input("z", 3))


def test_poisson() -> None:
    t = np.array([[0.0, 3.0, 1.0]] * 4)
    values, gradient = measured(loss("poisson"), Z, t)
    np.testing.assert_allclose(values, (np.exp(Z) - t * Z).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(gradient, (np.exp(Z) - t) / 3, rtol=1e-12)
    rates = np.exp(Z)
    values, _ = measured(loss("poisson", log=False), rates, t)
    np.testing.assert_allclose(values, (rates - t * np.log(rates + 1e-8)).mean(axis=1), rtol=1e-12)
    bench = Bench()
    shown = loss("poisson").probabilities(bench.scope, bench.input("z", 3))
    np.testing.assert_allclose(bench.value(shown, z=Z), rates)


def test_nothing_overflows_far_out() -> None:
    z, classes = np.array([[1000.0, -1000.0, 0.0], [80.0, -80.0, 0.0]]), np.array([1, 0])
    for kind, through, fields in [
        ("cross_entropy", None, {}),
        ("cross_entropy", softmaxed, {"logits": False}),
        ("cross_entropy", hidden, {"logits": False}),
        ("binary_cross_entropy", None, {}),
        ("binary_cross_entropy", sigmoided, {"logits": False}),
        ("binary_cross_entropy", softmaxed, {"logits": False}),
        ("cross_entropy", None, {"label_smoothing": 0.1}),
        ("kl", None, {}),
        ("hinge", None, {}),
        ("perceptron", None, {}),
        ("mae", None, {}),
        ("huber", None, {}),
        ("quantile", None, {}),
    ]:
        values, gradient = measured(loss(kind, **fields), z, classes, through=through)
        assert np.isfinite(values).all(), kind
        assert np.isfinite(gradient).all(), kind


def test_scores_behind_an_activation_are_found_whatever_it_is_made_of() -> None:
    bench = Bench()
    x = bench.input("x", 5)
    for activation in (Softmax(), sigmoid()):
        output = activation.apply(bench.scope, x)
        assert scores_behind(bench.scope, activation, output) == x
    assert scores_behind(bench.scope, Softmax(), sigmoid().apply(bench.scope, x)) is None
    assert scores_behind(bench.scope, Softmax(), x) is None


def test_cross_entropy_takes_few_nodes() -> None:
    bench = Bench()
    z, t = bench.input("z", 10), bench.input("t", dtype="uint8")
    result = loss("cross_entropy").build(bench.scope, z, t)
    kinds = [node.op.name for node in Graph("g", (), (("y", result),)).nodes]
    assert kinds.count("reduce") == 3
    assert kinds.count("map") <= 4


def test_probabilities_and_cut() -> None:
    bench = Bench()
    x = bench.input("x", 3)
    shown = loss("cross_entropy").probabilities(bench.scope, x)
    np.testing.assert_allclose(bench.value(shown, x=Z), P, rtol=1e-12)
    assert loss("cross_entropy", logits=False).probabilities(bench.scope, x) is x
    shown = loss("binary_cross_entropy").probabilities(bench.scope, x)
    np.testing.assert_allclose(bench.value(shown, x=Z), S, rtol=1e-12)
    assert [loss(kind).takes_logits for kind in ("mse", "cross_entropy", "binary_cross_entropy")] == [False, True, True]


def test_remark_on_logits_that_are_probabilities() -> None:
    bench = Bench()
    x = bench.input("x", 3)
    p = Softmax().apply(bench.scope, x)
    assert "logits: false" in (loss("cross_entropy").remark(bench.scope, p) or "")
    assert loss("cross_entropy").remark(bench.scope, x) is None
    assert loss("cross_entropy", logits=False).remark(bench.scope, p) is None


@pytest.mark.parametrize(
    ("kind", "output", "target", "message"),
    [
        ("mse", (3,), number(2), r"equal shapes, got an output of \[3\] and a target of \[2\]"),
        ("cross_entropy", (4,), CATEGORY, r"each of the 3 classes, got an output of \[4\]"),
        ("cross_entropy", (1,), CATEGORY, "binary_cross_entropy"),
        ("binary_cross_entropy", (1,), CATEGORY, "each of the 3 classes"),
        ("cross_entropy", (7, 7, 3), CATEGORY, r"got an output of \[7, 7, 3\]"),
        ("mse", (3,), FieldType("text", (), None), "text"),
    ],
)
def test_bindings_that_do_not_fit(kind: str, output: tuple[int, ...], target: FieldType, message: str) -> None:
    with pytest.raises(ShapeError) as raised:
        loss(kind).check(TensorType("float32", (BATCH, *output)), target)
    import re

    assert re.search(message, f"{raised.value} {raised.value.advice}")


def test_bindings_that_fit() -> None:
    def fits(kind: str, output: tuple[int, ...], target: FieldType) -> None:
        loss(kind).check(TensorType("float32", (BATCH, *output)), target)

    fits("cross_entropy", (3,), CATEGORY)
    fits("cross_entropy", (3,), category(None))
    fits("cross_entropy", (3,), number(3))
    fits("binary_cross_entropy", (1,), category(("no", "yes")))
    fits("mse", (2, 3), number(2, 3))


def test_loss_of_a_spec() -> None:
    kind = defined_loss("competitive", "log(exp(-j) + sum(exp(output))) - sum(target * output)", {"j": 0.1})
    assert kind.main_field() == "j"
    values, gradient = measured(kind(), Z, CLASSES)
    total = np.exp(-0.1) + np.exp(Z).sum(axis=1)
    np.testing.assert_allclose(values, np.log(total) - Z[np.arange(4), CLASSES], rtol=1e-12)
    np.testing.assert_allclose(gradient, np.exp(Z) / total[:, None] - ONE_HOT, rtol=1e-10, atol=1e-12)
    assert "competitive" not in Loss.kinds


def test_loss_of_a_spec_must_be_one_number() -> None:
    kind = defined_loss("each", "(output - target) ** 2", {})
    with pytest.raises(ShapeError, match=r"`each` gives \[3\] for a sample"):
        measured(kind(), Z, ONE_HOT)
    np.testing.assert_allclose(measured(kind(), Z[:, :1], ONE_HOT[:, :1])[0], (Z - ONE_HOT)[:, 0] ** 2)


@pytest.mark.parity
def test_same_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    z, t = torch.tensor(Z, requires_grad=True), torch.tensor(ONE_HOT)
    soft = torch.softmax(torch.tensor(Z[::-1].copy()), dim=1)
    counts, margins = torch.tensor(np.array([[0.0, 3.0, 1.0]] * 4)), torch.tensor(CLASSES)
    log_p = f.log_softmax(z, dim=1)
    p, q = torch.softmax(z, dim=1), torch.sigmoid(z)
    rates = z.exp() + 0.2
    half = 0.5 * f.l1_loss(z, t, reduction="none")

    def bce(given: Any) -> Any:
        return f.binary_cross_entropy(given, t, reduction="none").sum(dim=1)

    plain = f.cross_entropy(z, margins, reduction="none")
    smooth = f.cross_entropy(z, margins, reduction="none", label_smoothing=0.2)
    squared = f.mse_loss(z, t, reduction="none")
    # Kind, fields, target, what stands between the scores and the loss, and theirs.
    every: list[tuple[str, dict[str, Any], Any, Any, Any]] = [
        ("cross_entropy", {}, t, None, plain),
        ("cross_entropy", {}, margins, None, plain),
        ("cross_entropy", {}, soft, None, f.cross_entropy(z, soft, reduction="none")),
        ("cross_entropy", {"label_smoothing": 0.2}, t, None, smooth),
        ("cross_entropy", {"logits": False}, margins, softmaxed, f.nll_loss(p.log(), margins, reduction="none")),
        ("mse", {}, t, None, squared.mean(dim=1)),
        ("squared_error", {}, t, None, 0.5 * squared.sum(dim=1)),
        ("mae", {}, t, None, f.l1_loss(z, t, reduction="none").mean(dim=1)),
        ("quantile", {}, t, None, half.mean(dim=1)),
        ("huber", {}, t, None, f.huber_loss(z, t, reduction="none").mean(dim=1)),
        ("huber", {"delta": 0.3}, t, None, f.huber_loss(z, t, reduction="none", delta=0.3).mean(dim=1)),
        ("hinge", {"margin": 1.1}, margins, None, f.multi_margin_loss(z, margins, reduction="none", margin=1.1)),
        ("hinge", {"margin": 0.4}, margins, None, f.multi_margin_loss(z, margins, reduction="none", margin=0.4)),
        ("kl", {}, soft, None, f.kl_div(log_p, soft, reduction="none").sum(dim=1)),
        ("kl", {"logits": False}, soft, softmaxed, f.kl_div(p.log(), soft, reduction="none").sum(dim=1)),
        ("poisson", {}, counts, None, f.poisson_nll_loss(z, counts, reduction="none").mean(dim=1)),
        ("poisson", {"log": False}, counts, raised,
         f.poisson_nll_loss(rates, counts, log_input=False, reduction="none").mean(dim=1)),
        ("binary_cross_entropy", {}, t, None, f.binary_cross_entropy_with_logits(z, t, reduction="none").sum(dim=1)),
        ("binary_cross_entropy", {"logits": False}, t, sigmoided, bce(q)),
        ("binary_cross_entropy", {"logits": False}, t, softmaxed, bce(p)),
    ]  # fmt: skip
    absent = {"perceptron", "negative_sampling", "sampled_softmax", "negative_log_likelihood"}
    assert {kind for kind, *_ in every} == set(Loss.kinds) - absent  # which PyTorch has not
    for kind, fields, target, through, theirs in every:
        values, gradient = measured(loss(kind, **fields), Z, target.numpy(), through=through)
        (slope,) = torch.autograd.grad(theirs.sum(), z, retain_graph=True)
        np.testing.assert_allclose(values, theirs.detach().numpy(), rtol=1e-10, atol=1e-12, err_msg=f"{kind} {fields}")
        np.testing.assert_allclose(gradient, slope.numpy(), rtol=1e-10, atol=1e-12, err_msg=f"{kind} {fields}")
