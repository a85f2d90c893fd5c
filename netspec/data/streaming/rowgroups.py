"""Parquet files decoded part by part."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from netspec.data.faults import data_error
from netspec.data.sources.parquet import column_of, reading_parquet
from netspec.data.stacking import refuse_other_columns
from netspec.data.streaming.decoded import Decoded
from netspec.data.streaming.streamed import Streamed, Wanted

CELLS: Final = 1 << 19
COLUMNS: Final = 8
"""How many columns are decoded at once: a page and a dictionary of each are in memory, some 2 MB."""


def decode_parquet(files: Mapping[str, Sequence[Path]], folder: Path, wanted: Wanted) -> Streamed:
    """The columns of Parquet files that are read, as they would be in memory.

    Raises:
        EnvironmentFault: if pyarrow is not installed.
        DataError: as `Parquet.open` does.
    """
    names: tuple[str, ...] = ()
    first, texts = "", set[str]()
    with Decoded(folder, texts) as into:
        for split, paths in files.items():
            for path in paths:
                into.begin(path.name, split)
                with reading_parquet(path) as file:
                    schema = file.schema_arrow
                    names, first = (names, first) if names else (tuple(schema.names), path.name)
                    refuse_other_columns(schema.names, path.name, names, first)
                    read = [name for name in schema.names if name in set(wanted(schema.names))]
                    found = {name for name in read if _is_text(path, schema.field(name))}
                    texts.update(found if not into.rows else ())
                    _refuse_other_kinds(path.name, found, first, texts)
                    for at in range(0, len(read), COLUMNS):
                        _decode(file, path, read[at : at + COLUMNS], into)
                    into.count(file.metadata.num_rows)
    import_module("pyarrow").default_memory_pool().release_unused()
    return into.streamed(names)


def _decode(file: Any, path: Path, names: Sequence[str], into: Decoded) -> None:
    """All rows of some columns."""
    for batch in file.iter_batches(batch_size=max(1, CELLS // COLUMNS), columns=list(names), use_threads=False):
        into.add({name: column_of(path, name, batch.column(name)) for name in names})


def _is_text(path: Path, field: Any) -> bool:
    """Whether a column holds text; asked of one without rows."""
    return column_of(path, field.name, import_module("pyarrow").array([], field.type)).dtype.hasobject


def _refuse_other_kinds(file: str, texts: Collection[str], first: str, known: Collection[str]) -> None:
    for name in sorted(set(texts) ^ set(known)):
        here, there = ("text", "numbers") if name in texts else ("numbers", "text")
        raise data_error("unequal-columns", f"`{name}` holds {here} in {file} and {there} in {first}")
