"""Named arrays in one safetensors file, with facts beside them and a hash that notices any changed byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netspec.runs.files import damaged, read_bytes, write_bytes

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_LENGTH_BYTES: Final = 8  # a safetensors file begins with the length of its JSON header
_METADATA: Final = "__metadata__"


@dataclass(frozen=True)
class Tensors:
    """Arrays by name, and the text facts stored with them; ``content`` is the hash of the arrays alone."""

    arrays: dict[str, Array]
    facts: dict[str, str]

    @property
    def content(self) -> str:
        return self.facts["content"]


def save_tensors(path: Path, arrays: Mapping[str, Array], facts: Mapping[str, str] | None = None) -> str:
    """Write ``arrays`` and ``facts`` as a whole file or not at all; the same input gives the same bytes.

    Returns:
        The hash of the arrays, also stored as the fact ``content``.

    Raises:
        EnvironmentFault: if the file cannot be written; a former one stays as it was.
    """
    import numpy as np
    from safetensors.numpy import save

    # Copies where it must: safetensors 0.8.0 writes the wrong bytes of arrays that are not C-contiguous. NumPy's
    # `ascontiguousarray` would make a scalar an array of one.
    solid = {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}
    content = content_hash(solid)
    stored = {**(facts or {}), "content": content}
    stored["seal"] = _seal(stored)
    # The library writes facts in a random order; with our own header, equal trainings leave equal files.
    saved = memoryview(save(solid))
    header, data = _split(saved)
    text = json.dumps({_METADATA: dict(sorted(stored.items())), **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    write_bytes(path, len(text).to_bytes(_LENGTH_BYTES, "little"), text, data)
    return content


def load_tensors(path: Path) -> Tensors:
    """Read what `save_tensors` or another program wrote; a file with a hash is checked against it.

    The file is read, not mapped: on Windows a mapped file cannot be replaced by the next checkpoint.

    Raises:
        DataError: if the file is absent, cut short or changed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    raw = read_bytes(path)
    helps = ("restore the file from a copy, or train again",)
    try:
        arrays = load(raw)
        header, _ = _split(memoryview(raw))
    except (SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, f"it is not a whole safetensors file ({error})", *helps) from error
    facts = dict(header.get(_METADATA) or {})
    seal = facts.pop("seal", None)
    if seal is not None and seal != _seal(facts):
        raise damaged(path, "its metadata were changed after it was written", *helps)
    content = content_hash(arrays)
    if facts.setdefault("content", content) != content:
        raise damaged(path, "its arrays were changed after it was written", *helps)
    return Tensors({name: arrays[name] for name in sorted(arrays)}, facts)


def content_hash(arrays: Mapping[str, Array]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, in the order of the names: equal for bitwise equal weights."""
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"{name}\0{array.dtype.newbyteorder('<').str}{array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _seal(facts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(sorted(facts.items()))).encode()).hexdigest()


def _split(raw: memoryview) -> tuple[dict[str, Any], memoryview]:
    start = _LENGTH_BYTES + int.from_bytes(raw[:_LENGTH_BYTES], "little")
    return json.loads(bytes(raw[_LENGTH_BYTES:start])), raw[start:]
