"""Public sets of pictures: where they are looked for, what is in them, and what is told of other files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netspec.data.dataset import open_data
from netspec.data.fields.image import Image
from netspec.data.known import data_set
from netspec.data.section import DataSection
from netspec.data.sources.cifar10 import Cifar10
from netspec.data.splits import Split

Pillow = pytest.importorskip("PIL.Image")
Fault = Callable[[Callable[[], object]], tuple[str, str]]


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set with two pictures of each class, whose rows are told to be as many."""
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path))
    monkeypatch.setattr(Cifar10, "rows", {"train": 20, "test": 20})
    (tmp_path / "cifar10").mkdir()
    for split in ("train", "test"):
        with zipfile.ZipFile(tmp_path / "cifar10" / f"{split}.zip", "w") as archive:
            for number in range(2):
                for code, label in enumerate(Cifar10.classes):
                    pixels = np.full((32, 32, 3), 20 * code + number, np.uint8)
                    archive.writestr(f"{split}/{label}/{number:04}.jpg", jpeg(pixels))
    return tmp_path / "cifar10"


def test_rows_go_by_class_and_number(small: Path) -> None:
    table = Cifar10().open(Path())
    assert dict(table.types) == Cifar10().describe(Path())
    assert table.splits == {"train": range(20), "test": range(20, 40)}
    assert table.columns["label"].tolist() == [code for _ in range(2) for code in range(10) for _ in range(2)]
    assert np.abs(table.columns["image"][7].astype(int) - 61).max() <= 2  # JPEG is not exact
    assert table.place(27) == "test.zip/test/cat, row 2"
    assert table.fingerprint == Cifar10().open(Path()).fingerprint


def test_it_is_decoded_once(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Cifar10().open(Path()).fingerprint
    monkeypatch.setattr("netspec.data.pictures.known.list_pictures", None)
    assert Cifar10().open(Path()).fingerprint == known


def test_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path))
    for offline in (True, False):
        code, text = fault(lambda offline=offline: Cifar10().open(Path(), offline=offline))
        assert code == "data-absent"
        assert f"put train.zip, test.zip into {tmp_path / 'cifar10'}: they are made of" in text
        assert "offline" not in text
    assert data_set("cifar10").facts()["urls"] == []


def test_other_files_are_told(small: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    assert Cifar10.download.fetch() == ("train.zip", "test.zip")
    monkeypatch.setattr(Cifar10, "rows", {"train": 50_000, "test": 10_000})
    code, text = fault(lambda: Cifar10().open(Path()))
    assert code == "wrong-data"
    assert "20 rows of `train`" in text


def test_a_damaged_archive_is_told(small: Path, fault: Fault) -> None:
    content = (small / "test.zip").read_bytes()
    (small / "test.zip").write_bytes(content[: len(content) // 2])
    assert fault(lambda: Cifar10().open(Path()))[0] == "truncated-file"
    (small / "test.zip").write_bytes(b"<html>")
    assert fault(lambda: Cifar10().open(Path()))[0] == "wrong-magic"


def test_pillow_is_named_where_it_is_missing(small: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr("netspec.data.pictures.decode.find_spec", lambda name: None)
    code, text = fault(lambda: Cifar10().open(Path()))
    assert code == "missing-package"
    assert "netspec[data]" in text


@pytest.mark.data
def test_the_whole_set(tmp_path: Path) -> None:
    words: list[str] = []
    table = Cifar10().open_told(tmp_path, words.append)
    assert all(word.startswith("decoding 60,000 pictures, first time only: ") for word in words)
    assert np.bincount(table.columns["label"]).tolist() == [6000] * 10
    section = DataSection(
        source=Cifar10(),
        fields={"pixels": Image(of="image", standardize=True)},
        split=Split(validation=5000, stratify="label"),
    )
    data = open_data(section, tmp_path, 0, table=table)
    assert np.bincount(data.columns["label"][data.splits["validation"]]).tolist() == [500] * 10
    whole = open_data(section.model_copy(update={"split": Split()}), tmp_path, 0, table=table)
    inputs = open_data(DataSection(source=Cifar10(), standardize=True), tmp_path, 0, inputs=("image",), table=table)
    for fitted in (whole.fitted.fields["pixels"], inputs.fitted.fields["image"]):  # of each channel apart
        assert fitted.offset is not None
        assert fitted.scale is not None
        assert fitted.offset.shape == (1, 1, 3)
        assert fitted.offset.reshape(-1) == pytest.approx([125.27, 122.93, 113.86], abs=0.005)
        assert 1 / fitted.scale.reshape(-1) == pytest.approx([62.53, 61.91, 66.46], abs=0.005)
