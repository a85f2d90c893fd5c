"""What a source of data is: something that a spec names and that opens as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from netspec.data.field import Field
from netspec.data.fieldtype import FieldType
from netspec.data.locate import Download
from netspec.data.table import Table
from netspec.declared import Declared

if TYPE_CHECKING:
    from netspec.data.streaming.streamed import Streamed, Wanted


class Source(Declared, family="source"):
    """Where data come from. A kind is one file in `netspec.data.sources`, named there."""

    scalar_columns: ClassVar[bool] = False
    """Whether every column has one value a row, so that a list of n columns surely makes a field of n numbers."""

    comes_along: ClassVar[bool] = False
    """Whether its data come with netspec, or with a package that netspec needs: no file and no download is wanted."""

    download: ClassVar[Download | None] = None
    """Its files, if they are public and fetched where they are not on this machine."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    """How the names of files end that it reads."""

    parts: ClassVar[tuple[str, ...]] = ()
    """Columns that say again what others say: no fields by themselves, but fields can be made of them."""

    streams: ClassVar[bool] = False
    """Whether `stream` can read it piece by piece."""

    continues: ClassVar[bool] = False
    """Whether each row goes on where the one before it ended, so that a state can be carried from one to the next."""

    @property
    def window(self) -> int | None:
        """How many tokens a row has at most, where it is a window of one text."""
        return None

    @classmethod
    def of_file(cls, path: Path) -> Source:
        """What reads one file of the user's, whose name ends in one of `suffixes`."""
        raise NotImplementedError

    def describe(self, base: Path) -> Mapping[str, FieldType] | None:
        """The fields as far as they are known without opening any data; None if only the data can tell.

        Args:
            base: the folder that paths in the spec are relative to.
        """
        raise NotImplementedError

    def own_fields(self) -> Mapping[str, Field]:
        """The fields that it makes of its own columns where the spec makes none of their names."""
        return {}

    def rows_to_predict(self, path: Path) -> Table | None:
        """The rows of a file that is written as its own are, to be predicted; None if its files are not such."""
        return None

    def rows_of_table(self, table: Table) -> Table:
        """The rows to predict that a table stands for, which was read from a file: as it is, its rows.

        Raises:
            DataError: if it is too short to be one.
        """
        return table

    def sizes(self) -> Mapping[str, int] | None:
        """How many rows each of its own splits has, where that is known without opening any data."""
        return None

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

    def open_told(self, base: Path, told: Callable[[str], None], *, offline: bool = False) -> Table:
        """As `open`; ``told`` is told how far it is, by the few sources that may take long."""
        return self.open(base, offline=offline)

    def files(self, base: Path) -> tuple[Path, ...]:
        """The files that it is read from, where it `streams`.

        Raises:
            DataError: if one is missing.
        """
        raise NotImplementedError

    def stream(self, base: Path, folder: Path, wanted: Wanted) -> Streamed:
        """The data as columns in files, none of them in memory; where it `streams`.

        Args:
            base: the folder that paths in the spec are relative to.
            folder: where decoded columns are written; it is removed when the fields are made.
            wanted: of all columns those that are read.

        Raises:
            DataError: if the data are wrong.
            EnvironmentFault: if a package that reads them is not installed.
        """
        raise NotImplementedError

    def advice(self, table: Table, code: str) -> tuple[str, ...]:
        """Ways out of a fault in its rows or columns that its own fields give, by the code of the fault."""
        return ()
