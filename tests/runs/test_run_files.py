"""A file is whole or the old one, whatever the disk does; JSON has no NaN."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.diagnostics import DataError, EnvironmentFault
from netspec.runs import files, platform
from netspec.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from netspec.runs.files import plain, read_json, remove_leftovers, write_bytes, write_json, write_text
from netspec.runs.metrics import MetricsLog, cut_metrics, read_metrics


@pytest.mark.parametrize(
    ("fails", "number", "code"),
    [
        ("fsync", errno.ENOSPC, "disk-full"),
        ("fsync", errno.EIO, "disk-fault"),
        ("replace", errno.EROFS, "no-permission"),
    ],
)
def test_the_former_checkpoint_stays_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, number: int, code: str
) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Checkpoint({"w": np.zeros(4)}, {"step": 1}))

    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os if fails == "fsync" else platform, fails, fail)
    with pytest.raises(EnvironmentFault) as raised:
        save_checkpoint(path, Checkpoint({"w": np.ones(4)}, {"step": 2}))
    monkeypatch.undo()
    assert raised.value.exit_code == 4
    assert raised.value.diagnostics[0].code == code
    assert load_checkpoint(path).progress["step"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


LIMITED = """
import resource, sys
from pathlib import Path
from netspec.diagnostics import EnvironmentFault
from netspec.runs.metrics import MetricsLog
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    with MetricsLog(Path(sys.argv[1])) as log:
        for epoch in range(100):
            log.append({"epoch": epoch, "step": epoch})
except EnvironmentFault as fault:
    sys.exit(fault.render())
"""


@pytest.mark.skipif(platform.WINDOWS, reason="needs a limit on file sizes")
def test_a_disk_that_fills_up_under_the_metrics_is_told(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], check=False, capture_output=True, text=True)
    assert "error[disk-full]" in done.stderr
    assert path.stat().st_size == 100
    assert [line["epoch"] for line in read_metrics(path)] == [0, 1]


@pytest.mark.skipif(platform.WINDOWS or os.geteuid() == 0, reason="root and Windows may write there")
def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentFault) as raised:
        write_text(tmp_path / "a", "")
    assert raised.value.diagnostics[0].code == "no-permission"


def test_a_killed_writer_leaves_the_former_file(tmp_path: Path) -> None:
    """The process is killed at every stage of writing; a reader always finds one whole version."""
    path = tmp_path / "a"
    program = """
import os, sys
from pathlib import Path
from netspec.runs import files, platform
stage = sys.argv[2]
def die(*_):
    os._exit(9)
points = {"sync": (files.os, "fsync"), "rename": (platform, "replace"), "folder": (platform, "sync_folder")}
setattr(*points[stage], die)
files.write_bytes(Path(sys.argv[1]), b"new" * 1000)
"""
    for stage, expected in (("sync", b"old"), ("rename", b"old"), ("folder", b"new" * 1000)):
        write_bytes(path, b"old")
        done = subprocess.run([sys.executable, "-c", program, str(path), stage], check=False)
        assert done.returncode == 9
        assert path.read_bytes() == expected
    assert list(tmp_path.glob(".*.tmp"))
    remove_leftovers(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_json_has_no_nan() -> None:
    facts = {
        "loss": float("nan"),
        "metrics": {"rmse": np.float32(np.inf), "accuracy": np.float64(0.5)},
        "n": np.int64(3),
    }
    assert plain(facts) == {
        "version": 1,
        "status": "not-finite",
        "loss": None,
        "metrics": {"rmse": None, "accuracy": 0.5},
        "n": 3,
        "not_finite": {"loss": "nan", "metrics.rmse": "inf"},
    }
    assert plain({"status": "diverged", "loss": float("inf")})["status"] == "diverged"


def test_json_keeps_text_lists_and_paths(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"é": [1, (2, None)], "path": Path("x"), "yes": True, "a": np.arange(2)})
    assert read_json(tmp_path / "a.json") == {"version": 1, "é": [1, [2, None]], "path": "x", "yes": True, "a": [0, 1]}


@pytest.mark.parametrize("text", ["", "{", "[1]", "\udcff"])
def test_damaged_json_is_explained(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError) as raised:
        read_json(tmp_path / "run.json")
    assert raised.value.diagnostics[0].code == "damaged-file"


def test_a_torn_line_is_neither_read_nor_continued(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.append({"epoch": 1, "step": 10, "loss": 0.5})
        log.append({"epoch": 2, "step": 20, "loss": float("nan")})
        log.sync()
    with path.open("ab") as file:
        file.write(b'{"epoch": 3, "ste')
    assert [line["epoch"] for line in read_metrics(path)] == [1, 2]
    with MetricsLog(path) as log:
        log.append({"epoch": 3, "step": 30})
    lines = read_metrics(path)
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[1]["loss"] is None
    assert lines[1]["not_finite"] == {"loss": "nan"}
    assert all(json.loads(line)["version"] == 1 for line in path.read_text().splitlines())


def test_a_line_torn_in_the_middle_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epoch": 1, "step": 1}\n{"epo\x00\xff\n{"epoch": 3, "step": 3}\n')
    assert [line["epoch"] for line in read_metrics(path)] == [1, 3]


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        marks = [log.sync()]
        for epoch in (1, 2, 3):
            log.append({"epoch": epoch, "step": 10 * epoch, "split": "train"})
            log.append({"epoch": epoch, "step": 10 * epoch, "split": "validation"})
            marks.append(log.sync())
    whole = path.read_bytes()
    for epoch in (3, 2):
        assert cut_metrics(path, marks[epoch], epoch) is None
        assert path.read_bytes().splitlines() == whole.splitlines()[: 2 * epoch]
    with MetricsLog(path) as log:  # opened again, it knows what is there
        assert log.sync() == marks[2]
    assert cut_metrics(tmp_path / "none.jsonl", marks[0], 0) is None
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_metrics_that_changed_are_told_and_what_is_left_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        for epoch in (1, 2, 3):
            log.append({"epoch": epoch, "step": 10 * epoch})
        mark = log.sync()
    whole = path.read_bytes()
    first, second, third = whole.splitlines(keepends=True)
    for left, epochs in ((b"", []), (first + second[:9], [1]), (first + b"\0\xff\n" + third, [1, 3])):
        path.write_bytes(left)
        told = cut_metrics(path, mark, 3)
        assert told is not None
        assert f"{len(epochs)} lines are left" in told
        assert [line["epoch"] for line in read_metrics(path)] == epochs
    path.write_bytes(whole.replace(b'"step": 20', b'"step": 21'))
    assert cut_metrics(path, mark, 3) is not None
    path.unlink()
    assert cut_metrics(path, mark, 3) is not None
