"""Pictures from end to end: an archive is trained on, streamed too, and the network tells what other pictures are."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from netspec import api
from netspec.diagnostics import NetspecError

Pillow = pytest.importorskip("PIL.Image")

SPEC = """netspec: 1
data:
  source: {images: {path: SOURCE}}
  split: {validation: 0.25, stratify: label}
  standardize: true
network:
  inputs: {image: SHAPE}
  layers:
    - flatten
    - dense: {units: 2, activation: sigmoid, name: answer}
loss: squared_error
optimizer: {adam: {lr: 0.05}}
metrics: [roc_auc, accuracy]
train: {epochs: 20, batch: 8, seed: 0}
"""


NUMBERS = """netspec: 1
data: {source: {rows: [{x: [0.0, 1.0], y: [1.0]}, {x: [1.0, 0.0], y: [0.0]}]}}
network: {inputs: {x: [2]}, layers: [{dense: 1}]}
loss: {mse: {target: y}}
optimizer: sgd
train: {epochs: 1, batch: 2}
"""


def encoded(pixels: np.ndarray, format_: str = "PNG") -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, format_)
    return file.getvalue()


def lit_from(side: str, seed: int) -> np.ndarray:
    """A grey picture of 4 x 6 pixels that is brighter on one side."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 200, 6) if side == "right" else np.linspace(200, 0, 6)
    found: np.ndarray = (ramp + rng.uniform(0, 50, (4, 6))).astype(np.uint8)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of 24 pictures of each of two classes, and a run that was trained on it."""
    folder = tmp_path_factory.mktemp("pictures")
    with zipfile.ZipFile(folder / "lit.zip", "w") as archive:
        for number, side in enumerate(["left", "right"] * 24):
            archive.writestr(f"{side}/{number}.png", encoded(lit_from(side, number)))
    spec = folder / "lit.yaml"
    spec.write_text(SPEC.replace("SOURCE", "lit.zip").replace("SHAPE", "[4, 6, 1]"))
    api.train(spec, out=folder / "run", threads=1)
    return folder


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def fault(action: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(NetspecError) as raised:
        action()
    return raised.value.diagnostics[0].code, raised.value.render()


def test_two_outputs_are_held_against_one_class_and_the_other(folder: Path) -> None:
    splits = api.evaluate(folder / "run").splits
    assert {name: facts["rows"] for name, facts in splits.items()} == {"train": 36, "validation": 12}
    assert splits["validation"]["metrics"]["roc_auc"] == 1.0
    pixels = [lit_from(side, number) for number, side in enumerate(["left", "right"] * 24)]
    rows = api.predict(folder / "run", [{"image": p[:, :, None].tolist()} for p in pixels]).rows
    outputs = np.array([[row["label=left"], row["label=right"]] for row in rows])
    targets = np.array([[1, 0], [0, 1]] * 24)
    error = (0.5 * (outputs - targets) ** 2).sum(axis=1)
    told = sum(facts["loss"] * facts["rows"] for facts in splits.values()) / 48
    assert error.mean() == pytest.approx(told, rel=1e-4)


def test_a_streamed_training_learns_from_the_same_pictures(folder: Path, tmp_path: Path) -> None:
    trained = api.train(folder / "lit.yaml", overrides=["data.stream={buffer: 16}"], out=tmp_path / "run", threads=1)
    (best,) = [trained.summary["best"]["metrics"]]
    assert best["roc_auc"] == 1.0


@pytest.mark.parametrize("kind", ["file", "folder", "archive"])
def test_pictures_are_told_apart(folder: Path, tmp_path: Path, kind: str) -> None:
    pixels = {"new/b.png": lit_from("left", 100), "a.bmp": lit_from("right", 101)}
    files = {name: encoded(p, name[-3:].upper()) for name, p in pixels.items()}
    arrays = [{"image": p[:, :, None].tolist()} for _, p in sorted(pixels.items())]
    wanted = api.predict(folder / "run", arrays).rows
    given = written(tmp_path / "given", {**files, "notes.txt": b""})
    if kind == "archive":
        given = tmp_path / "given.ZIP"
        with zipfile.ZipFile(given, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    if kind == "file":
        rows = api.predict(folder / "run", tmp_path / "given" / "a.bmp").rows
        assert rows == [{"picture": "a.bmp", **wanted[0]}]
        return
    rows = api.predict(folder / "run", given).rows
    assert rows == [{"picture": name, **row} for name, row in zip(sorted(files), wanted, strict=True)]
    assert [row["label"] for row in rows] == ["right", "left"]
    assert list(rows[0]) == ["picture", "label", "label=left", "label=right"]


def test_another_size_and_other_colours(folder: Path, tmp_path: Path) -> None:
    large = np.repeat(np.repeat(lit_from("right", 5), 5, axis=0), 5, axis=1)
    given = written(tmp_path / "given", {"large.png": encoded(np.dstack([large] * 3))})
    code, text = fault(lambda: api.predict(folder / "run", given))
    assert code == "wrong-shape"
    assert "large.png has 20 x 30 pixels (height x width), and the network reads 4 x 6" in text
    assert "--resize" in text
    assert api.predict(folder / "run", given, resize=True).rows[0]["label"] == "right"


def test_a_size_that_training_made_is_made_again(folder: Path, tmp_path: Path) -> None:
    spec = folder / "sized.yaml"
    options = "{images: {path: lit.zip, size: [3, 5], color: rgb}}"
    spec.write_text(SPEC.replace("{images: {path: SOURCE}}", options).replace("SHAPE", "[3, 5, 3]"))
    run = api.train(spec, out=tmp_path / "run", threads=1).run
    given = written(tmp_path / "given", {"1.png": encoded(lit_from("left", 70))})
    assert api.predict(run, given).rows[0]["label"] == "left"


def test_an_image_that_fields_made(folder: Path, tmp_path: Path) -> None:
    spec = folder / "fields.yaml"
    text = SPEC.replace("SOURCE", "lit.zip").replace("SHAPE", "[4, 6, 1]").replace("{image: [", "{pixels: [")
    spec.write_text(text.replace("  standardize: true", "  fields: {pixels: {image: {of: image, standardize: true}}}"))
    run = api.train(spec, out=tmp_path / "run", threads=1).run
    given = written(tmp_path / "given", {"1.png": encoded(lit_from("left", 71))})
    assert api.predict(run, given).rows[0]["label"] == "left"


def test_pixels_are_stored_as_training_had_them(tmp_path: Path) -> None:
    digits = Path(__file__).parents[2] / "specs" / "digits.yaml"
    run = api.train(digits, out=tmp_path / "run", threads=1).run
    levels = np.random.default_rng(0).integers(17, size=(8, 8))
    given = written(tmp_path / "given", {"1.png": encoded(np.rint(levels * 255 / 16).astype(np.uint8))})
    wanted = api.predict(run, [{"image": levels[:, :, None].tolist()}]).rows
    assert api.predict(run, given).rows == [{"picture": "1.png", **wanted[0]}]


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({}, "no-rows", "there are no pictures in"),
        ({"notes.txt": b""}, "no-rows", "it holds notes.txt"),
        ({"a/1.png": encoded(lit_from("left", 0))[:60]}, "bad-picture", "a/1.png is cut short or damaged"),
        ({"a/1.png": b""}, "bad-picture", "a/1.png is empty"),
    ],
)
def test_what_cannot_be_read_is_told(
    folder: Path, tmp_path: Path, files: dict[str, bytes], code: str, words: str
) -> None:
    (tmp_path / "given").mkdir()
    found, text = fault(lambda: api.predict(folder / "run", written(tmp_path / "given", files)))
    assert found == code
    assert words in text


def test_a_network_that_reads_no_image_takes_no_pictures(tmp_path: Path) -> None:
    run = api.train(NUMBERS, out=tmp_path / "run", threads=1).run
    given = written(tmp_path / "given", {"1.png": encoded(lit_from("left", 0))})
    code, words = fault(lambda: api.predict(run, given))
    assert code == "wrong-kind"
    assert "this one reads `x` (number [2])" in words
