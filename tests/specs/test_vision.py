"""What filters with given weights see, and how shared weights learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gallery import GALLERY, answers, columns, trained

from netspec import api

GIVEN = ["pooling", "receptive_fields"]
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])


@pytest.mark.parametrize("name", GIVEN)
def test_answers_are_exact_without_training(name: str) -> None:
    evaluated = api.evaluate(GALLERY / "vision" / f"{name}.yaml", check=True)
    assert evaluated.passed, evaluated.expect
    assert evaluated.splits["train"]["loss"] == 0, "every row, to the last bit"


def test_the_place_is_lost_within_a_window_and_no_further() -> None:
    places = [(y, x) for y in range(4) for x in range(4)]
    images = np.zeros((16, 5, 5))
    for image, (y, x) in zip(images, places, strict=True):
        image[y, x] = image[y + 1, x + 1] = 1
    found = answers("vision/pooling", {"image": images.reshape(16, 25), "found": np.zeros((16, 4))})
    assert np.array_equal(found, np.eye(4)[[2 * (y // 2) + x // 2 for y, x in places]])


def patches() -> np.ndarray:
    """What the filter reads at each of the 64 places."""
    image = columns("vision/shared_weights")["image"].reshape(10, 10)
    return np.stack([image[y : y + 3, x : x + 3] for y in range(8) for x in range(8)])


def test_the_gradient_of_a_shared_weight_is_the_sum_over_all_places(tmp_path: Path) -> None:
    first = trained("vision/shared_weights", tmp_path / "one", "train.epochs=1").weights["filter.kernel"]
    errors = columns("vision/shared_weights")["edges"].reshape(64)  # of a filter that answers 0 everywhere
    change = sum(error * patch for error, patch in zip(errors, patches(), strict=True))
    assert np.count_nonzero(change) == 8
    np.testing.assert_allclose(first.reshape(3, 3), 0.01 * change, rtol=1e-6)


def test_the_filter_that_is_learnt_is_the_one_that_found_the_edges(tmp_path: Path) -> None:
    edges = columns("vision/shared_weights")["edges"].reshape(64)
    assert np.array_equal((patches() * SOBEL).sum(axis=(1, 2)), edges)
    found = trained("vision/shared_weights", tmp_path / "run").weights["filter.kernel"]
    np.testing.assert_allclose(found.reshape(3, 3), SOBEL, atol=1e-4)
