"""Rows to try an exported network on: random ones, and those of its data as they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from netspec.data.rows import encode_rows, table_of_rows
from netspec.data.table import Place
from netspec.diagnostics import NetspecError
from netspec.export.format import Model, Samples
from netspec.tensortype import known

if TYPE_CHECKING:
    from netspec.export.format import Array

COUNT: Final = 200


def random_samples(model: Model) -> Samples:
    """Inputs drawn at random: normal numbers in the units of the data, bytes, classes."""
    import numpy as np

    rng = np.random.default_rng(0)
    return Samples({name: _drawn(model, name, rng) for name in model.inputs})


def _drawn(model: Model, name: str, rng: Any) -> Array:
    field = model.fitted.fields[name]
    shape = (COUNT, *(known(n) for n in field.type.shape or ()))
    if field.type.kind == "image" and field.type.dtype == "uint8":
        drawn: Array = rng.integers(0, field.type.top, shape, dtype="uint8", endpoint=True)
        return drawn
    if field.type.kind in ("category", "index"):
        codes: Array = rng.integers(0, field.type.size or 2, shape).astype(field.type.dtype)
        return codes
    values = rng.standard_normal(shape)
    if field.offset is not None and field.scale is not None:
        values = values / field.scale + field.offset
    numbers: Array = values.astype("float32")
    return numbers


def real_samples(model: Model) -> Samples | None:
    """Rows of the data the network was trained on, as they were read; None where the data are not here."""
    import numpy as np

    data = model.document.data
    if data is None:
        return None
    try:
        table = data.source.open(model.document.base, offline=True)
    except NetspecError:
        return None
    rows = []
    for row in np.unique(np.linspace(0, table.rows - 1, COUNT).astype(int)).tolist():
        cells = {name: _cell(table.columns[name][row], table.types[name].classes) for name in table.columns}
        one = table_of_rows([cells], Place("the data", 0))
        try:
            encode_rows(one, data.linked_fields(), model.fitted, model.inputs)
        except NetspecError:
            continue  # a row that training has dropped
        rows.append(cells)
    if not rows:
        return None
    encoded = encode_rows(table_of_rows(rows, Place("the data", 0)), data.linked_fields(), model.fitted, model.inputs)
    return Samples(encoded, rows)


def _cell(value: Any, classes: tuple[str, ...] | None) -> Any:
    """A cell as a user would give it: a class by its name."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    return classes[plain] if classes and isinstance(plain, int) else plain
