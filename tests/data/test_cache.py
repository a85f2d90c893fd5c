"""The cache of decoded data: hit while the files are unchanged, made again when they or the entry change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from netspec.data import fieldtype
from netspec.data.cache import cached_table
from netspec.data.table import Place, Table, fingerprint, make_table

Array: TypeAlias = NDArray[Any]


class Decoder:
    """Counts how often it is asked."""

    def __init__(self, rows: int = 3) -> None:
        self.calls, self.rows = 0, rows

    def __call__(self) -> Table:
        self.calls += 1
        columns: dict[str, Array] = {
            "x": np.arange(self.rows * 2, dtype=np.float32).reshape(-1, 2),
            "y": np.zeros(self.rows, np.uint8),
        }
        types = {"x": fieldtype.number(2), "y": fieldtype.category(("a",))}
        splits = {"train": range(2), "test": range(2, self.rows)}
        return make_table(columns, types, splits=splits, places=(Place("f", 0),), origin="f")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f"
    path.write_text("content")
    return path


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_fingerprint_sees_any_value_of_a_large_column(dtype: str) -> None:
    rng = np.random.default_rng(0)
    column = rng.integers(256, size=(1_300_001, 3)).astype(dtype)
    known = fingerprint({"x": column})
    assert fingerprint({"x": column.copy()}) == known
    for place in rng.integers(column.size, size=20):
        changed = column.copy()
        changed.reshape(-1)[place] += 1
        assert fingerprint({"x": changed}) != known
    assert fingerprint({"x": rng.permutation(column)}) != known


@pytest.mark.parametrize("rows", [3, 300_000])  # read, and mapped
def test_second_time_comes_from_the_cache(file: Path, rows: int) -> None:
    decode = Decoder(rows)
    one, two = cached_table("t", [file], decode), cached_table("t", [file], decode)
    assert decode.calls == 1
    assert (two.types, two.splits, two.places, two.fingerprint) == (one.types, one.splits, one.places, one.fingerprint)
    assert all(np.array_equal(one.columns[name], two.columns[name]) for name in one.columns)
    assert list(two.columns) == list(one.columns)


def test_changed_file_replaces_the_entry(file: Path, cache: Path) -> None:
    decode = Decoder()
    cached_table("t", [file], decode)
    os.utime(file, ns=(1, 1))
    cached_table("t", [file], decode)
    assert decode.calls == 2
    assert len(list((cache / "data").iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "x.npy").write_bytes((entry / "x.npy").read_bytes()[:-4]),
        lambda entry: (entry / "x.npy").write_bytes((entry / "x.npy").read_bytes()[:-1] + b"?"),
        lambda entry: (entry / "x.npy").write_bytes(b""),
        lambda entry: np.save(entry / "x.npy", np.ones((3, 2))),
        lambda entry: (entry / "y.npy").unlink(),
        lambda entry: (entry / "table.json").write_text('{"columns": '),
        lambda entry: (entry / "table.json").write_text("[]"),
        lambda entry: (entry / "table.json").unlink(),
    ],
)
def test_damaged_entry_is_made_again(file: Path, cache: Path, damage: object) -> None:
    decode = Decoder()
    cached_table("t", [file], decode)
    (entry,) = (cache / "data").iterdir()
    assert callable(damage)
    damage(entry)
    assert cached_table("t", [file], decode).columns["x"].tolist() == [[0, 1], [2, 3], [4, 5]]
    cached_table("t", [file], decode)
    assert decode.calls == 2


def test_cache_that_cannot_be_written_costs_only_time(file: Path, cache: Path) -> None:
    cache.write_text("a file where the folder would be")
    decode = Decoder()
    assert cached_table("t", [file], decode).rows == 3
    assert cached_table("t", [file], decode).rows == 3
    assert decode.calls == 2


def test_processes_fill_it_at_once(file: Path, cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "from tests.data.test_cache import Decoder\n"
        "from netspec.data.cache import cached_table\n"
        "print(cached_table('t', [Path(sys.argv[1])], Decoder(200_000)).fingerprint)"
    )
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", code, str(file), root]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = {process.communicate()[0] for process in running}
    assert len(outputs) == 1
    assert all(process.returncode == 0 for process in running)
    assert len(list((cache / "data").iterdir())) == 1
