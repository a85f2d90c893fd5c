"""Pairs of small tasks, which are what they say."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from netspec.data.sources.rewriting import Rewriting, Task


def pairs(task: Task, rows: int = 2000, seed: int = 0) -> list[tuple[str, str]]:
    table = Rewriting(task=task, rows=rows, seed=seed).open(Path())
    return list(zip(table.columns["source"].tolist(), table.columns["target"].tolist(), strict=True))


@pytest.mark.parametrize("task", ["reverse", "add", "dates"])
def test_no_source_stands_twice_and_the_seed_tells_all(task: Task) -> None:
    found = pairs(task)
    assert len({source for source, _ in found}) == 2000
    assert found == pairs(task)
    assert found != pairs(task, seed=1)


def test_targets_are_right() -> None:
    assert all(target == source[::-1] and 3 <= len(source) <= 12 for source, target in pairs("reverse"))
    sums = [(source.split("+"), target) for source, target in pairs("add")]
    assert all(int(a) + int(b) == int(target) for (a, b), target in sums)
    for source, target in pairs("dates"):
        day = date.fromisoformat(target)
        assert f"{day.year}" in source
        plain = re.fullmatch(r"(?:(\w+), )?(\d+) (\w+) \d{4}", source)
        if plain:
            assert (int(plain[2]), plain[3]) == (day.day, f"{day:%B}".lower())
            assert plain[1] in (None, f"{day:%A}".lower())
