"""One hidden layer follows a continuous function everywhere, a discontinuous one in mean square only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gallery import answers, trained


def test_the_sine_is_nowhere_a_hundredth_off(tmp_path: Path) -> None:
    weights = trained("approximation/sine", tmp_path / "run").weights
    # Between the thousand points of training, too.
    x = np.linspace(-np.pi, np.pi, 9_999)[:, None]
    found = answers("approximation/sine", {"x": x, "y": np.sin(x)}, weights)
    assert np.abs(found - np.sin(x)).max() <= 0.01


def test_steeper_units_come_nearer_in_mean_square_but_never_at_the_jumps(tmp_path: Path) -> None:
    mean_squares = []
    for steepness in (5, 20, 80):
        found = trained("approximation/steps", tmp_path / f"{steepness}", f"vars.steepness={steepness}")
        mean_squares.append(found.epochs("rmse")[-1] ** 2)
        assert found.epochs("max_error")[-1] > 0.45, "half a jump, less the gap between two of the points"
    assert mean_squares[1] < 0.75 * mean_squares[0]
    assert mean_squares[2] < 0.75 * mean_squares[1]
