"""What a run saves of a network: the checkpoint that resumes bitwise, weights alone, what was fitted to the data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from netspec.runs.files import RESTORE, damaged, read_sealed, write_sealed
from netspec.runs.tensors import load_tensors, save_tensors

if TYPE_CHECKING:
    from netspec.runs.tensors import Array

_FLOAT: Final = "$float"


@dataclass(frozen=True)
class Checkpoint:
    """All that a bitwise resume needs, in one file.

    ``arrays`` holds weights and optimizer state under their paths; ``progress`` is any JSON: step, epoch, position in
    the epoch, the best so far. Floats come back with the same bits, infinities and NaN too; tuples come back as lists.
    """

    arrays: Mapping[str, Array]
    progress: Mapping[str, Any]


@dataclass(frozen=True)
class Weights:
    """Weights alone, the step they were taken at, and their hash."""

    arrays: dict[str, Array]
    step: int | None
    content: str


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> str:
    """Replace the run's one checkpoint; the former stays until the new one is safe. Returns the hash of the arrays."""
    facts = {
        "format": "netspec-checkpoint-1",
        "step": str(checkpoint.progress.get("step", "")),
        "progress": json.dumps(_tagged(checkpoint.progress), allow_nan=False),
    }
    return save_tensors(path, checkpoint.arrays, facts)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DataError: if there is none, or it is damaged, or holds weights without a training's progress.
    """
    tensors = load_tensors(path)
    text = tensors.facts.get("progress")
    if text is None:
        raise damaged(path, "it holds arrays but not the progress of a training")
    return Checkpoint(tensors.arrays, json.loads(text, object_hook=_untagged))


def save_weights(path: Path, arrays: Mapping[str, Array], step: int, **facts: str) -> str:
    """Write weights alone, with their step; returns their hash."""
    return save_tensors(path, arrays, {"format": "netspec-weights-1", "step": str(step), **facts})


def load_weights(path: Path) -> Weights:
    """Read weights from a file of netspec or of another program; ``step`` is None where the file does not say it."""
    tensors = load_tensors(path)
    step = tensors.facts.get("step", "")
    return Weights(tensors.arrays, int(step) if step.isdigit() else None, tensors.content)


def save_fitted(arrays_path: Path, facts_path: Path, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write what was fitted to the training split: scales as arrays, classes and vocabularies as JSON.

    Two files cannot be replaced in one step, so the JSON goes last and names the arrays it belongs to.
    """
    content = save_tensors(arrays_path, arrays, {"format": "netspec-fitted-1"})
    write_sealed(facts_path, {**facts, "arrays": content})


def load_fitted(arrays_path: Path, facts_path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_fitted` wrote.

    Raises:
        DataError: if a file is absent or damaged, or the two do not belong together.
    """
    facts = read_sealed(facts_path)
    tensors = load_tensors(arrays_path)
    if facts.pop("arrays", None) != tensors.content:
        raise damaged(arrays_path, f"it does not belong to `{facts_path.name}` beside it", *RESTORE)
    facts.pop("version", None)
    return tensors.arrays, facts


def _tagged(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _tagged(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's scalars
        return _tagged(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: str(value)}
    return value


def _untagged(value: dict[str, Any]) -> Any:
    return float(value[_FLOAT]) if value.keys() == {_FLOAT} else value
