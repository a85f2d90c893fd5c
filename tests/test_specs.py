"""Every spec of the gallery is right, and does what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery import GALLERY, SPECS, TRAINED, document_of, is_deep, is_drawn, is_real, named, small, trains_for

from netspec import api
from netspec.compiler.graph import key_of
from netspec.compiler.graph.interpreter import interpret
from netspec.spec.check import check
from netspec.train.engine import Engine
from netspec.train.opening import Opened, open_spec

WORKED = GALLERY / "backprop_example.yaml"


def marked(spec: Path) -> Any:
    marks = trains_for(spec) + [pytest.mark.data] * is_real(spec)
    return pytest.param(spec, id=named(spec), marks=marks)


def marked_small(spec: Path) -> Any:
    return pytest.param(
        spec, id=named(spec), marks=[pytest.mark.data] * is_real(spec) + [pytest.mark.slow] * is_deep(spec)
    )


def test_there_are_specs() -> None:
    assert len(SPECS) >= 4


@pytest.mark.parametrize("spec", SPECS, ids=named)
def test_it_is_valid_without_its_data(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    (checked,) = api.validate([spec])
    assert checked.render() == ""
    assert check(spec).waiting == ()


@pytest.mark.parametrize("spec", SPECS, ids=named)
def test_it_says_what_to_expect(spec: Path) -> None:
    expect = document_of(spec).expect
    counted = is_drawn(spec) and {"parameters", "macs"} <= {fact.name for fact in expect.facts}
    assert expect.metrics or expect.examples or counted, "a spec of the gallery proves itself"
    compiled = api.compile(spec)
    assert compiled.program.counts().parameters != 0
    summary = compiled.summary()
    for fact in expect.facts:
        if fact.name in ("parameters", "macs") and not fact.predict:  # `show` counts as `expect` does
            assert not isinstance(fact.expected, tuple)
            assert fact.expected.holds(summary[fact.name])


@pytest.mark.parametrize("spec", [marked(spec) for spec in TRAINED])
def test_it_does_what_it_says(spec: Path, tmp_path: Path) -> None:
    trained = api.train(spec, out=tmp_path / "run")
    assert trained.status == "finished"
    evaluated = api.evaluate(tmp_path / "run", check=True)
    assert evaluated.expect
    assert evaluated.passed, [held for held in evaluated.expect if held["verdict"] != "ok"]
    test = evaluated.splits.get("test")
    assert trained.summary["test"] == (test and {"loss": test["loss"], **test["metrics"]})


@pytest.mark.parametrize("spec", [marked_small(spec) for spec in SPECS if document_of(spec).losses])
def test_its_gradients_are_those_of_finite_differences(spec: Path) -> None:
    """Of every spec with a loss, and every weight of it; deep networks are made small."""
    checked = api.gradcheck(spec, overrides=small(spec), rows=5 if is_deep(spec) else 17)
    # Threshold units have no gradient.
    text = spec.read_text(encoding="utf-8")
    graded = "activation: step" not in text and "optimizer: {perceptron" not in text
    weights = api.compile(spec, overrides=small(spec)).program.parameters if graded else {}
    wanted = {key for key, weight in weights.items() if weight.trainable}
    assert {row.name for row in checked.rows} == wanted
    assert checked.passed, checked.summary()


# --- the worked example of the courses ---


@pytest.fixture(scope="module")
def worked() -> Opened:
    document = check(WORKED).document
    assert document is not None
    return open_spec(document)


def given_to(opened: Opened, graph: Any, engine: Engine) -> dict[str, Any]:
    """All inputs of a graph, for the one row of the example."""
    given = {f"data.{name}": column for name, column in opened.dataset.columns.items()} | engine.weights()
    given |= {"index": np.zeros(1, np.int64), "optimizer.rate": np.float32(1)}
    assert all(key_of(value) in given for value in graph.inputs), graph.inputs
    return {key: given[key] for key in graph.by_key}


def test_the_numbers_of_the_worked_example(worked: Opened) -> None:
    engine = Engine(worked.program, worked.dataset.columns, worked.constants, seed=0)
    weights = engine.weights()
    x, hidden_kernel, output_kernel = np.array([0.35, 0.9]), weights["hidden.kernel"], weights["output.kernel"]
    hidden = 1 / (1 + np.exp(-(x @ hidden_kernel)))
    output = 1 / (1 + np.exp(-(hidden @ output_kernel)))[0]
    assert hidden == pytest.approx([0.6803, 0.6637], abs=5e-5)
    assert output == pytest.approx(0.6903, abs=5e-5)

    compiled = engine.predict(np.zeros(1, np.int64))
    assert next(iter(compiled.values()))[0, 0] == pytest.approx(output, abs=1e-7)

    # The delta of the output is what its kernel's gradient is made of: gradient = hidden * -delta.
    interpreted = interpret(worked.program.gradient, given_to(worked, worked.program.gradient, engine), np.float64)
    for gradients in (
        {name: interpreted[f"gradient.{name}"] for name in weights},
        engine.gradient(np.zeros(1, np.int64)),
    ):
        delta = -gradients["output.kernel"][:, 0] / hidden
        assert delta == pytest.approx([-0.0407, -0.0407], abs=5e-5)
        # and from there back: delta_h = delta * w * h (1 - h), and the kernel's gradient x * -delta_h.
        back = delta * output_kernel[:, 0] * hidden * (1 - hidden)
        assert gradients["hidden.kernel"] == pytest.approx(-np.outer(x, back), rel=1e-5)
    engine.close()


def test_the_worked_example_after_one_step(worked: Opened) -> None:
    engine = Engine(worked.program, worked.dataset.columns, worked.constants, seed=0)
    rows = np.zeros((1, 1), np.int64)
    stepped = interpret(worked.program.step, given_to(worked, worked.program.step, engine), np.float64)
    loss, _, _ = engine.train(rows, 0, np.ones(1))
    assert loss[0] == pytest.approx(0.5 * (0.5 - 0.6902834929) ** 2, rel=1e-6)
    for name, array in engine.weights().items():
        assert array == pytest.approx(stepped[name], rel=1e-6)
    after = next(iter(engine.predict(np.zeros(1, np.int64)).values()))[0, 0]
    assert after == pytest.approx(0.682019, abs=1e-6)
    engine.close()
