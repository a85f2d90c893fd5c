"""What a source of data is: something that a spec names and that opens as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from netspec.data.fieldtype import FieldType
from netspec.data.table import Table
from netspec.declared import Declared


class Source(Declared, family="source"):
    """Where data come from. A kind is one file in `netspec.data.sources` and one import line there."""

    scalar_columns: ClassVar[bool] = False
    """Whether every column has one value a row, so that a list of n columns surely makes a field of n numbers."""

    parts: ClassVar[tuple[str, ...]] = ()
    """Columns that say again what others say: no fields by themselves, but fields can be made of them."""

    def describe(self, base: Path) -> Mapping[str, FieldType] | None:
        """The fields as far as they are known without opening any data; None if only the data can tell.

        Args:
            base: the folder that paths in the spec are relative to.
        """
        raise NotImplementedError

    def open(self, base: Path, *, offline: bool = False) -> Table:
        """Read the data.

        Args:
            base: the folder that paths in the spec are relative to.
            offline: download nothing.

        Raises:
            DataError: if the data are wrong.
            EnvironmentFault: if they are not here and cannot be fetched.
        """
        raise NotImplementedError
