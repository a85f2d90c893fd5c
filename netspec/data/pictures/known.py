"""Public sets of pictures whose archives name splits and classes by their folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from netspec.data import fieldtype
from netspec.data.cache import cached_table
from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.locate import Download
from netspec.data.pictures.archive import Root
from netspec.data.pictures.decode import Colour, Form
from netspec.data.pictures.labelled import picture_table
from netspec.data.pictures.listing import Told, list_pictures, silent
from netspec.data.source import Source
from netspec.data.table import Table


class PictureSet(Source):
    """A public set: its archives hold ``SPLIT/CLASS/NAME``."""

    download: ClassVar[Download]
    shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[tuple[str, ...]]
    rows: ClassVar[Mapping[str, int]]

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {"image": fieldtype.image(*self.shape), "label": fieldtype.category(self.classes)}

    def sizes(self) -> Mapping[str, int]:
        return self.rows

    def open(self, base: Path, *, offline: bool = False) -> Table:
        return self.open_told(base, silent, offline=offline)

    def open_told(self, base: Path, told: Told, *, offline: bool = False) -> Table:
        found = list(self.download.locate(offline=offline).values())
        colour: Colour = "grey" if self.shape[2] == 1 else "rgb"
        roots = {"train": [Root(path) for path in found]}
        table = cached_table(
            self.kind, found, lambda: picture_table(list_pictures(roots, ("split", "class")), Form(color=colour), told)
        )
        self._check(table, found[0].parent)
        return table

    def _check(self, table: Table, folder: Path) -> None:
        sizes = {name: len(rows) for name, rows in table.splits.items()}
        if dict(table.types) != self.describe(folder) or sizes != self.rows:
            shown = ", ".join(f"`{name}` is {t}" for name, t in table.types.items())
            rows = ", ".join(f"{count:,} rows of `{name}`" for name, count in sizes.items())
            message = f"these are not the files of `{self.kind}`: {shown}, {rows}"
            raise data_error("wrong-data", message, notes=[f"they lie in {folder}"])
