"""What is made of streamed data before a training: fields in files, what was fitted, the split of each row; and kept.

It lies in the cache folder, in a folder that is named after the files and all of the spec that it depends on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from netspec import __version__
from netspec.data.cache import data_cache
from netspec.data.faults import unwritable
from netspec.data.fieldtype import FieldType
from netspec.data.fitting import Fitted
from netspec.data.streaming.stored import Extent, File, StoredColumn
from netspec.data.table import Place

if TYPE_CHECKING:
    from netspec.data.table import Array

_FORMAT: Final = 1
_KEPT_OF_A_SOURCE: Final = 3
_UNFINISHED: Final = ".new-"
_SAMPLE_BLOCK: Final = 1 << 14
_SAMPLE_BLOCKS: Final = 64


@dataclass(frozen=True, eq=False)
class Prepared:
    """The fields of streamed data as the graph reads them, in files."""

    columns: Mapping[str, StoredColumn]
    fitted: Fitted
    middles: Mapping[str, float]
    """Where single numbers are cut in two."""
    codes: Array
    """The split of each row, ``uint8[rows]``: its place in `SPLITS`, or `DROPPED`."""
    places: tuple[Place, ...]
    """Where stretches of rows come from."""
    fingerprint: str

    @property
    def types(self) -> Mapping[str, FieldType]:
        return {name: f.type for name, f in self.fitted.fields.items()}


def entry_for(files: Sequence[Path], settings: Sequence[object]) -> Path:
    """The folder of what is made of these files by these settings: path, size and time of each tell files apart."""
    import hashlib

    states = [(str(path.resolve()), *File(path).state) for path in files]
    source = hashlib.sha256(repr([path for path, *_ in states]).encode()).hexdigest()[:16]
    state = hashlib.sha256(repr((_FORMAT, __version__, states, settings)).encode()).hexdigest()[:16]
    return data_cache() / f"stream-{source}-{state}"


def load(folder: Path, files: Sequence[Path]) -> Prepared | None:
    """What an earlier run made, or None if there is nothing, or it is torn."""
    import numpy as np

    try:
        facts = json.loads((folder / "stream.json").read_text("utf-8"))
        if facts["fingerprint"] != fingerprint(files):
            return None
        opened: dict[Path, File] = {}
        columns = {name: _column(folder, stored, opened) for name, stored in facts["columns"].items()}
        codes = np.load(folder / "splits.npy", allow_pickle=False)
        if any(column.rows != len(codes) for column in columns.values()):
            return None
        arrays = {key: np.array(values, dtype=np.float32) for key, values in facts["arrays"].items()}
        fitted = Fitted.from_parts(facts["fitted"], arrays)
        os.utime(folder)
        places = tuple(Place(file, first, files=files) for file, first, files in facts["places"])
        return Prepared(columns, fitted, facts["middles"], codes, places, facts["fingerprint"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def save(folder: Path, prepared: Prepared) -> None:
    """Describe what is made; the columns themselves lie in ``folder`` already, or in the files of the source."""
    import numpy as np

    np.save(folder / "splits.npy", prepared.codes, allow_pickle=False)
    facts = {
        "version": 1,
        "columns": {name: _described(folder, column) for name, column in prepared.columns.items()},
        "fitted": prepared.fitted.to_json(),
        "arrays": {key: array.tolist() for key, array in prepared.fitted.to_arrays().items()},
        "middles": dict(prepared.middles),
        "places": [(place.file, place.first, dict(place.files)) for place in prepared.places],
        "fingerprint": prepared.fingerprint,
    }
    (folder / "stream.json").write_text(json.dumps(facts), "utf-8")


@contextmanager
def new_entry(target: Path) -> Iterator[Path]:
    """A folder to make an entry in, which becomes ``target`` when all went well; older entries give way to it.

    Raises:
        EnvironmentFault: if the cache folder cannot be written, or the disk is full.
    """
    import shutil
    import tempfile

    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=target.parent))
    except OSError as error:
        raise unwritable(target.parent, error) from None
    try:
        try:
            yield made
        except OSError as error:
            raise unwritable(target.parent, error) from None
        shutil.rmtree(target, ignore_errors=True)
        with suppress(OSError):  # another process made the same meanwhile
            made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    source = target.name.rpartition("-")[0]
    entries = sorted(target.parent.glob(f"{source}-*"), key=lambda p: p.stat().st_mtime)
    for old in entries[:-_KEPT_OF_A_SOURCE]:
        shutil.rmtree(old, ignore_errors=True)


def fingerprint(files: Sequence[Path]) -> str:
    """A SHA-256 over the sizes and contents of files, of which large ones are sampled."""
    import hashlib

    digest = hashlib.sha256()
    for path in files:
        file = File(path)
        digest.update(f"{file.bytes}\n".encode())
        step = max(_SAMPLE_BLOCK, -(-file.bytes // _SAMPLE_BLOCKS))
        for start in [*range(0, file.bytes, step), max(0, file.bytes - _SAMPLE_BLOCK)]:
            block = bytearray(min(_SAMPLE_BLOCK, file.bytes - start))
            file.read_into(memoryview(block), start)
            digest.update(block)
    return digest.hexdigest()


def sample_of(column: StoredColumn) -> str:
    """A SHA-256 over the type and shape of a column, and over stretches from all of it."""
    import hashlib

    digest = hashlib.sha256(f"{column.type} {column.shape}\n".encode())
    count = max(1, _SAMPLE_BLOCK // max(1, column.row_bytes))
    for start in range(0, column.rows, max(count, -(-column.rows // _SAMPLE_BLOCKS))):
        digest.update(column[start : start + count].tobytes())
    return digest.hexdigest()


def _described(folder: Path, column: StoredColumn) -> dict[str, Any]:
    extents = [
        {
            "file": e.file.path.name if e.file.path.parent == folder else str(e.file.path.resolve()),
            "offset": e.offset,
            "rows": e.rows,
            "dtype": e.dtype,
        }
        for e in column.extents
    ]
    return {"type": column.type, "features": list(column.features), "extents": extents}


def _column(folder: Path, stored: Mapping[str, Any], opened: dict[Path, File]) -> StoredColumn:
    """A column as it was described.

    Raises:
        ValueError: if a file is shorter than it should be.
    """
    extents = []
    for facts in stored["extents"]:
        path = folder / facts["file"]
        file = opened[path] = opened.get(path) or File(path)
        extents.append(Extent(file, facts["offset"], facts["rows"], facts["dtype"]))
    column = StoredColumn(tuple(extents), stored["type"], tuple(stored["features"]))
    if any(extent.file.bytes < column.end_of(extent) for extent in extents):
        raise ValueError("a file is cut short")
    return column
