"""By 10 folds the small tables come to at least what scikit-learn's MLP of equal size comes to by the same folds.

Its figures are those of `python -m benchmarks.folds`, which docs/results.md shows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec import api

SPECS = Path(__file__).parents[2] / "specs"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "measure", "peer"),
    [
        ("iris", "accuracy", 0.9667),
        ("wine", "accuracy", 0.9830),
        ("breast_cancer", "accuracy", 0.9789),
        ("diabetes", "rmse", 55.38),
        pytest.param("mpg", "rmse", 2.962, marks=pytest.mark.data),
    ],
)
def test_ten_folds(name: str, measure: str, peer: float, tmp_path: Path) -> None:
    mean = api.train(SPECS / f"{name}.yaml", out=tmp_path / "run", folds=10).summary["test"][measure]
    assert mean >= peer if measure == "accuracy" else mean <= peer
