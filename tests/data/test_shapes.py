"""Drawn pictures with sentences: what a sentence says is what the picture shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.data.sources.shapes import _COLOURS, Shapes

TABLE = Shapes(rows=400, seed=3).open(Path())


def pixels(row: int, colour: str) -> np.ndarray:
    """Where a picture has a colour, ``[pixels, (y, x)]``."""
    return np.argwhere((TABLE.columns["image"][row] == _COLOURS[colour]).all(axis=-1))


def test_every_sentence_tells_its_picture() -> None:
    told = {"left of": 1, "above": 0}
    seen = set()
    for row, sentence in enumerate(TABLE.columns["sentence"].tolist()):
        relation = next((word for word in told if word in sentence), "")
        seen.add(relation)
        parts = [part.split() for part in (sentence.split(relation) if relation else [sentence])]
        colours = [part[2] for part in parts]
        for _, size, colour, form in parts:
            found = pixels(row, colour)
            assert len(found), sentence
            if len(set(colours)) == len(colours):
                height, width = np.ptp(found, axis=0) + 1
                assert (max(height, width) > 9) == (size == "large"), sentence
                share = len(found) / (height * width)
                assert (share == 1) == (form == "square"), sentence
                middle = (found[:, 0].min() + found[:, 0].max()) / 2
                upper = np.count_nonzero(found[:, 0] < middle)
                lower = np.count_nonzero(found[:, 0] > middle)
                assert (1.5 * upper < lower) == (form == "triangle"), sentence
        if relation and colours[0] != colours[1]:
            first, second = (pixels(row, colour)[:, told[relation]] for colour in colours)
            assert first.max() < second.min(), sentence
            # Nor could the other relation be told: along the other axis neither ends before the other begins.
            first, second = (pixels(row, colour)[:, 1 - told[relation]] for colour in colours)
            assert min(first.max(), second.max()) - max(first.min(), second.min()) >= -2, sentence
    assert seen == {"", *told}


def test_rows_and_seeds() -> None:
    assert TABLE.columns["image"].shape == (400, 32, 32, 3)
    assert dict(TABLE.types) == Shapes(rows=400).describe(Path())
    assert Shapes(rows=400, seed=3).open(Path()).fingerprint == TABLE.fingerprint
    assert Shapes(rows=400, seed=4).open(Path()).fingerprint != TABLE.fingerprint
    words = {word for sentence in TABLE.columns["sentence"].tolist() for word in sentence.split()}
    assert len(words) == 1 + 2 + 6 + 3 + len(["left", "of", "above"])
    assert Shapes(rows=2, size=64).open(Path()).columns["image"].shape == (2, 64, 64, 3)


@pytest.mark.parametrize("settings", [{"rows": 0}, {"rows": 1, "size": 8}])
def test_sizes_that_cannot_be(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="greater than or equal"):
        Shapes.model_validate(settings)
