"""Pictures in folders and archives: which are found, how they are read, and what is told of those that cannot be."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest

from netspec.data import fieldtype
from netspec.data.dataset import Dataset, open_data
from netspec.data.known import source_of_file
from netspec.data.pictures import archive, decode
from netspec.data.section import DataSection, Stream
from netspec.data.sources.images import Images
from netspec.data.splits import Split
from netspec.diagnostics import Report
from netspec.memory import Room

Pillow = pytest.importorskip("PIL.Image")
Fault = Callable[[Callable[[], object]], tuple[str, str]]


def picture(value: int | tuple[int, ...] = 0, size: tuple[int, int] = (4, 3), mode: str = "L", **more: Any) -> bytes:
    """A picture of one colour; ``size`` is height and width."""
    file = io.BytesIO()
    Pillow.new(mode, size[::-1], value).save(file, more.pop("format", "PNG"), **more)
    return file.getvalue()


def lay_out(root: Path, files: Mapping[str, bytes], *, packed: bool) -> str:
    """Write files into a folder or an archive; what a spec calls it."""
    if packed:
        with zipfile.ZipFile(root / "all.zip", "w") as out:
            for name, content in files.items():
                out.writestr(name, content)
        return "all.zip"
    for name, content in files.items():
        path = root / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(content)
    return "all"


both = pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
PETS = {
    "dog/2.png": picture(4), "cat/b.png": picture(2), "cat/a.png": picture(1), "dog/deep/1.PNG": picture(5),
    ".DS_Store": b"", "__MACOSX/cat/._a.png": b"", "cat/.hidden.png": b"", "README": b"", "cat/notes.txt": b"",
}  # fmt: skip


@both
def test_a_folder_a_class(tmp_path: Path, packed: bool) -> None:
    table = Images(path=lay_out(tmp_path, PETS, packed=packed)).open(tmp_path)
    assert table.types == {"image": fieldtype.image(4, 3, 1), "label": fieldtype.category(("cat", "dog"))}
    assert table.columns["image"][:, 0, 0, 0].tolist() == [1, 2, 4, 5]
    assert table.columns["label"].tolist() == [0, 0, 1, 1]
    assert table.splits == {"train": range(4)}
    assert table.place(1) == f"all{'.zip' * packed}/cat, row 2"


SPLIT = {
    "train/cat/1.png": picture(1), "train/dog/1.png": picture(2), "test/dog/1.png": picture(4),
    "validation/cat/1.png": picture(3),
}  # fmt: skip


@both
def test_folders_name_splits_first(tmp_path: Path, packed: bool) -> None:
    path = lay_out(tmp_path, SPLIT, packed=packed)
    table = Images(path=path, folders=("split", "class")).open(tmp_path)
    assert table.columns["image"][:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert table.columns["label"].tolist() == [0, 1, 0, 1]
    assert table.splits == {"train": range(2), "validation": range(2, 3), "test": range(3, 4)}
    by_path = {"train": f"{path}/train", "test": f"{path}/test", "validation": f"{path}/validation"}
    same = Images(path=by_path).open(tmp_path)
    assert same.fingerprint == table.fingerprint
    assert same.splits == table.splits
    one = Images(path=f"{path}/train").open(tmp_path)
    assert one.columns["label"].tolist() == [0, 1]


@both
def test_folders_name_nothing_or_splits_alone(tmp_path: Path, packed: bool) -> None:
    path = lay_out(tmp_path, SPLIT, packed=packed)
    table = Images(path=path, folders=()).open(tmp_path)
    assert list(table.columns) == ["image"]
    assert table.columns["image"][:, 0, 0, 0].tolist() == [4, 1, 2, 3]
    table = Images(path=path, folders=("split",)).open(tmp_path)
    assert list(table.columns) == ["image"]
    assert table.splits["test"] == range(3, 4)


@both
def test_a_file_or_folder_alone_is_guessed(tmp_path: Path, packed: bool) -> None:
    source = source_of_file(tmp_path / lay_out(tmp_path, SPLIT, packed=packed))
    assert source is not None
    assert list(source.open(tmp_path).splits) == ["train", "validation", "test"]
    (tmp_path / "other").mkdir()
    source = source_of_file(
        tmp_path / "other" / lay_out(tmp_path / "other", {"test/a/1.png": picture()}, packed=packed)
    )
    assert source is not None
    assert source.open(tmp_path).types["label"].classes == ("a",)


def test_several_paths_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("b", 1), ("a", 2)):
        (tmp_path / name).mkdir()
        lay_out(tmp_path / name, {"dog/1.png": picture(value), "cat/1.png": picture(value + 10)}, packed=True)
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path))
    for path, wanted in (
        (("b/all.zip", "a/all.zip"), [11, 1, 12, 2]),
        ("*/all.zip", [12, 2, 11, 1]),
        ("*/all.zip/cat", [12, 11]),
    ):
        table = Images(path=path, folders=("class",) if len(wanted) == 4 else ()).open(tmp_path / "elsewhere")
        assert table.columns["image"][:, 0, 0, 0].tolist() == wanted


def test_links_to_folders_are_followed_but_not_round(tmp_path: Path) -> None:
    lay_out(tmp_path, {"cat/1.png": picture(1), "dog/1.png": picture(2)}, packed=False)
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "kitten").symlink_to(tmp_path / "all" / "cat")
    (tmp_path / "all" / "cat" / "round").symlink_to(tmp_path / "all" / "cat")
    table = Images(path="pets").open(tmp_path)
    assert table.types["label"].classes == ("kitten",)
    assert table.rows == 1


def pixels(tmp_path: Path, content: bytes, **options: Any) -> np.ndarray:
    """A picture as it is read."""
    path = lay_out(tmp_path, {"one.png": content}, packed=False)
    found: np.ndarray = Images(path=path, folders=(), **options).open(tmp_path).columns["image"][0]
    return found


def encoded(image: Any, **more: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, more.pop("format", "PNG"), **more)
    return file.getvalue()


RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
RGB = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2)


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP"])
def test_formats_without_loss(tmp_path: Path, format_: str) -> None:
    grey = encoded(Pillow.fromarray(RAMP), format=format_, **({"lossless": True} if format_ == "WEBP" else {}))
    found = pixels(tmp_path, grey, color="grey")
    assert np.abs(found[:, :, 0].astype(int) - RAMP).max() <= (1 if format_ == "WEBP" else 0)


def test_colours(tmp_path: Path) -> None:
    assert np.array_equal(pixels(tmp_path, encoded(Pillow.fromarray(RAMP)))[:, :, 0], RAMP)
    assert np.array_equal(pixels(tmp_path, encoded(Pillow.fromarray(RGB))), RGB)
    assert np.array_equal(pixels(tmp_path, encoded(Pillow.fromarray(RAMP)), color="rgb"), RAMP[:, :, None].repeat(3, 2))
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(pixels(tmp_path, encoded(Pillow.fromarray(RGB)), color="grey")[:, :, 0] - luma).max() <= 0.51
    palette = Pillow.fromarray(RGB).quantize(256)
    assert np.array_equal(pixels(tmp_path, encoded(palette)), np.asarray(palette.convert("RGB")))
    assert (
        pixels(tmp_path, encoded(Pillow.fromarray(RAMP > 100))).reshape(-1).tolist()
        == ((RAMP > 100) * 255).reshape(-1).tolist()
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    as_stored = {
        1: RAMP, 2: RAMP[:, ::-1], 3: RAMP[::-1, ::-1], 4: RAMP[::-1], 5: RAMP.T, 6: np.rot90(RAMP),
        7: RAMP[::-1, ::-1].T, 8: np.rot90(RAMP, -1),
    }[orientation]  # fmt: skip
    content = encoded(Pillow.fromarray(np.ascontiguousarray(as_stored)), exif=exif)
    assert np.array_equal(pixels(tmp_path, content)[:, :, 0], RAMP)


def test_transparent_pixels(tmp_path: Path, fault: Fault) -> None:
    opaque = np.dstack([RGB, np.full((4, 6), 255, np.uint8)])
    assert np.array_equal(pixels(tmp_path, encoded(Pillow.fromarray(opaque))), RGB)
    holed = opaque.copy()
    holed[0, 0, 3] = 0
    content = encoded(Pillow.fromarray(holed))
    code, text = fault(lambda: pixels(tmp_path, content))
    assert code == "bad-picture"
    assert "all/one.png has transparent pixels" in text
    assert "background: white" in text
    for background, value in (("white", 255), ("black", 0)):
        found = pixels(tmp_path, content, background=background)
        assert found[0, 0].tolist() == [value] * 3
        assert np.array_equal(found[1:], RGB[1:])
    grey = encoded(Pillow.fromarray(np.dstack([RAMP, np.full((4, 6), 255, np.uint8)]), "LA"))
    assert np.array_equal(pixels(tmp_path, grey)[:, :, 0], RAMP)


def test_size(tmp_path: Path) -> None:
    files = {"a/1.png": encoded(Pillow.fromarray(RAMP)), "a/2.png": picture(7, (20, 30))}
    table = Images(path=lay_out(tmp_path, files, packed=False), size=(2, 3)).open(tmp_path)
    assert table.columns["image"].shape == (2, 2, 3, 1)
    assert (table.columns["image"][1] == 7).all()
    # Each new pixel is a mean that leans on the four that it covers: it lies between them and the mean of all around.
    assert table.columns["image"][0].mean() == pytest.approx(RAMP.mean(), abs=2)
    assert (np.diff(table.columns["image"][0, :, :, 0].astype(int), axis=1) > 0).all()


def png_of_16_bits(colour: int) -> bytes:
    """A picture of 2 x 1 pixels with 16 bits a channel, which Pillow does not write in colour."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    row = b"\0" + bytes(2 * 2 * (3 if colour == 2 else 1))
    header = struct.pack(">IIBBBBB", 2, 1, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")


NOISE = encoded(Pillow.effect_noise((30, 30), 50))


@both
@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({}, "no-rows", "there are no pictures in all"),
        ({"cat/notes.txt": b"", "README": b""}, "no-rows", "it holds README, cat/notes.txt"),
        ({"a/1.png": picture(), "2.png": picture()}, "stray-picture", "/2.png lies in no folder that names its class"),
        ({"cat/1.png": picture(), "dog/notes.txt": b""}, "empty-class", "there are no pictures in all"),
        ({"cat/1.png": picture(), "dog/": b""}, "empty-class", "/dog, which names a class"),
        ({"train/1.png": picture(), "test/1.png": picture()}, "unknown-split", "`folders: [split, class]`"),
        ({"a/1.png": picture(), "a/2.png": picture(size=(5, 3))}, "unequal-pictures", "a/2.png has 5 x 3 pixels"),
        ({"a/1.png": picture(), "a/2.png": picture(size=(5, 3))}, "unequal-pictures", "a/1.png has 4 x 3 pixels"),
        ({"a/1.png": picture(), "a/2.png": picture(size=(5, 3))}, "unequal-pictures", "`size: [4, 3]`"),
        ({"a/1.png": picture(), "a/2.png": picture(mode="RGB")}, "unequal-pictures", "a/2.png is coloured, and all"),
        ({"a/1.png": NOISE[:-200]}, "bad-picture", "/a/1.png is cut short or damaged"),
        ({"a/1.png": picture()[:20]}, "bad-picture", "/a/1.png is cut short or damaged"),
        ({"a/1.jpg": picture(format="JPEG")[:-40]}, "bad-picture", "/a/1.jpg is cut short or damaged"),
        ({"a/1.png": b""}, "bad-picture", "/a/1.png is empty"),
        ({"a/1.png": b"<html>"}, "bad-picture", "/a/1.png is no picture in any of the formats BMP"),
        ({"a/1.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"}, "bad-picture", "is no picture"),
        ({"a/1.png": png_of_16_bits(0)}, "bad-picture", "/a/1.png has 16 bits a channel"),
        ({"a/1.png": png_of_16_bits(2)}, "bad-picture", "/a/1.png has 16 bits a channel"),
        ({"a/1.tif": picture(0.5, mode="F", format="TIFF")}, "bad-picture", "/a/1.tif has pixels of mode F"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(
    tmp_path: Path, packed: bool, files: dict[str, bytes], code: str, words: str, fault: Fault
) -> None:
    if not files:
        (tmp_path / "all").mkdir()
    path = lay_out(tmp_path, files, packed=packed)
    found, text = fault(lambda: Images(path=path).open(tmp_path))
    assert found == code
    assert words in text
    assert str(path) in text


@both
@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"train/a/1.png": picture(), "val/a/1.png": picture()}, "unknown-split", "/val: `val` is no split"),
        ({"test/a/1.png": picture()}, "empty-split", "is called `train`"),
        ({"train/a/1.png": picture(), "test/b/1.png": picture()}, "unknown-class", "/test/b: `b` is no class"),
        ({"train/a/1.png": picture(), "train/1.png": picture()}, "stray-picture", "names its class"),
        ({"train/a/1.png": picture(), "1.png": picture()}, "stray-picture", "/1.png lies in no folder that names its"),
    ],
)  # fmt: skip
def test_folders_of_splits_that_are_wrong(
    tmp_path: Path, packed: bool, files: dict[str, bytes], code: str, words: str, fault: Fault
) -> None:
    path = lay_out(tmp_path, files, packed=packed)
    found, text = fault(lambda: Images(path=path, folders=("split", "class")).open(tmp_path))
    assert found == code
    assert words in text


def test_archives_that_are_wrong(tmp_path: Path, fault: Fault) -> None:
    path = tmp_path / lay_out(tmp_path, {"a/1.png": picture(), "a/2.png": picture(1)}, packed=True)
    whole = path.read_bytes()

    def opened_with(content: bytes, name: str = "all.zip") -> tuple[str, str]:
        (tmp_path / name).write_bytes(content)
        return fault(lambda: Images(path=name).open(tmp_path))

    assert opened_with(whole[:-30])[0] == "truncated-file"
    damaged = bytearray(whole)
    damaged[whole.index(b"IHDR") + 4] ^= 1
    code, text = opened_with(bytes(damaged))
    assert code == "truncated-file"
    assert "all.zip/a/1.png is cut short or damaged" in text
    locked = bytearray(whole)
    for begin, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[whole.index(begin) + flags] |= 1
    code, text = opened_with(bytes(locked))
    assert code == "locked-file"
    assert "all.zip/a/1.png can only be read with a password" in text
    assert "packed by gzip" in opened_with(b"\x1f\x8b\x08", "all.tgz")[1]
    assert "it is a picture" in opened_with(picture(), "one.png")[1]
    assert fault(lambda: Images(path="none.zip").open(tmp_path))[0] == "missing-file"
    assert fault(lambda: Images(path="all.zip/b").open(tmp_path))[0] == "no-rows"


def test_pictures_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    bomb = picture(size=(20_000, 20_000), mode="1")
    assert len(bomb) < 100_000
    code, text = fault(lambda: pixels(tmp_path, bomb))
    assert code == "bad-picture"
    assert "one.png has more pixels than the 100,000,000 that are read" in text
    monkeypatch.setattr(decode, "_MOST_PIXELS", 11)
    assert "one.png has more pixels than the 11 that" in fault(lambda: pixels(tmp_path, picture()))[1]
    monkeypatch.setattr(archive, "_MOST_BYTES", 10)
    for packed in (True, False):
        path = lay_out(tmp_path, {"1.png": picture()}, packed=packed)
        code, text = fault(lambda path=path: Images(path=path, folders=()).open(tmp_path))
        assert code == "bad-picture"
        assert "which no picture needs" in text


def test_too_many_for_memory(tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.memory._WORTH_ASKING", 0)
    monkeypatch.setattr("netspec.memory.room", lambda: Room(10, "this machine has"))
    code, text = fault(lambda: pixels(tmp_path, picture()))
    assert code == "out-of-memory"
    assert "reading 1 pictures needs 12 B of memory, and this machine has 10 B left" in text
    assert "size: [HEIGHT, WIDTH]" in text


def test_pillow_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr(decode, "find_spec", lambda name: None)
    code, text = fault(lambda: pixels(tmp_path, picture()))
    assert code == "missing-package"
    assert "pip install 'netspec[data]'" in text


def test_decoded_once_until_a_picture_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    source = Images(path=lay_out(tmp_path, PETS, packed=False))
    source.open(tmp_path)
    grey = source.model_copy(update={"color": "rgb"}).open(tmp_path)
    assert grey.types["image"].shape == (4, 3, 3)
    (tmp_path / "all" / "cat" / "c.png").write_bytes(picture(3))
    assert source.open(tmp_path).rows == 5
    (tmp_path / "all" / "cat" / "c.png").write_bytes(picture(9))
    os.utime(tmp_path / "all" / "cat" / "c.png", ns=(1, 1))
    assert source.open(tmp_path).columns["image"][2, 0, 0, 0] == 9
    assert len(list((cache / "data").glob("images-*"))) == 2  # of each way to read them the newest
    monkeypatch.setattr("netspec.data.sources.images.list_pictures", None)
    assert source.open(tmp_path).rows == 5


def test_what_is_known_beforehand(tmp_path: Path) -> None:
    assert {name: str(t) for name, t in Images(path="a").describe(tmp_path).items()} == {
        "image": "image", "label": "category []",
    }  # fmt: skip
    sized = Images(path="a", size=(8, 9), color="rgb", folders=())
    assert {name: str(t) for name, t in sized.describe(tmp_path).items()} == {"image": "image [8, 9, 3]"}
    report = Report()
    DataSection(source=sized, split=Split(stratify="label")).resolve(tmp_path, report)
    assert [d.code for d in report.diagnostics] == ["unknown-column"]


@pytest.mark.parametrize(
    "options",
    [
        {"folders": ("class", "class")},
        {"folders": ("split",), "path": {"train": "a", "test": "b"}},
        {"folders": ("color",)},
        {"size": (0, 3)},
        {"size": (3,)},
        {"color": "cmyk"},
    ],
)
def test_options_that_are_wrong(options: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Images(**{"path": "a", **options})


@both
def test_streamed_they_are_what_they_are_in_memory(tmp_path: Path, packed: bool) -> None:
    files = {f"{'ab'[i % 2]}/{i:02}.png": picture(i * 4, mode="RGB", size=(5, 6)) for i in range(40)}
    files = {name: encoded(Pillow.effect_noise((6, 5), i + 1)) for i, name in enumerate(files)}
    source = Images(path=lay_out(tmp_path, files, packed=packed), color="rgb")
    split = Split(validation=6, test=0.25, stratify="label")
    inputs = ("image",)
    whole = open_data(DataSection(source=source, split=split, standardize=True), tmp_path, 3, inputs=inputs)
    section = DataSection(source=source, split=split, standardize=True, stream=Stream(buffer=16))
    parts = open_data(section, tmp_path, 3, inputs=inputs)
    assert isinstance(whole, Dataset)
    assert not isinstance(parts, Dataset)
    assert whole.fitted.to_json() == parts.fitted.to_json()
    for name, array in whole.fitted.to_arrays().items():
        assert np.array_equal(parts.fitted.to_arrays()[name], array)
    for name, rows in whole.splits.items():
        assert np.array_equal(parts.splits[name][:], rows)
