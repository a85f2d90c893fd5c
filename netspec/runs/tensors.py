"""Named arrays in one safetensors file, with facts beside them and a hash that notices any changed byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netspec.runs.files import RESTORE, damaged, reading, seal, whole_file

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_LENGTH_BYTES: Final = 8  # a safetensors file begins with the length of its JSON header
_METADATA: Final = "__metadata__"
_CODES: Final = {
    **{f"<{kind}{size}": f"{code}{8 * size}" for kind, code in zip("iuf", "IUF", strict=True) for size in (2, 4, 8)},
    "|i1": "I8",
    "|u1": "U8",
    "|b1": "BOOL",
}


@dataclass(frozen=True)
class Tensors:
    """Arrays by name, and the text facts stored with them; ``content`` is the hash of the arrays alone."""

    arrays: dict[str, Array]
    facts: dict[str, str]

    @property
    def content(self) -> str:
        return self.facts["content"]


class Present(Mapping[str, "Array"]):
    """Arrays by name, each made when it is asked for: to save them takes the memory of one, not of all."""

    def __init__(self, make: Mapping[str, Callable[[], Array]]) -> None:
        self._make = dict(make)

    def __getitem__(self, name: str) -> Array:
        return self._make[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)

    def __or__(self, others: Mapping[str, Array]) -> Present:
        """With others beside them, which are there already."""
        return Present({**self._make, **{name: partial(others.__getitem__, name) for name in others}})


def save_tensors(path: Path, arrays: Mapping[str, Array], facts: Mapping[str, str] | None = None) -> str:
    """Write ``arrays`` and ``facts`` as a whole file or not at all; the same input gives the same bytes.

    Arrays are taken one after the other, twice: a mapping that makes each when it is asked for holds one in memory.

    Returns:
        The hash of the arrays, also stored as the fact ``content``.

    Raises:
        EnvironmentFault: if the file cannot be written; a former one stays as it was.
    """
    entries: dict[str, Any] = {}
    end = 0
    for name in sorted(arrays):
        array = arrays[name]
        code = _CODES[array.dtype.newbyteorder("<").str]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    digest = hashlib.sha256()
    with whole_file(path) as file:
        file.write(_header(entries, facts, digest))
        for name in entries:
            called, data = _parts(name, arrays[name])
            digest.update(called)
            digest.update(data)
            file.write(data)
        file.seek(0)  # the hash is known only now, and as long as the one that stands there
        file.write(_header(entries, facts, digest))
    return digest.hexdigest()


def load_tensors(path: Path) -> Tensors:
    """Read what `save_tensors` or another program wrote; a file with a hash is checked against it.

    The file is mapped only while its arrays are copied: on Windows no checkpoint could replace a mapped one.

    Raises:
        DataError: if the file is absent, cut short or changed.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with reading(path), safe_open(path, framework="np") as file:  # type: ignore[no-untyped-call]  # it has no stubs
            facts = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, f"it is not a whole safetensors file ({error})", *RESTORE) from error
    sealed = facts.pop("seal", None)
    if sealed is not None and sealed != seal(facts):
        raise damaged(path, "its metadata were changed after it was written", *RESTORE)
    content = content_hash(arrays)
    if facts.setdefault("content", content) != content:
        raise damaged(path, "its arrays were changed after it was written", *RESTORE)
    return Tensors(arrays, facts)


def content_hash(arrays: Mapping[str, Array]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, in the order of the names: equal for bitwise equal weights."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        for part in _parts(name, arrays[name]):
            digest.update(part)
    return digest.hexdigest()


def _parts(name: str, array: Array) -> tuple[bytes, memoryview]:
    """What an array is called, and its bytes in the order of rows, the lowest first."""
    import numpy as np

    dtype = array.dtype.newbyteorder("<")
    # Not `ascontiguousarray`, which would make a scalar an array of one.
    solid = np.asarray(array, dtype, order="C")
    return f"{name}\0{dtype.str}{array.shape}\0".encode(), solid.reshape(-1).view(np.uint8).data


def _header(entries: Mapping[str, Any], facts: Mapping[str, str] | None, digest: hashlib._Hash) -> bytes:
    stored = {**(facts or {}), "content": digest.hexdigest()}
    stored["seal"] = seal(stored)
    text = json.dumps({_METADATA: dict(sorted(stored.items())), **entries}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text
