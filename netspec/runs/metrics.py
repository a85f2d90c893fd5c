"""`metrics.jsonl`: a line an epoch and split; a line that a crash tore is never read and never continued."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from netspec.runs.files import disk_faults, json_line, read_bytes, write_text


class MetricsLog:
    """Appends to a run's metrics; open it once for a training and close it at its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_faults("write", path):
            self._file = path.open("ab", buffering=0)
            end = _whole(path.read_bytes())
            if end < self._file.tell():
                self._file.truncate(end)

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line with a single write, so that readers never see half of two."""
        data = json_line(line).encode() + b"\n"
        with disk_faults("write", self.path):
            while data:  # a nearly full disk takes a part, and refuses only the next write
                data = data[self._file.write(data) :]

    def sync(self) -> None:
        """Flush to the disk; done before a checkpoint, so that no checkpoint is ahead of its metrics."""
        with disk_faults("write", self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole lines; none if the file does not exist yet."""
    return [json.loads(line) for line in _lines(path)]


def cut_metrics(path: Path, epoch: int) -> int:
    """Keep the lines of the first ``epoch`` epochs, those the checkpoint has seen the end of; returns how many went."""
    lines = list(_lines(path))
    kept = [line for line in lines if json.loads(line).get("epoch", 0) <= epoch]
    if path.exists():
        write_text(path, "".join(line + "\n" for line in kept))
    return len(lines) - len(kept)


def _lines(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    raw = read_bytes(path)
    for line in raw[: _whole(raw)].split(b"\n"):
        try:
            if isinstance(json.loads(line), dict):
                yield line.decode()
        except ValueError:
            continue  # torn by a crash, or the empty end


def _whole(raw: bytes) -> int:
    return raw.rfind(b"\n") + 1
