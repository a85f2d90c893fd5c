from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.metrics import Metric
from netspec.catalog.schedules import Schedule


def contributions(kind: str, output: Any, target: Any, **cuts: float) -> tuple[np.ndarray, Metric]:
    metric = Metric.kinds[kind]()
    assert isinstance(metric, Metric)
    bench, output, target = Bench(training=False), np.asarray(output, float), np.asarray(target)
    y = bench.input("y", *output.shape[1:])
    t = bench.input("t", *target.shape[1:], dtype="float32" if target.dtype.kind == "f" else "uint8")
    return bench.value(metric.build(bench.scope, y, t, **cuts), y=output, t=target), metric


def test_accuracy_takes_the_largest() -> None:
    scores = [[0.1, 0.7, 0.2], [2.0, -1.0, 0.0], [0.0, 0.0, 1.0]]
    found, metric = contributions("accuracy", scores, [1, 2, 2])
    assert found.tolist() == [1, 0, 1]
    assert metric.finish(found.sum(), 3) == pytest.approx(2 / 3)
    assert metric.better == "higher"


def test_accuracy_of_equal_scores_and_nan() -> None:
    scores = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [np.nan, 0.0, 1.0], [np.nan, np.nan, np.nan]]
    assert contributions("accuracy", scores, [0, 1, 0, 0])[0].tolist() == [1, 0, 0, 0]


def test_accuracy_against_one_hot_numbers() -> None:
    assert contributions("accuracy", [[0.1, 0.9], [0.8, 0.2]], [[0.0, 1.0], [0.0, 1.0]])[0].tolist() == [1, 0]


def test_accuracy_of_one_output() -> None:
    outputs = [[-0.2], [0.3], [0.7], [0.0]]
    numbers = [[0.0], [0.0], [1.0], [1.0]]
    assert contributions("accuracy", outputs, numbers)[0].tolist() == [1, 1, 1, 0]
    assert contributions("accuracy", outputs, numbers, cut=0.0)[0].tolist() == [1, 0, 1, 1]
    assert contributions("accuracy", outputs, [0, 0, 1, 1], cut=0.0)[0].tolist() == [1, 0, 1, 1]


def test_accuracy_of_values_minus_one_and_one() -> None:
    found, _ = contributions("accuracy", [[-0.2], [0.3]], [[-1.0], [-1.0]], cut=0.0, middle=0.0)
    assert found.tolist() == [1, 0]


def test_rmse() -> None:
    output, target = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0, 1.0], [0.0, 1.0]])
    found, metric = contributions("rmse", output, target)
    np.testing.assert_allclose(found, ((output - target) ** 2).mean(axis=1))
    assert metric.finish(found.sum(), 2) == pytest.approx(np.sqrt(((output - target) ** 2).mean()))
    assert metric.better == "lower"


def test_constant_schedule() -> None:
    schedule = Schedule.kinds["constant"]()
    assert isinstance(schedule, Schedule)
    assert schedule.factor(100, 3, 1000) == 1.0


def test_the_catalog_loads_nothing_heavy() -> None:
    families = ["activations", "initializers", "layers", "losses", "metrics", "optimizers", "schedules"]
    imports = "".join(f"import netspec.catalog.{family}; " for family in families)
    heavy = "import sys; print([m for m in ('numpy', 'numba', 'llvmlite', 'sklearn') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", imports + heavy], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
