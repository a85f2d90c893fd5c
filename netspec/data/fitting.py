"""What is taken from the training rows and kept with the run: scaling, classes, the columns a field stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from netspec.data.faults import data_error
from netspec.data.field import Learnt, Scaling
from netspec.data.fieldtype import FieldType, type_from_json, type_to_json
from netspec.data.ragged import Ragged

if TYPE_CHECKING:
    from netspec.data.table import Array, Rows, Values

_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class FittedField:
    """A field as the network sees it: ``(stored - offset) * scale``.

    ``offset`` and ``scale`` are float32 and broadcast over one sample: ``[n]`` for numbers, ``[1, 1, channels]`` for
    images, None where nothing is scaled. For images they hold the step from bytes to 0..1 as well. A scaled target goes
    back to its own units by ``y / scale + offset``. ``fills`` are what stands in for missing cells, by column.
    """

    type: FieldType
    columns: tuple[str, ...] = ()
    offset: Array | None = None
    scale: Array | None = None
    scaling: Scaling | None = None
    fills: Mapping[str, float | str] = field(default_factory=dict)
    counts: tuple[int, ...] = ()
    """Of one class a sample: the training rows of each. Of a class a step: the steps."""
    middle: float = 0.5
    """Midway between the least and the largest of single numbers in the training rows: where they are cut in two."""

    @property
    def learnt(self) -> Learnt:
        return Learnt(self.type, self.columns, self.fills)


@dataclass(frozen=True, eq=False)
class Fitted:
    """All that predicting needs to know of the data, by field; goes to files as JSON and arrays and comes back."""

    fields: Mapping[str, FittedField]

    def to_json(self) -> dict[str, Any]:
        fields = {
            name: {
                "type": self._type_to_json(f.type),
                "columns": list(f.columns),
                "scaling": f.scaling,
                "fills": dict(f.fills),
                "counts": list(f.counts),
                "middle": f.middle,
            }
            for name, f in self.fields.items()
        }
        return {"version": 1, "fields": fields}

    def _type_to_json(self, type_: FieldType) -> dict[str, Any]:
        """A type; a vocabulary that another field owns is written there."""
        owner = self.fields.get(type_.vocabulary or "")
        is_there = owner is not None and owner.type.classes == type_.classes
        return type_to_json(replace(type_, classes=None) if is_there else type_)

    def to_arrays(self) -> dict[str, Array]:
        """The arrays by ``FIELD.offset`` and ``FIELD.scale``."""
        arrays = {}
        for name, f in self.fields.items():
            if f.offset is not None and f.scale is not None:
                arrays[f"{name}.offset"], arrays[f"{name}.scale"] = f.offset, f.scale
        return arrays

    @classmethod
    def from_parts(cls, data: Mapping[str, Any], arrays: Mapping[str, Array]) -> Fitted:
        """The inverse of `to_json` and `to_arrays`."""
        fields = {}
        for name, f in data["fields"].items():
            scaling = arrays.get(f"{name}.offset"), arrays.get(f"{name}.scale")
            type_, columns = type_from_json(f["type"]), tuple(f["columns"])
            if type_.vocabulary is not None and type_.classes is None:
                type_ = replace(type_, classes=type_from_json(data["fields"][type_.vocabulary]["type"]).classes)
            counts = tuple(f.get("counts", ()))
            fields[name] = FittedField(type_, columns, *scaling, f["scaling"], f["fills"], counts, f.get("middle", 0.5))
        return cls(fields)


def fit_scaling(
    name: str, learnt: Learnt, column: Values | Ragged, train: Rows, scaling: Scaling | None
) -> FittedField:
    """Offset and scale of one field over the rows ``train``: per number, per channel of an image.

    Raises:
        DataError: if a number or channel to be scaled has the same value in every row.
    """
    import numpy as np

    if isinstance(column, Ragged):
        read = column.reads(train[:])
        if scaling is None:
            counts = _step_counts(learnt.type, column, read)
            return FittedField(learnt.type, learnt.columns, fills=learnt.fills, counts=counts)
        # Of rows that overlap each number counts once.
        column, train = column.values, np.flatnonzero(read)
    counts = class_counts(learnt.type, column, train)
    fitted = FittedField(learnt.type, learnt.columns, fills=learnt.fills, counts=counts)
    pixels = learnt.type.kind == "image"
    unit = learnt.type.top if pixels and column.dtype == np.uint8 else 1
    if scaling is None:
        if unit == 1:
            return fitted
        one = np.ones((1, 1, 1), np.float32)
        return replace(fitted, offset=0 * one, scale=one / np.float32(unit))
    features = column.shape[1:]
    kept = (column.shape[-1],) if pixels else features
    start, width = moments(column, train, kept) if scaling == "standardize" else extent(column, train, kept)
    for i in np.flatnonzero(width == 0):
        raise _constant(name, learnt, int(i), start.reshape(-1)[i])
    shape = (1,) * (len(features) - len(kept)) + kept
    offset, scale = (x.reshape(shape).astype(np.float32) for x in (start, 1 / width))
    return replace(fitted, offset=offset, scale=scale, scaling=scaling)


def class_counts(type_: FieldType, column: Values, train: Rows) -> tuple[int, ...]:
    """How many of the rows ``train`` are of each class; of a field that is not one class a sample, nothing."""
    import numpy as np

    if type_.kind not in ("category", "index") or type_.shape != ():
        return ()
    counts = np.zeros(type_.size or 0, np.int64)
    for rows in _chunks(column, train):
        counts += np.bincount(column[rows], minlength=len(counts))
    return tuple(counts.tolist())


def _step_counts(type_: FieldType, column: Ragged, read: Array) -> tuple[int, ...]:
    """How many steps are of each class, where each value is read so often; of numbers and spelled words, nothing."""
    import numpy as np

    if type_.kind != "index" or column.spellings is not None:
        return ()
    return tuple(np.bincount(column.values, read, type_.size or 0).astype(np.int64).tolist())


def moments(column: Values, train: Rows, kept: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and deviation (0 if constant) in float64 over the rows ``train`` and all axes but the last ones ``kept``."""
    import numpy as np

    wide = np.uint64 if column.dtype == np.uint8 else np.float64
    size = int(np.prod(kept, dtype=np.int64))
    count = len(train) * (int(np.prod(column.shape[1:], dtype=np.int64)) // max(size, 1))
    if column.dtype == np.uint8:
        # Sums of bytes and of their squares are exact in integers, so one pass will do: 60 ms for MNIST.
        sums = np.zeros((2, size), wide)
        for rows in _chunks(column, train):
            part = column[rows].reshape(-1, size)
            sums[0] += part.sum(axis=0, dtype=wide)
            sums[1] += np.square(part, dtype=np.uint16).sum(axis=0, dtype=wide)
        exact = [(int(s), count * int(q) - int(s) ** 2) for s, q in sums.T]
        return np.array([s / count for s, _ in exact]), np.array([v**0.5 / count for _, v in exact])
    mean = (
        sum((column[rows].reshape(-1, size).sum(axis=0, dtype=wide) for rows in _chunks(column, train)), np.zeros(size))
        / count
    )
    squares, low, high = np.zeros(size), np.full(size, np.inf), np.full(size, -np.inf)
    for rows in _chunks(column, train):
        part = column[rows].reshape(-1, size).astype(np.float64)
        squares += np.square(part - mean).sum(axis=0)
        low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
    return mean, np.where(low == high, 0.0, np.sqrt(squares / count))


def _chunks(column: Values, rows: Rows) -> Iterator[Array]:
    """The rows in parts of which the values are at ease in memory."""
    step = max(1, _CHUNK_BYTES // max(1, column[:1].nbytes))
    for i in range(0, len(rows), step):
        yield rows[i : i + step]


def extent(column: Values, train: Rows, kept: tuple[int, ...]) -> tuple[Array, Array]:
    """The least value, and how far the largest lies above it, over the rows ``train``; as `moments`."""
    import numpy as np

    size = int(np.prod(kept, dtype=np.int64))
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    for rows in _chunks(column, train):
        part = column[rows].reshape(-1, size)
        low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
    return low, high - low


def middle(type_: FieldType, column: Values, train: Rows) -> float:
    """Midway between the least and the largest of single numbers over the rows ``train``; 0.5 of all else."""
    import numpy as np

    if type_.kind != "number" or type_.shape not in ((), (1,)):
        return 0.5
    ends = [(part.min(), part.max()) for part in (column[rows] for rows in _chunks(column, train))]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return float((np.float64(low) + np.float64(high)) / 2)


def _constant(name: str, learnt: Learnt, i: int, value: float) -> Exception:
    if learnt.type.kind == "image":
        what = f"channel {i} of `{name}`"
    elif len(learnt.columns) > i and learnt.type.shape == (len(learnt.columns),):
        what = f"`{learnt.columns[i]}` in `{name}`"
    else:
        what = f"number {i + 1} of `{name}`"
    message = f"{what} is {value:g} in every training row and cannot be scaled"
    return data_error("constant-column", message, helps=["leave it out of the field, or do not scale the field"])
