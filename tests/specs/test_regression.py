"""Regression comes to what closed forms and scikit-learn come to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gallery import columns, trained


def test_the_line_is_that_of_least_squares(tmp_path: Path) -> None:
    found = trained("regression/linear", tmp_path / "run").weights
    data = columns("regression/linear")
    slope, offset = np.polyfit(data["x"][:, 0].astype(np.float64), data["y"][:, 0].astype(np.float64), 1)
    assert found["line.kernel"].item() == pytest.approx(slope, abs=1e-5)
    assert found["line.bias"].item() == pytest.approx(offset, abs=1e-5)


def test_logistic_regression_is_that_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    found = trained("regression/logistic", tmp_path / "run").weights
    data = columns("regression/logistic")
    x = data["x"].astype(np.float64)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(x, data["label"])
    assert found["benign.kernel"][:, 0] == pytest.approx(peer.coef_[0], abs=1e-4)
    assert found["benign.bias"] == pytest.approx(peer.intercept_, abs=1e-4)


def test_two_tanh_units_bound_what_one_line_does_not(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    test = trained("regression/tanh_net", tmp_path / "run").test
    data = columns("regression/tanh_net")
    x, band = data["x"], data["band"][:, 0]
    line = LogisticRegression().fit(x, band).score(x, band)
    assert line == pytest.approx(0.57, abs=0.01)
    assert test is not None
    assert test["accuracy"] > 0.98
