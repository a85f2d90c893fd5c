"""CSV files decoded part by part into files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.data.cells import take_cells
from netspec.data.streaming.decoded import Decoded
from netspec.data.streaming.streamed import Streamed, Wanted

if TYPE_CHECKING:
    from netspec.data.sources.csv import Csv


def decode_csv(files: Mapping[str, Sequence[Path]], form: Csv, folder: Path, wanted: Wanted) -> Streamed:
    """The columns of CSV files that are read, as they would be in memory.

    Raises:
        DataError: as `Csv.open` does.
    """
    decoded, names, empty = take_cells(files, form, wanted, lambda texts: Decoded(folder, texts))
    return decoded.streamed(names, empty)
