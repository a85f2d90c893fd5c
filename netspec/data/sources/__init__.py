"""The sources that a spec can name; the import is the registration."""

from netspec.data.sources import (
    csv,
    function,
    idx,
    logic,
    mnist,
    npy,
    npz,
    parquet,
    playground,
    random,
    rows,
    sklearn,
)

__all__ = [
    "csv", "function", "idx", "logic", "mnist", "npy", "npz", "parquet", "playground", "random", "rows", "sklearn",
]  # fmt: skip
