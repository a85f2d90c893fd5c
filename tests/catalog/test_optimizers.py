from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.catalog.optimizers import Optimizer, Rule
from netspec.compiler.formula import evaluate

STEPS = 20
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"lr": 0.1}),
    ("sgd", {"lr": 0.1, "weight_decay": 0.01}),
    ("sgd", {"lr": 0.1, "momentum": 0.9}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("adam", {}),
    ("adam", {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3, "weight_decay": 0.05}),
    ("adamw", {"lr": 0.01}),
    ("adamw", {"lr": 0.01, "weight_decay": 0.3}),
    ("rmsprop", {}),
    ("rmsprop", {"lr": 0.02, "rho": 0.8, "epsilon": 1e-4, "momentum": 0.7, "weight_decay": 0.05}),
    ("rmsprop", {"lr": 0.02, "centered": True}),
    ("rmsprop", {"lr": 0.02, "centered": True, "momentum": 0.5}),
    ("adagrad", {"lr": 0.1}),
    ("adagrad", {"lr": 0.1, "weight_decay": 0.05}),
    ("adadelta", {}),
    ("adadelta", {"lr": 0.5, "rho": 0.8, "epsilon": 1e-3, "weight_decay": 0.05}),
    ("lion", {"lr": 0.01}),
    ("lion", {"lr": 0.01, "beta1": 0.8, "beta2": 0.7, "weight_decay": 0.1}),
]
each_setting = pytest.mark.parametrize(("kind", "fields"), SETTINGS, ids=str)


def optimizer(kind: str, fields: dict[str, Any]) -> Optimizer:
    made = Optimizer.kinds[kind](**fields)
    assert isinstance(made, Optimizer)
    return made


def gradient(p: np.ndarray, t: int) -> np.ndarray:
    return np.sin(3 * p + t) + 0.2 * p


def trained(one: Optimizer, start: np.ndarray, dtype: str) -> np.ndarray:
    """The parameter after some steps of the update formula."""
    p, states = start.astype(dtype), [np.zeros_like(start, dtype) for _ in one.states]
    for t in range(1, STEPS + 1):
        scalars = [np.asarray(value, dtype) for value in one.scalars(one.lr, t).values()]
        inputs = [p, gradient(p, t).astype(dtype), *states, *scalars]
        p, *states = evaluate(one.update(), inputs, dtype, start.shape)
    return p


Fields = dict[str, Any]


def sgd(p: np.ndarray, f: Fields, lr: float, decay: float) -> np.ndarray:
    velocity = np.zeros_like(p)
    for t in range(1, STEPS + 1):
        g = gradient(p, t) + decay * p
        velocity = f.get("momentum", 0) * velocity + g
        p = p - lr * (g + f["momentum"] * velocity if f.get("nesterov") else velocity)
    return p


def adam(p: np.ndarray, f: Fields, lr: float, decay: float) -> np.ndarray:
    b1, b2, epsilon = f.get("beta1", 0.9), f.get("beta2", 0.999), f.get("epsilon", 1e-8)
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t in range(1, STEPS + 1):
        g = gradient(p, t) + (0 if "decoupled" in f else decay * p)
        p = p * (1 - lr * decay) if "decoupled" in f else p
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        p = p - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + epsilon)
    return p


def rmsprop(p: np.ndarray, f: Fields, lr: float, decay: float) -> np.ndarray:
    rho, epsilon = f.get("rho", 0.99), f.get("epsilon", 1e-8)
    v, m, b = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for t in range(1, STEPS + 1):
        g = gradient(p, t) + decay * p
        v, m = rho * v + (1 - rho) * g * g, rho * m + (1 - rho) * g
        b = f.get("momentum", 0) * b + g / (np.sqrt(v - m * m if f.get("centered") else v) + epsilon)
        p = p - lr * b
    return p


def adagrad(p: np.ndarray, f: Fields, lr: float, decay: float) -> np.ndarray:
    v = np.zeros_like(p)
    for t in range(1, STEPS + 1):
        g = gradient(p, t) + decay * p
        v = v + g * g
        p = p - lr * g / (np.sqrt(v) + 1e-10)
    return p


def adadelta(p: np.ndarray, f: Fields, lr: float, decay: float) -> np.ndarray:
    rho, epsilon = f.get("rho", 0.9), f.get("epsilon", 1e-6)
    v, u = np.zeros_like(p), np.zeros_like(p)
    for t in range(1, STEPS + 1):
        g = gradient(p, t) + decay * p
        v = rho * v + (1 - rho) * g * g
        step = np.sqrt(u + epsilon) / np.sqrt(v + epsilon) * g
        u = rho * u + (1 - rho) * step * step
        p = p - lr * step
    return p


def lion(p: np.ndarray, f: Fields, lr: float, decay: float) -> np.ndarray:
    b1, b2 = f.get("beta1", 0.9), f.get("beta2", 0.99)
    m = np.zeros_like(p)
    for t in range(1, STEPS + 1):
        g = gradient(p, t)
        p = p - lr * (np.sign(b1 * m + (1 - b1) * g) + decay * p)
        m = b2 * m + (1 - b2) * g
    return p


def adamw(p: np.ndarray, f: Fields, lr: float, decay: float) -> np.ndarray:
    return adam(p, {**f, "decoupled": True}, lr, decay)


PUBLISHED = {one.__name__: one for one in (sgd, adam, adamw, rmsprop, adagrad, adadelta, lion)}
RATES = {"adam": 0.001, "adamw": 0.001, "rmsprop": 0.01, "adadelta": 1.0}


def by_hand(kind: str, f: Fields) -> Callable[[np.ndarray], np.ndarray]:
    """The published algorithm, line by line."""
    lr, decay = f.get("lr", RATES.get(kind, 0.0)), f.get("weight_decay", 0.01 if kind == "adamw" else 0.0)
    return lambda p: PUBLISHED[kind](p, f, lr, decay)


START = np.linspace(-1.5, 1.5, 31)


@each_setting
def test_follows_the_published_algorithm(kind: str, fields: dict[str, Any]) -> None:
    expected = by_hand(kind, fields)(START)
    np.testing.assert_allclose(trained(optimizer(kind, fields), START, "float64"), expected, rtol=1e-11, atol=1e-12)


@each_setting
def test_float32_is_close(kind: str, fields: dict[str, Any]) -> None:
    expected = by_hand(kind, fields)(START)
    np.testing.assert_allclose(trained(optimizer(kind, fields), START, "float32"), expected, rtol=1e-4, atol=1e-5)


@each_setting
def test_scalars_for_many_steps_at_once(kind: str, fields: dict[str, Any]) -> None:
    one = optimizer(kind, fields)
    together = one.scalars(np.full(5, one.lr), np.arange(1, 6))
    assert tuple(together) == one.scalar_names
    for t in range(1, 6):
        for name, value in one.scalars(one.lr, t).items():
            assert np.shape(together[name]) == (5,)
            assert together[name][t - 1] == pytest.approx(value, rel=1e-15)


def test_lion_stands_still_without_a_gradient_and_keeps_a_nan() -> None:
    one = optimizer("lion", {"lr": 0.1})
    scalars = map(np.asarray, one.scalars(0.1, 1).values())
    given = [np.array([1.0, 1.0]), np.array([0.0, np.nan]), np.zeros(2), *scalars]
    p, m = evaluate(one.update(), given, "float64", (2,))
    assert p[0] == 1
    assert np.isnan(p[1])
    assert np.isnan(m[1])


def test_a_rule_goes_down_its_objective() -> None:
    rules = [kind for kind in Optimizer.kinds.values() if issubclass(kind, Rule)]
    assert {rule.kind for rule in rules} == {"perceptron", "delta", "hebbian", "oja"}
    for rule in rules:
        assert rule().update() == optimizer("sgd", {}).update()
    assert not rules[0](lr=0.5).states


def test_settings_share_a_formula() -> None:
    assert optimizer("adam", {}).text == optimizer("adam", {"lr": 0.5, "beta1": 0.5, "epsilon": 0.1}).text
    assert optimizer("sgd", {}).states == ()
    assert optimizer("sgd", {"momentum": 0.9}).states == ("v",)
    assert optimizer("adamw", {}).states == ("m", "v")


def test_a_bare_number_is_the_learning_rate() -> None:
    assert {kind.main_field() for kind in Optimizer.kinds.values()} == {"lr"}


@pytest.mark.parametrize("fields", [{"momentum": 1.0}, {"momentum": -0.1}, {"lr": -1.0}, {"nesterov": True}])
def test_settings_that_make_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"momentum|lr"):
        optimizer("sgd", fields)


@pytest.mark.parity
@each_setting
def test_same_as_pytorch(kind: str, fields: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    o = torch.optim
    theirs = {
        "sgd": o.SGD, "adam": o.Adam, "adamw": o.AdamW, "rmsprop": o.RMSprop, "adagrad": o.Adagrad,
        "adadelta": o.Adadelta,
    }.get(kind)  # fmt: skip
    if theirs is None:
        assert kind == "lion"
        pytest.skip(f"PyTorch has no {kind}")
    names = {"epsilon": "eps", "rho": "alpha" if kind == "rmsprop" else "rho"}
    settings = {names.get(key, key): value for key, value in fields.items() if key not in ("beta1", "beta2")}
    if "beta1" in fields:
        settings["betas"] = (fields["beta1"], fields["beta2"])
    p = torch.tensor(START, dtype=torch.float32, requires_grad=True)
    steps = theirs([p], **settings)
    for t in range(1, STEPS + 1):
        p.grad = torch.tensor(gradient(p.detach().numpy(), t).astype("float32"))
        steps.step()
    ours = trained(optimizer(kind, fields), START, "float32")
    np.testing.assert_allclose(ours, p.detach().numpy(), rtol=1e-5, atol=1e-5)
