"""Data sets by name: what is told of them, where they are looked for, and how they are fetched."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from netspec.data.cache import data_cache
from netspec.data.known import data_set, data_sets, source_of_file
from netspec.data.locate import Download
from netspec.data.sources.mnist import Mnist
from netspec.diagnostics import ChoiceError

Fault = Callable[[Callable[[], object]], tuple[str, str]]


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name that the base gives it
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Download]]:
    """A small MNIST on a server of this machine, and the folder that it serves."""
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    folder = tmp_path / "served"
    folder.mkdir()
    for part, rows in (("train", 12), ("t10k", 4)):
        images = np.arange(rows * 28 * 28).astype(np.uint8).reshape(rows, 28, 28)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(rows, dtype=np.uint8) * 9 // (rows - 1)))
    names = [f"{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        urls = ("http://127.0.0.1:1/", f"http://127.0.0.1:{server.server_port}/")  # nobody listens at the first
        download = Download("mnist", digests, urls, sum(f.stat().st_size for f in folder.iterdir()), "none")
        monkeypatch.setattr(Mnist, "download", download)
        yield folder, download
        server.shutdown()
        thread.join()


def test_every_data_set_tells_its_fields_and_rows() -> None:
    found = {known.name: known.facts() for known in data_sets()}
    assert {"mnist", "sklearn: iris", "logic: xor", "playground: spiral"} <= found.keys()
    assert not any(name.startswith(("csv", "function", "random", "rows")) for name in found)
    assert all(facts["fields"] and facts["rows"]["train"] > 1 for facts in found.values())
    assert found["mnist"]["rows"] == {"train": 60_000, "test": 10_000}
    assert found["sklearn: iris"]["fields"]["label"] == {"type": "category", "shape": [], "size": 3}
    assert "x1" not in found["playground: xor"]["fields"]


@pytest.mark.parametrize("known", [k for k in data_sets() if k.source.comes_along], ids=lambda known: known.name)
def test_rows_are_as_many_as_told(known: object, tmp_path: Path) -> None:
    source = known.source  # type: ignore[attr-defined]  a parameter of pytest
    assert {name: len(rows) for name, rows in source.open(tmp_path).splits.items()} == source.sizes()


@pytest.mark.parametrize(
    ("name", "found"),
    [("mnist", "mnist"), ("iris", "sklearn: iris"), ("sklearn:iris", "sklearn: iris"), ("logic: xor", "logic: xor")],
)
def test_names(name: str, found: str) -> None:
    assert data_set(name).name == found


@pytest.mark.parametrize(
    ("name", "words"),
    [("xor", "`xor` could be `logic: xor`, `playground: xor`"), ("irs", "did you mean `iris`?"), ("?", "lists them")],
)
def test_names_of_none_or_several(name: str, words: str) -> None:
    with pytest.raises(ChoiceError) as raised:
        data_set(name)
    assert words in raised.value.render()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"), ("a.tsv", "csv"), ("a.npz", "npz"), ("a.npy", "npy"), ("a.parquet", "parquet"),
        ("train-images-idx3-ubyte.gz", "idx"), ("train.idx", "idx"), ("a.zip", "images"),
        ("a.txt", "lines"),
        ("a.doc", None),
    ],
)  # fmt: skip
def test_files_by_their_names(name: str, kind: str | None) -> None:
    source = source_of_file(Path(name))
    assert (source and source.kind) == kind


def test_fetching(served: tuple[Path, Download], tmp_path: Path, cache: Path) -> None:
    pytest.importorskip("pooch")
    _, download = served
    known = data_set("mnist")
    assert known.origin == "absent"
    assert download.fetch() == ()
    assert known.folder == data_cache() / "mnist"
    table = Mnist().open(tmp_path, offline=True)
    assert {name: len(rows) for name, rows in table.splits.items()} == {"train": 12, "test": 4}


def test_what_comes_is_checked(served: tuple[Path, Download], tmp_path: Path, fault: Fault) -> None:
    pytest.importorskip("pooch")
    folder, _ = served
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"other")
    code, text = fault(lambda: Mnist().open(tmp_path))
    assert code == "download-failed"
    assert "SHA256 hash of downloaded file" in text
    assert not (data_cache() / "mnist" / "t10k-labels-idx1-ubyte.gz").exists()
    assert "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz" in text


def test_a_server_that_is_not_found_is_told_whole(monkeypatch: pytest.MonkeyPatch, cache: Path, fault: Fault) -> None:
    words = "Failed to resolve 'data.example' ([Errno -2] Name or service not known)"

    def retrieve(*_: object, **__: object) -> str:
        raise OSError(
            f'HTTPSConnectionPool: retries exceeded (Caused by NameResolutionError("Connection(port=1): {words}"))'
        )

    pytest.importorskip("pooch")
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    monkeypatch.setattr("pooch.retrieve", retrieve)
    code, text = fault(lambda: data_set("mnist").source.open(cache))
    assert code == "download-failed"
    assert f"could not be downloaded: {words}\n" in text


def test_what_is_damaged_in_the_cache_is_fetched_anew(served: tuple[Path, Download]) -> None:
    pytest.importorskip("pooch")
    _, download = served
    download.fetch()
    (data_cache() / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"other")
    assert download.fetch() == ()
    digest = hashlib.sha256((data_cache() / "mnist" / "t10k-labels-idx1-ubyte.gz").read_bytes()).hexdigest()
    assert digest == download.files["t10k-labels-idx1-ubyte.gz"]


def test_the_users_own_folder_goes_first_and_is_left_alone(
    served: tuple[Path, Download], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, download = served
    folder.rename(tmp_path / "mnist")
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path))
    assert data_set("mnist").folder == tmp_path / "mnist"
    assert download.fetch() == ()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"other")
    assert download.fetch() == ("t10k-labels-idx1-ubyte.gz",)
    assert (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").read_bytes() == b"other"


def test_offline_nothing_is_fetched(served: tuple[Path, Download], tmp_path: Path, fault: Fault) -> None:
    code, text = fault(lambda: Mnist().open(tmp_path, offline=True))
    assert code == "data-absent"
    assert "leave out --offline" in text
    assert not (data_cache() / "mnist").exists()
