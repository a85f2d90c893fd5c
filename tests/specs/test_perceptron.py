"""Rosenblatt's rule comes to rest exactly where a line separates the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gallery import columns, trained


@pytest.mark.parametrize(("name", "target"), [("and", "answer"), ("blobs", "label")])
def test_it_converges_in_finitely_many_updates_then_changes_nothing_more(
    name: str, target: str, tmp_path: Path
) -> None:
    spec = f"perceptron/{name}"
    whole = trained(spec, tmp_path / "whole")
    accuracy = whole.epochs("accuracy")
    rest = accuracy.index(1.0)
    assert 1 < rest < len(accuracy) - 1
    assert accuracy[rest:] == [1.0] * (len(accuracy) - rest)

    # Weights after the last epoch that corrected anything are those of the end, bit for bit.
    early = trained(spec, tmp_path / "early", f"train.epochs={rest}")
    assert all(np.array_equal(early.weights[key], whole.weights[key]) for key in whole.weights)

    # Novikoff 1962: at most (R / margin)^2 corrections, for inputs with a 1 for the bias in a ball of radius R.
    data = columns(spec)
    x = np.column_stack([data["x"], np.ones(len(data["x"]))])
    sides = np.where(data[target][:, 0] > 0, 1, -1)
    w = np.append(whole.weights["dense_1.kernel"], whole.weights["dense_1.bias"])
    # step(0) = 1 is right for a positive row that lies on the line itself: Novikoff needs a line that touches none.
    w[-1] += np.abs(x @ w)[sides < 0].min() / 2
    margin = (sides * (x @ w)).min() / np.linalg.norm(w)
    corrections = sum((1 - share) * len(x) for share in accuracy)
    assert 0 < corrections <= (np.linalg.norm(x, axis=1).max() / margin) ** 2


def test_xor_is_never_more_than_three_quarters_right(tmp_path: Path) -> None:
    accuracy = trained("perceptron/xor", tmp_path / "run").epochs("accuracy")
    assert len(accuracy) == 50
    assert max(accuracy) == 0.75
