"""Sources: what they describe is what they open, and every damaged file is told by name."""

from __future__ import annotations

import gzip
import logging
import struct
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data import fieldtype
from netspec.data.paths import FilePaths
from netspec.data.source import Source
from netspec.data.sources.csv import Csv
from netspec.data.sources.idx import Idx
from netspec.data.sources.logic import Logic
from netspec.data.sources.mnist import Mnist
from netspec.data.sources.npz import Npz
from netspec.data.sources.random import Random, RandomCategory
from netspec.data.sources.rows import Rows
from netspec.data.sources.sklearn import Sklearn
from netspec.data.table import Table

Fault = Callable[[Callable[[], object]], tuple[str, str]]

DESCRIBED: list[Source] = [
    *(Sklearn(name=name) for name in ("digits", "iris", "wine", "breast_cancer", "diabetes")),
    *(Logic(gate=gate) for gate in ("and", "or", "nand", "nor", "xor", "xnor", "implies", "not")),
    Random(rows=20, fields={"board": (5, 5, 3), "move": RandomCategory(category=300), "far": (2,)}),
    Rows(rows=({"x": (0.35, 0.9), "answer": (0.5,)},)),
]


def idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], code: int = 8) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("source", DESCRIBED, ids=lambda s: f"{s.kind}-{getattr(s, 'name', getattr(s, 'gate', ''))}")
def test_described_is_opened(source: Source, tmp_path: Path) -> None:
    table = source.open(tmp_path)
    assert table.types == source.describe(tmp_path)
    for name, column in table.columns.items():
        assert column.dtype == table.types[name].dtype
        assert column.shape == (table.rows, *(table.types[name].shape or ()))
    assert list(table.splits) == ["train"]
    assert table.fingerprint == source.open(tmp_path).fingerprint


def test_every_registered_source_is_documented() -> None:
    assert set(Source.kinds) >= {"csv", "idx", "logic", "mnist", "npz", "random", "rows", "sklearn"}
    for kind in Source.kinds.values():
        assert kind.__doc__
        assert all(field.description for field in kind.model_fields.values())


def test_digits() -> None:
    table = Sklearn(name="digits").open(Path())
    assert table.rows == 1797
    assert table.columns["image"].max() == 16
    assert np.bincount(table.columns["label"]).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_tables_of_scikit_learn_agree_with_it() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    for name in ("iris", "wine", "breast_cancer"):
        table, theirs = Sklearn(name=name).open(Path()), getattr(datasets, f"load_{name}")()
        assert np.array_equal(table.columns["x"], theirs.data.astype(np.float32))
        assert np.array_equal(table.columns["label"], theirs.target)
        assert table.types["label"].classes == tuple(theirs.target_names)
    raw = datasets.load_diabetes(scaled=False)
    table = Sklearn(name="diabetes").open(Path())
    assert np.array_equal(table.columns["x"], raw.data.astype(np.float32))
    assert np.array_equal(table.columns["target"][:, 0], raw.target)


def test_xor_is_the_truth_table() -> None:
    table = Logic(gate="xor").open(Path())
    assert table.columns["x"].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert table.columns["answer"].tolist() == [[0], [1], [1], [0]]
    assert Logic(gate="not").open(Path()).columns["x"].tolist() == [[0], [1]]


def test_random_fields_keep_their_numbers() -> None:
    one = Random(rows=4, fields={"a": (2,)}, seed=3).open(Path())
    two = Random(rows=4, fields={"b": (1,), "a": (2,)}, seed=3).open(Path())
    assert np.array_equal(one.columns["a"], two.columns["a"])
    assert not np.array_equal(one.columns["a"], Random(rows=4, fields={"a": (2,)}).open(Path()).columns["a"])


def test_rows_must_agree(fault: Fault) -> None:
    code, text = fault(lambda: Rows(rows=({"x": (1,)}, {"x": (1, 2)})).describe(Path()))
    assert code == "unequal-columns"
    assert "row 2" in text


@pytest.fixture
def small_idx(tmp_path: Path) -> Path:
    pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    (tmp_path / "train-x").write_bytes(idx(pixels))
    (tmp_path / "train-y").write_bytes(idx(np.array([0, 2, 1, 2, 0], np.uint8)))
    (tmp_path / "test-x.gz").write_bytes(gzip.compress(idx(pixels[:2] + 100)))
    (tmp_path / "test-y.gz").write_bytes(gzip.compress(idx(np.array([1, 1], np.uint8))))
    return tmp_path


SPLIT_IDX: dict[str, FilePaths] = {
    "x": {"train": "train-x", "test": "test-x.gz"},
    "y": {"train": "train-y", "test": "test-y.gz"},
}


def test_idx(small_idx: Path) -> None:
    table = Idx(fields=SPLIT_IDX).open(small_idx)
    assert table.types == {"x": fieldtype.image(4, 3, 1), "y": fieldtype.category(("0", "1", "2"))}
    assert table.splits == {"train": range(5), "test": range(5, 7)}
    assert table.columns["x"][5, 0, :, 0].tolist() == [100, 101, 102]
    assert table.place(6) == "test-x.gz, row 2"


def test_idx_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(idx(np.array([[1.5, 2], [3, 4]], ">f4"), code=13))
    table = Idx(fields={"f": "f"}).open(tmp_path)
    assert table.types == {"f": fieldtype.number(2)}
    assert table.columns["f"].tolist() == [[1.5, 2], [3, 4]]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "wrong-magic", "train-x is no IDX file: it is empty"),
        (b"\x89PNG....", "wrong-magic", "it is a picture"),
        (b"\x89ABC....", "wrong-magic", "begins with 89 41 42 43"),
        (
            idx(np.zeros((5, 4, 3), np.uint8))[:-7],
            "truncated-file",
            "train-x holds 69 bytes, and its header announces 76",
        ),
        (idx(np.zeros((5, 4, 3), np.uint8))[:9], "truncated-file", "train-x holds 9 bytes"),
        # The time in gzip's header would give each worker of the tests another name for this case.
        (
            gzip.compress(idx(np.zeros((5, 4, 3), np.uint8)), mtime=0)[:-12],
            "truncated-file",
            "train-x cannot be unpacked",
        ),
        (idx(np.zeros((4, 4, 3), np.uint8)), "unequal-rows", "`x` has 4 rows in `train`, and `y` has 5"),
    ],
)
def test_damaged_idx(small_idx: Path, content: bytes, code: str, words: str, fault: Fault) -> None:
    (small_idx / "train-x").write_bytes(content)
    found, text = fault(lambda: Idx(fields=SPLIT_IDX).open(small_idx))
    assert found == code
    assert words in text


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('\ufeffname,weight,origin\n"a, ""b""",1.5,usa\nb,,japan\n\nc,-2e3,usa\n', "utf-8")
    table = Csv(path="a.csv").open(tmp_path)
    assert {name: t.kind for name, t in table.types.items()} == {"name": "text", "weight": "number", "origin": "text"}
    assert table.columns["name"].tolist() == ['a, "b"', "b", "c"]
    assert np.array_equal(table.columns["weight"], [1.5, np.nan, -2000], equal_nan=True)
    assert [table.place(row) for row in range(3)] == ["a.csv, line 2", "a.csv, line 3", "a.csv, line 5"]


def test_csv_by_split_and_pattern(tmp_path: Path) -> None:
    for name, text in {"a1": "x,y\n1,2\n3,4\n", "a2": "y,x\n6,5\n", "b": "x,y\n7,8\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    table = Csv(path={"train": "a*.csv", "test": "b.csv"}).open(tmp_path)
    assert table.columns["x"].tolist() == [1, 3, 5, 7]
    assert table.splits == {"train": range(3), "test": range(3, 4)}
    assert table.place(2) == "a2.csv, line 2"
    assert table.place(3) == "b.csv, line 2"
    assert Csv(path=("b.csv", "a1.csv")).open(tmp_path).columns["x"].tolist() == [7, 1, 3]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "no-rows", "a.csv is empty"),
        (b"x,y\n", "no-rows", "a.csv has no rows below its header"),
        (b"1,2\n3,4\n", "no-header", "its first line holds only numbers"),
        (b"x,\n3,4\n", "no-header", "column 2 has no name"),
        (b"x,x\n3,4\n", "duplicate-column", "columns 1 and 2 are both called `x`"),
        (b"x,y\n3,4\n3\n", "ragged-row", "a.csv, line 3: 1 cell, and the header names 2 columns"),
        (b"x,y\n3,\xff\n", "not-utf8", "a.csv is not UTF-8"),
        (b'x,y\n3,"4\n', "bad-csv", "a.csv, line 2"),
    ],
)
def test_damaged_csv(tmp_path: Path, content: bytes, code: str, words: str, fault: Fault) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    found, text = fault(lambda: Csv(path="a.csv").open(tmp_path))
    assert found == code
    assert words in text


def test_missing_files(tmp_path: Path, fault: Fault) -> None:
    code, text = fault(lambda: Csv(path="mpg.csv").open(tmp_path))
    assert code == "missing-file"
    assert "there is no file `mpg.csv`" in text
    assert str(tmp_path) in text
    assert "no file matches `*.csv`" in fault(lambda: Csv(path="*.csv").open(tmp_path))[1]
    (tmp_path / "sub").mkdir()
    assert "`sub` is a folder" in fault(lambda: Csv(path="sub").open(tmp_path))[1]
    assert fault(lambda: Csv(path={"tset": "a"}).open(tmp_path))[0] == "unknown-split"


def test_npz(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        image=np.zeros((4, 2, 3, 1), np.uint8),
        x=np.ones((4, 2)),
        label=np.array([0, 3, 1, 1]),
        year=np.array([1.5, 2, 3, 4]),
        word=np.array(["a", "b", "a", "c"]),
    )
    table = Npz(path="a.npz").open(tmp_path)
    assert {name: str(t) for name, t in table.types.items()} == {
        "image": "image [2, 3, 1]",
        "x": "number [2]",
        "label": "category [] of 4",
        "year": "number []",
        "word": "text []",
    }
    assert table.columns["x"].dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "code", "words"),
    [
        ({"x": np.ones(3), "y": np.ones(4)}, "unequal-rows", "`x` has 3, `y` has 4"),
        ({"x": np.array([{}, {}])}, "bad-npz", "the array `x` of a.npz holds Python objects"),
        ({"x": np.array(3.0)}, "bad-npz", "single value"),
        ({"x": np.ones(2, complex)}, "bad-npz", "neither numbers nor text"),
        ({}, "no-rows", "holds no arrays"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, Any], code: str, words: str, fault: Fault) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    found, text = fault(lambda: Npz(path="a.npz").open(tmp_path))
    assert found == code
    assert words in text


def test_what_is_no_npz(tmp_path: Path, fault: Fault) -> None:
    for content, code in ((b"", "wrong-magic"), (b"PK\x03\x04 torn", "truncated-file"), (b"hello", "wrong-magic")):
        (tmp_path / "a.npz").write_bytes(content)
        assert fault(lambda: Npz(path="a.npz").open(tmp_path))[0] == code
    np.save(tmp_path / "b.npy", np.ones(3))
    assert fault(lambda: Npz(path="b.npy").open(tmp_path))[0] == "wrong-magic"


def test_absent_mnist_says_where_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path / "data"))
    code, text = fault(lambda: Mnist().open(tmp_path, offline=True))
    assert code == "data-absent"
    assert "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz" in text
    assert str(tmp_path / "data" / "mnist") in text
    assert "--offline" in text


class FakePooch:
    """Answers like pooch; ``files`` are what the net holds."""

    __spec__ = ModuleSpec("pooch", None)

    def __init__(self, files: dict[str, bytes] | None) -> None:
        self.files = files

    def get_logger(self) -> logging.Logger:
        return logging.getLogger("pooch")

    def retrieve(self, url: str, known_hash: str, fname: str, path: Path, progressbar: bool) -> str:
        assert known_hash.startswith("sha256:")
        if self.files is None:
            raise ValueError(f"SHA256 hash of downloaded file ({fname}) does not match the known hash")
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_bytes(self.files[fname])
        return str(path / fname)


def test_download(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", FakePooch(None))
    code, text = fault(lambda: Mnist().open(tmp_path))
    assert code == "download-failed"
    assert "does not match" in text
    images, labels = (
        gzip.compress(idx(np.zeros((10, 28, 28), np.uint8))),
        gzip.compress(idx(np.arange(10, dtype=np.uint8))),
    )
    files = {f"{part}-images-idx3-ubyte.gz": images for part in ("train", "t10k")}
    files |= {f"{part}-labels-idx1-ubyte.gz": labels for part in ("train", "t10k")}
    monkeypatch.setitem(sys.modules, "pooch", FakePooch(files))
    assert Mnist().open(tmp_path).rows == 20
    assert Mnist().open(tmp_path, offline=True).rows == 20
    assert (cache / "data" / "mnist" / "train-images-idx3-ubyte.gz").is_file()


def test_what_is_not_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    for part in ("train", "t10k"):
        (tmp_path / "mnist" / f"{part}-images-idx3-ubyte").write_bytes(idx(np.zeros((3, 28, 27), np.uint8)))
        (tmp_path / "mnist" / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.array([0, 1, 9], np.uint8)))
    code, text = fault(lambda: Mnist().open(tmp_path))
    assert code == "wrong-data"
    assert "image [28, 27, 1]" in text


@pytest.mark.data
def test_mnist(real_data: Path) -> None:
    table: Table = Mnist().open(Path())
    assert table.types == Mnist().describe(Path())
    assert table.splits == {"train": range(60000), "test": range(60000, 70000)}
    assert table.columns["label"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert round(float(table.columns["image"][:60000].mean()), 2) == 33.32
    again = Mnist().open(Path())
    assert again.fingerprint == table.fingerprint
    assert np.array_equal(again.columns["image"], table.columns["image"])
