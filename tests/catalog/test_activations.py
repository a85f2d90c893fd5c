from __future__ import annotations

import math

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.activations import Activation, FormulaActivation, defined_activation
from netspec.catalog.activations.softmax import Softmax
from netspec.compiler.formula import FormulaError, evaluate_scalar, parse

X = np.array([[-30.0, -4.2, -1.3, -0.4, 0.3, 1.1, 2.6, 5.7, 30.0]])
FORMULAS = [kind for kind in Activation.kinds.values() if issubclass(kind, FormulaActivation)]
ERF = np.vectorize(math.erf)
EXPECTED = {
    "step": lambda x: (x >= 0) * 1.0,
    "sign": lambda x: np.where(x >= 0, 1.0, -1.0),
    "linear": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "noisy_relu": lambda x: np.maximum(x, 0),  # no noise outside training
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "celu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "gelu": lambda x: x * (1 + ERF(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
}


def applied(kind: Activation, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values and the derivative at ``x``."""
    bench = Bench(training=False)
    value = bench.input("x", x.shape[-1])
    output = kind.apply(bench.scope, value)
    (slope,) = bench.gradient(output, [value], x=x)
    return bench.value(output, x=x), slope


@pytest.mark.parametrize("kind", FORMULAS, ids=lambda kind: kind.kind)
def test_values_and_derivative(kind: type[FormulaActivation]) -> None:
    expected = EXPECTED[kind.kind]
    values, slope = applied(kind(), X)
    np.testing.assert_allclose(values, expected(X), rtol=1e-12, atol=1e-15)
    h = 1e-6
    numeric = (expected(X + h) - expected(X - h)) / (2 * h)
    np.testing.assert_allclose(np.zeros_like(X) if slope is None else slope, numeric, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("kind", FORMULAS, ids=lambda kind: kind.kind)
def test_documented_formula_is_the_computed_one(kind: type[FormulaActivation]) -> None:
    one = kind()
    written = one.bound(one.formula.replace("normal()", "0.7"), ("x",))
    computed = one.bound(one.stable.replace("normal()", "0.7"), ("x",))
    given = {"x": np.array([-3.7, -0.6, 0.45, 2.2, 7.0])}
    np.testing.assert_allclose(evaluate_scalar(written, given), evaluate_scalar(computed, given), rtol=1e-12)
    assert kind.reference in (kind.__doc__ or "")


@pytest.mark.parametrize("kind", FORMULAS, ids=lambda kind: kind.kind)
def test_far_out_nothing_overflows_and_nan_stays(kind: type[FormulaActivation]) -> None:
    values, slope = applied(kind(), np.array([[-1000.0, 1000.0, math.nan]]))
    assert np.isfinite(values[0, :2]).all()
    assert np.isnan(values[0, 2])
    assert slope is None or np.isfinite(slope[0, :2]).all()


@pytest.mark.parametrize(("name", "at_zero"), [("step", 1), ("sign", 1)])
def test_decisions_at_zero(name: str, at_zero: float) -> None:
    assert applied(Activation.kinds[name](), np.zeros((1, 1)))[0] == at_zero


def test_parameters_are_fields() -> None:
    leaky = Activation.kinds["leaky_relu"]
    assert leaky.main_field() == "slope"
    np.testing.assert_allclose(applied(leaky(slope=0.25), X)[0], np.where(X > 0, X, 0.25 * X))
    assert leaky().slope == 0.01
    with pytest.raises(ValueError, match="extra"):
        Activation.kinds["relu"](slope=0.1)


def test_softmax() -> None:
    x = np.array([[1.0, 2.0, 3.0], [1000.0, 999.0, -1000.0]])
    values, _ = applied(Softmax(), x)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(values, e / e.sum(axis=1, keepdims=True), rtol=1e-12)


def test_softmax_derivative() -> None:
    bench = Bench()
    x, w = bench.input("x", 3), bench.input("w", 3)
    from netspec.compiler.ops.expressions import apply

    weighted = apply(bench.scope, "y * w", y=Softmax().apply(bench.scope, x), w=w)
    at, weight = np.array([[0.3, -1.2, 0.8]]), np.array([[0.7, -0.4, 1.9]])
    (slope,) = bench.gradient(weighted, [x], x=at, w=weight)
    p = np.exp(at) / np.exp(at).sum()
    np.testing.assert_allclose(slope, p * (weight - (p * weight).sum()), rtol=1e-12)


def test_defined_by_a_spec() -> None:
    squash = defined_activation("squash", "1.7159 * tanh(2/3 * x)", {})
    np.testing.assert_allclose(applied(squash(), X)[0], 1.7159 * np.tanh(2 / 3 * X))
    assert squash.kind == "squash"
    assert "squash" not in Activation.kinds


def test_defined_may_hide_a_kind_and_have_required_parameters() -> None:
    relu = defined_activation("relu", "max(x, floor_ + 0 * top)", {"floor_": None, "top": 6})
    assert relu.main_field() == "floor_"
    assert Activation.kinds["relu"] is not relu
    np.testing.assert_allclose(applied(relu(floor_=-0.5), X)[0], np.maximum(X, -0.5))


def test_defined_with_reduction() -> None:
    centred = defined_activation("centred", "x - mean(x)", {})
    np.testing.assert_allclose(applied(centred(), X)[0], X - X.mean())


def test_draws_are_taken_in_training_only() -> None:
    noisy = defined_activation("noisy", "max(0, x + normal() * sqrt(sigmoid(x))) + 0 * normal()", {})()
    np.testing.assert_allclose(applied(noisy, X)[0], np.maximum(X, 0))
    bench = Bench(training=True)
    noisy.apply(bench.scope, bench.input("x", 9))
    keys = [value.node.op.key for value in bench.graph.graph("g", {}).inputs]
    assert {"layer/draw0/stream_hi", "layer/draw0/stream_lo", "step"} <= set(keys)


def test_noise_of_a_noisy_relu_has_the_variance_of_a_sigmoid() -> None:
    bench = Bench(training=True)
    x = bench.input("x", 20_000)
    output = Activation.kinds["noisy_relu"]().apply(bench.scope, x)
    (slope,) = bench.gradient(output, [x], **noise(np.full((1, 20_000), 2.0)))
    values = bench.value(output, **noise(np.full((1, 20_000), 2.0)))
    kept = values > 0  # nearly all: 2 is two deviations above 0
    sigmoid = 1 / (1 + math.exp(-2))
    assert (values - 2)[kept].std() == pytest.approx(math.sqrt(sigmoid), rel=0.05)
    # x + n s(x) with s = sqrt(sigmoid) has the derivative 1 + n s (1 - sigmoid) / 2, and n s is x's distance.
    expected = np.where(kept, 1 + (values - 2) * (1 - sigmoid) / 2, 0)
    np.testing.assert_allclose(slope, expected, rtol=1e-9)
    far = bench.gradient(output, [x], **noise(np.full((1, 20_000), -1000.0)))[0]
    np.testing.assert_array_equal(far, 0)


def noise(x: np.ndarray) -> dict[str, np.ndarray]:
    halves = {f"layer/draw0/stream_{half}": np.float32(value) for half, value in (("hi", 3), ("lo", 5))}
    return {"x": x, "step": np.float32(0), **halves}


@pytest.mark.parametrize("text", ["x +", "y * 2", "x, x", "__import__('os')"])
def test_bad_definitions(text: str) -> None:
    with pytest.raises(FormulaError):
        defined_activation("bad", text, {})


@pytest.mark.parity
def test_same_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    theirs = {
        "sigmoid": f.sigmoid, "hard_sigmoid": f.hardsigmoid, "tanh": f.tanh, "hard_tanh": f.hardtanh, "relu": f.relu,
        "relu6": f.relu6, "leaky_relu": f.leaky_relu, "elu": f.elu, "celu": f.celu, "selu": f.selu, "gelu": f.gelu,
        "silu": f.silu, "hard_silu": f.hardswish, "mish": f.mish, "softplus": f.softplus, "softsign": f.softsign,
        "linear": torch.nn.Identity(), "softmax": lambda x: f.softmax(x, dim=-1),
        "step": lambda x: torch.heaviside(x.detach(), torch.ones_like(x)) + 0 * x,  # which PyTorch derives nowhere
    }  # fmt: skip
    # PyTorch's sign is 0 at 0, and noisy_relu it has not.
    assert set(theirs) == set(Activation.kinds) - {"sign", "noisy_relu"}
    points = np.append(X, [[0.0]], axis=1)  # at 0 too, where both take one side's derivative
    for name, function in theirs.items():
        x = torch.tensor(points, requires_grad=True)
        expected = function(x)
        (slope,) = torch.autograd.grad(expected.sum(), x)
        values, derivative = applied(Activation.kinds[name](), points)
        np.testing.assert_allclose(values, expected.detach().numpy(), rtol=1e-6, atol=1e-9, err_msg=name)
        derivative = np.zeros_like(points) if derivative is None else derivative
        np.testing.assert_allclose(derivative, slope.numpy(), rtol=1e-6, atol=1e-9, err_msg=name)


def test_formulas_parse() -> None:
    for kind in FORMULAS:
        parse(kind.formula, ("x", *kind.parameters()))
