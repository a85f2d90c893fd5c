"""The sources that a spec can name; the name of a file here adds its source."""

from netspec.data.source import Source

Source.kinds.lie_in(
    __name__,
    "cifar10",
    "conll",
    "csv",
    "faces",
    "function",
    "idx",
    "images",
    "lines",
    "logic",
    "mnist",
    "npy",
    "npz",
    "pairs",
    "parquet",
    "playground",
    "random",
    "recall",
    "rewriting",
    "rows",
    "series",
    "shapes",
    "sklearn",
    "stream",
    "windows",
)
