"""Texts whose first letter is to be told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from netspec.data.sources.recall import Recall


def test_the_first_letter_is_told_and_all_are_drawn_alike() -> None:
    source = Recall(gap=9, rows=4000)
    table = source.open(Path())
    assert dict(table.types) == source.describe(Path())
    texts, classes = table.columns["text"].tolist(), table.types["first"].classes or ()
    assert [classes[code] for code in table.columns["first"]] == [text[0] for text in texts]
    assert {len(text) for text in texts} == {10}
    for place in range(10):
        assert min(Counter(text[place] for text in texts).values()) > 900, place
    same = np.mean([text[0] == text[-1] for text in texts])
    assert same == pytest.approx(0.25, abs=0.03)


def test_the_seed_tells_all() -> None:
    table = Recall(gap=3, rows=20, seed=5).open(Path())
    assert table.fingerprint == Recall(gap=3, rows=20, seed=5).open(Path()).fingerprint
    assert table.fingerprint != Recall(gap=3, rows=20, seed=6).open(Path()).fingerprint
    assert Recall(gap=0, rows=3).open(Path()).columns["text"].tolist() == ["D", "C", "C"]
