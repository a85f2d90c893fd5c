from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.catalog.schedules import Moment, Schedule

STEPS, EPOCHS = 40, 8


def schedule(kind: str, **fields: Any) -> Schedule:
    made = Schedule.kinds[kind](**fields)
    assert isinstance(made, Schedule)
    return made


def rates(one: Schedule, lr: float = 0.1, steps: int = STEPS, epochs: int = EPOCHS) -> np.ndarray:
    """The rates of a whole training."""
    each = steps // epochs
    return np.array([one.rate(lr, Moment(i, steps, i // each, epochs)) for i in range(steps)])


ALL: list[tuple[str, dict[str, Any]]] = [
    ("constant", {}),
    ("step", {"at": [2, 5], "factor": 0.5}),
    ("step", {"every": 3}),
    ("exponential", {"factor": 0.8}),
    ("polynomial", {"to": 0.01}),
    ("polynomial", {"power": 2.0}),
    ("cosine", {"to": 0.02}),
    ("one_cycle", {}),
    ("plateau", {}),
]


def test_every_kind_is_here() -> None:
    assert {kind for kind, _ in ALL} == set(Schedule.kinds)


def test_rates_by_hand() -> None:
    epoch, step = np.arange(STEPS) // 5, np.arange(STEPS)
    np.testing.assert_allclose(rates(schedule("constant")), 0.1)
    np.testing.assert_allclose(
        rates(schedule("step", at=[2, 5], factor=0.5)), 0.1 * 0.5 ** ((epoch >= 2) * 1 + (epoch >= 5))
    )
    np.testing.assert_allclose(rates(schedule("step", every=3)), 0.1 * 0.1 ** (epoch // 3))
    np.testing.assert_allclose(rates(schedule("exponential", factor=0.8)), 0.1 * 0.8**epoch)
    np.testing.assert_allclose(rates(schedule("polynomial", to=0.01)), 0.1 - 0.09 * step / STEPS)
    np.testing.assert_allclose(rates(schedule("polynomial", power=2.0)), 0.1 * (1 - step / STEPS) ** 2)
    np.testing.assert_allclose(
        rates(schedule("cosine", to=0.02)), 0.02 + 0.04 * (1 + np.cos(np.pi * step / STEPS)), rtol=1e-12
    )


def test_one_cycle_goes_up_and_down() -> None:
    found = rates(schedule("one_cycle", rise=0.25, start_below=10.0, end_below=100.0))
    assert found[0] == pytest.approx(0.01)
    assert found.max() == pytest.approx(0.1)
    assert int(found.argmax()) == 9
    assert found[-1] == pytest.approx(1e-4)
    assert rates(schedule("one_cycle"), steps=1, epochs=1).shape == (1,)


@pytest.mark.parametrize(("kind", "fields"), ALL, ids=str)
def test_warmup_before_any(kind: str, fields: dict[str, Any]) -> None:
    plain, warm = schedule(kind, **fields), schedule(kind, warmup=5, warmup_epochs=1.0, **fields)
    begin = plain.rate(0.1, Moment(0, STEPS - 10, 0, EPOCHS))
    found = rates(warm)
    np.testing.assert_allclose(found[:10], begin * np.arange(1, 11) / 10, rtol=1e-12)
    # The steps after it are those that the schedule has; epochs stay those of the training.
    after = [plain.rate(0.1, Moment(i, STEPS - 10, (i + 10) // 5, EPOCHS)) for i in range(STEPS - 10)]
    np.testing.assert_allclose(found[10:], after, rtol=1e-12)


@pytest.mark.parametrize(("kind", "fields"), ALL, ids=str)
def test_rates_stay_finite_and_not_below_0_to_the_end_and_beyond(kind: str, fields: dict[str, Any]) -> None:
    one = schedule(kind, warmup=3, **fields)
    for moment in (Moment(STEPS, STEPS, EPOCHS, EPOCHS), Moment(3 * STEPS, STEPS, 30, EPOCHS), Moment(0, 0, 0, 0)):
        assert 0 <= one.rate(0.1, moment) <= 0.1


def told(one: Schedule, values: list[float], *, higher: bool = False) -> list[float]:
    """The rate after each epoch that gave one of ``values``."""
    state, found = {}, []
    for value in values:
        state = dict(one.tell(state, value, higher_is_better=higher))
        found.append(one.rate(1.0, Moment(0, 100), state))
    return found


def test_plateau_waits_then_drops() -> None:
    one = schedule("plateau", factor=0.5, patience=1, threshold=0.0)
    assert told(one, [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0]) == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert told(one, [0.1, 0.2, 0.1, 0.1, 0.3], higher=True) == [1, 1, 1, 0.5, 0.5]
    assert told(schedule("plateau", factor=0.5, patience=0, least=0.3), [1.0] * 5) == [1, 0.5, 0.3, 0.3, 0.3]


def test_plateau_of_improvements_below_the_threshold_and_of_nan() -> None:
    one = schedule("plateau", factor=0.5, patience=0, threshold=0.01)
    assert told(one, [1.0, 0.995, 0.98]) == [1, 0.5, 0.5]
    assert told(one, [float("nan"), 1.0, float("nan")]) == [1, 1, 0.5]


def test_only_plateau_watches() -> None:
    for kind, fields in ALL:
        assert (schedule(kind, **fields).watched is not None) == (kind == "plateau")
    assert schedule("constant").tell({"a": 1.0}, 2.0, higher_is_better=False) == {"a": 1.0}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("step", {}), ("step", {"at": [1], "every": 2}), ("step", {"at": [0]}), ("exponential", {"factor": 1.5}),
     ("cosine", {"warmup": -1}), ("plateau", {"factor": 1.0}), ("one_cycle", {"rise": 1.0})],
)  # fmt: skip
def test_settings_that_make_no_sense(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"step|factor|warmup|rise|at"):
        schedule(kind, **fields)


@pytest.mark.parity
@pytest.mark.parametrize(("kind", "fields"), ALL, ids=str)
def test_same_as_pytorch(kind: str, fields: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    s, by_epoch = torch.optim.lr_scheduler, kind in ("step", "exponential", "plateau")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    values = [3.0, 2.0, *[2.0] * 12, 1.0, *[1.0] * 25]
    makes: dict[str, Any] = {
        "constant": lambda: s.ConstantLR(optimizer, factor=1.0),
        "step": lambda: s.StepLR(optimizer, 3) if "every" in fields else s.MultiStepLR(optimizer, [2, 5], gamma=0.5),
        "exponential": lambda: s.ExponentialLR(optimizer, 0.8),
        "polynomial": lambda: s.PolynomialLR(optimizer, STEPS, power=fields.get("power", 1.0)),
        "cosine": lambda: s.CosineAnnealingLR(optimizer, STEPS, eta_min=0.02),
        "one_cycle": lambda: s.OneCycleLR(optimizer, 0.1, total_steps=STEPS, cycle_momentum=False),
        "plateau": lambda: s.ReduceLROnPlateau(optimizer),
    }
    theirs, ours, state, one = makes[kind](), [], {}, schedule(kind, **fields)
    expected = []
    for i in range(STEPS):
        expected.append(optimizer.param_groups[0]["lr"])
        ours.append(one.rate(0.1, Moment(i, STEPS, i if by_epoch else 0, STEPS), state))
        if kind == "plateau":
            theirs.step(values[i])
            state = dict(one.tell(state, values[i], higher_is_better=False))
        else:
            optimizer.step()
            theirs.step() if i + 1 < STEPS else None
    if fields.get("to") == 0.01:  # PyTorch's goes to 0 only
        expected = [0.01 + 0.9 * lr for lr in expected]
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)
