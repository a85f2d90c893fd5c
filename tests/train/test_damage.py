"""A damaged file of a run is named, or makes no difference; and whatever it is, no good checkpoint is lost over it."""

from __future__ import annotations

import functools
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trainings import OWN_SPECS, left_by, resumed, trained

from netspec import api
from netspec.diagnostics import DataError, NetspecError
from netspec.runs.run import Run
from netspec.train.progress import Silent

(SPEC,) = (path for path in OWN_SPECS if path.stem == "dropout_remainder")
ROW = [{"x": [1.0] * 13}]
FILES = (
    "run.json",
    "spec.yaml",
    "fitted.json",
    "fitted.safetensors",
    "state.safetensors",
    "best.safetensors",
    "last.safetensors",
    "metrics.jsonl",
    "summary.json",
    ".lock",
)
# What a training writes anew and does not read; what it reads and can do without.
REWRITTEN = ("best.safetensors", "last.safetensors", "summary.json", ".lock")
RECORD = "metrics.jsonl"


class Remarks(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def remark(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that stopped in its second epoch."""
    folder = tmp_path_factory.mktemp("damage") / "good"
    trained(SPEC, folder, steps=12, overrides=("train.epochs=3",))
    return folder


def damages(content: bytes, bits: int) -> Iterator[tuple[str, bytes | None]]:
    """What disks and people make of a file."""
    rng = random.Random(len(content))
    yield "missing", None
    yield "empty", b""
    yield "truncated", content[: len(content) // 2]
    yield "zeros", bytes(len(content))
    yield "noise", rng.randbytes(200)
    for _ in range(bits):
        place, bit = rng.randrange(len(content)), rng.randrange(8)
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        yield f"bit {bit} of byte {place}", bytes(changed)


def copies(good: Path, file: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The run with one damaged file, in every way."""
    for what, content in damages((good / file).read_bytes(), 1 if file in REWRITTEN else 5):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(good, folder)
        (folder / file).unlink()
        if content is not None:
            (folder / file).write_bytes(content)
        yield what, folder


def fault_of(action: Callable[[], object]) -> str | None:
    """What a user is told, if it cannot be done."""
    try:
        action()
    except NetspecError as error:
        return error.render() if error.exit_code in (1, 2) else f"exit code {error.exit_code}"  # 2: it is no run
    return None


def contents(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("file", FILES)
def test_a_training_goes_on_to_the_same_bits_or_not_at_all(file: str, good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "whole")
    whole = resumed(tmp_path / "whole")
    for what, run in copies(good, file, tmp_path / "run"):
        listener, before = Remarks(), contents(run)
        told = fault_of(functools.partial(api.train, resume=str(run), progress=listener))
        if told is not None:
            assert file in told, what
            assert "= help: " in told, what
            assert file not in (*REWRITTEN, RECORD), what
            assert contents(run) == before, what
        else:
            assert file in (*REWRITTEN, RECORD, "run.json"), what
            left = left_by(run)
            assert (left.arrays, left.best, left.summary) == (whole.arrays, whole.best, whole.summary), what
            assert file == RECORD or left.metrics == whole.metrics, what
            assert file != RECORD or f"`{run / RECORD}` is damaged" in listener.heard[0], what


@pytest.mark.parametrize("file", FILES)
def test_a_prediction_is_the_same_or_refused(file: str, good: Path, tmp_path: Path) -> None:
    whole = api.predict(good, ROW).rows
    for what, run in copies(good, file, tmp_path / "run"):
        found: list[object] = []
        told = fault_of(lambda run=run, found=found: found.append(api.predict(run, ROW).rows))
        assert file in told if told else found == [whole], what


def test_the_way_out_of_a_damaged_checkpoint_works(good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "run")
    run = Run(tmp_path / "run")
    run.state.write_bytes(run.state.read_bytes()[:-5] + b"00000")
    with pytest.raises(DataError, match="damaged") as raised:
        api.train(resume=str(run.path))
    assert f"`netspec train SPEC --weights {run.last}`" in raised.value.render()
    api.train(SPEC, out=tmp_path / "anew", weights=run.last, steps=1)
    run.state.unlink()
    with pytest.raises(DataError, match="before its first checkpoint") as raised:
        api.train(resume=str(run.path))
    assert f"--weights {run.last}" in raised.value.render()


def test_a_spec_that_was_changed_afterwards_is_refused(good: Path, tmp_path: Path) -> None:
    """It would not be the network that the weights were trained in, and nothing else would tell."""
    shutil.copytree(good, tmp_path / "run")
    run = Run(tmp_path / "run")
    run.spec.write_text(run.spec.read_text().replace("tanh", "relu"))
    with pytest.raises(DataError, match=r"spec\.yaml` is damaged: it is not what") as raised:
        api.predict(run.path, ROW)
    assert f"`{run.source}` holds the spec as you wrote it" in raised.value.render()
