"""The sources that a spec can name; the import is the registration."""

from netspec.data.sources import csv, idx, logic, mnist, npz, random, rows, sklearn

__all__ = ["csv", "idx", "logic", "mnist", "npz", "random", "rows", "sklearn"]
