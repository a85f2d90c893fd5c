"""Hebb's rule stores pairs of patterns, Oja's finds the first principal direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gallery import columns, trained


def test_the_weights_are_the_sum_of_outer_products(tmp_path: Path) -> None:
    found = trained("hebbian/association", tmp_path / "run")
    pairs = columns("hebbian/association")
    kernel = sum(np.outer(cue, partner) for cue, partner in zip(pairs["cue"], pairs["partner"], strict=True)) / 8
    assert np.array_equal(found.weights["memory.kernel"], kernel)
    assert np.array_equal(pairs["cue"] @ kernel, pairs["partner"]), "each cue calls up its partner"


def test_the_direction_is_the_first_eigenvector_within_a_degree(tmp_path: Path) -> None:
    kernel = trained("hebbian/oja", tmp_path / "run").weights["direction.kernel"][:, 0]
    x = columns("hebbian/oja")["x"].astype(np.float64)
    _, directions = np.linalg.eigh(np.cov((x - x.mean(axis=0)) / x.std(axis=0), rowvar=False))
    length = np.linalg.norm(kernel)
    assert abs(length - 1) < 0.01
    assert np.degrees(np.arccos(abs(kernel @ directions[:, -1]) / length)) < 1
