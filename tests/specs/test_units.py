"""Threshold units with given weights compute truth tables exactly, without any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gallery import GALLERY, answers

from netspec import api

UNITS = sorted((GALLERY / "units").glob("*.yaml"))


@pytest.mark.parametrize("spec", UNITS, ids=lambda path: path.stem)
def test_the_table_is_exact_without_training(spec: Path) -> None:
    evaluated = api.evaluate(spec, check=True)
    assert evaluated.passed, evaluated.expect
    assert evaluated.splits["train"]["loss"] == 0, "every row of the table, to the last bit"


def test_the_region_is_the_triangle_at_every_point() -> None:
    # Quarters, which float32 holds and multiplies exactly: points on the edges are decided, too.
    x = np.array([(a, b) for a in range(-4, 24) for b in range(-4, 20)]) / 4
    inside = (x[:, 0] >= 0) & (x[:, 1] >= 0) & (3 * x[:, 0] + 4 * x[:, 1] <= 12)
    found = answers("units/convex_region", {"x": x, "inside": inside[:, None]})
    assert np.array_equal(found[:, 0] == 1, inside)
    assert 0 < inside.sum() < len(inside)
