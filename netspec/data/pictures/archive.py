"""Where pictures lie: in a folder or in a zip archive, both seen as files below a root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from netspec.data.faults import data_error, shown, unreadable
from netspec.data.magic import HEAD, lies_at, wrong_magic

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

SUFFIXES: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""How the names of pictures end; a file of another name is none."""

_MOST_BYTES: Final = 1 << 28
_DEEPEST: Final = 32
_LOCKED: Final = 0x1  # the flag of an encrypted entry

Parts: TypeAlias = tuple[str, ...]
"""A path below a root, name by name: ``("train", "face", "1.png")``."""


@dataclass(frozen=True)
class Root:
    """A folder or a zip archive, and the folder within the archive where pictures begin."""

    path: Path
    inner: Parts = ()

    @property
    def name(self) -> str:
        return self.name_of(())

    def name_of(self, parts: Parts) -> str:
        """What to call a file or folder below it in a message."""
        return "/".join((self.path.name or str(self.path), *self.inner, *parts))

    def files(self) -> tuple[Path, ...]:
        """The files on disk that its content depends on: the archive, or all pictures of the folder.

        Raises:
            DataError: if it cannot be read.
        """
        if not self.path.is_dir():
            return (self.path,)
        with opened(self) as store:
            return tuple(self.path.joinpath(*self.inner, *parts) for parts in store.files() if is_picture(parts))


class Store(Protocol):
    """A root, opened."""

    def files(self) -> list[Parts]:
        """All files but hidden ones, in the order of their names."""

    def folders(self) -> set[Parts]:
        """The folders, those without files too."""

    def read(self, parts: Parts) -> bytes:
        """The content of a file.

        Raises:
            DataError: if it cannot be read, wants a password, or is larger than any picture.
        """


def is_picture(parts: Parts) -> bool:
    """Whether a file is one by its name."""
    return parts[-1].lower().endswith(SUFFIXES)


@contextmanager
def opened(root: Root) -> Iterator[Store]:
    """The files of a root.

    Raises:
        DataError: if it is neither a folder nor a zip archive, or cannot be read.
    """
    import zipfile

    try:
        if root.path.is_dir():
            yield _Folder(root)
            return
        with root.path.open("rb") as file:
            begin = file.read(HEAD)
            if begin[:2] != b"PK":
                raise wrong_magic(root.path, "zip archive", begin, ["pictures are read from folders and zip archives"])
            try:
                archive = zipfile.ZipFile(file)
            except (zipfile.BadZipFile, EOFError, ValueError) as error:
                raise _damaged(root.path.name, str(error), lies_at(root.path)) from None
            with archive:
                yield _Archive(root, archive)
    except OSError as error:
        raise unreadable(root.path, error) from None


class _Folder:
    def __init__(self, root: Root) -> None:
        self._root, self._base = root, root.path.joinpath(*root.inner)
        self._files: list[Parts] = []
        self._folders: set[Parts] = set()
        self._walk((), ())
        self._files.sort()

    def files(self) -> list[Parts]:
        return self._files

    def folders(self) -> set[Parts]:
        return self._folders

    def read(self, parts: Parts) -> bytes:
        path = self._base.joinpath(*parts)
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise _too_large(self._root.name_of(parts))
            return path.read_bytes()
        except OSError as error:
            raise unreadable(path, error) from None

    def _walk(self, parts: Parts, above: tuple[str, ...]) -> None:
        """Folders that are links are followed, but not into one that they lie in."""
        path = self._base.joinpath(*parts)
        real = os.path.realpath(path)
        if real in above or len(parts) > _DEEPEST:
            return
        with os.scandir(path) as entries:
            for entry in entries:
                if _is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    self._folders.add((*parts, entry.name))
                    self._walk((*parts, entry.name), (*above, real))
                elif entry.is_file():
                    self._files.append((*parts, entry.name))


class _Archive:
    def __init__(self, root: Root, archive: ZipFile) -> None:
        self._root, self._archive = root, archive
        self._entries: dict[Parts, ZipInfo] = {}
        self._folders: set[Parts] = set()
        depth = len(root.inner)
        for entry in archive.infolist():
            parts = tuple(part for part in entry.filename.split("/") if part)
            if parts[:depth] != root.inner or len(parts) <= depth or any(_is_hidden(part) for part in parts):
                continue
            own = parts[depth:]
            self._folders |= {own[:i] for i in range(1, len(own) + entry.is_dir())}
            if not entry.is_dir():
                self._entries[own] = entry

    def files(self) -> list[Parts]:
        return sorted(self._entries)

    def folders(self) -> set[Parts]:
        return self._folders

    def read(self, parts: Parts) -> bytes:
        entry, name = self._entries[parts], self._root.name_of(parts)
        if entry.flag_bits & _LOCKED:
            helps = ["unpack the archive with its password, and name the folder"]
            raise data_error("locked-file", f"{name} can only be read with a password", helps=helps)
        if entry.file_size > _MOST_BYTES:
            raise _too_large(name)
        try:
            return self._archive.read(entry)
        except OSError as error:
            raise unreadable(self._root.path, error) from None
        except MemoryError:
            raise
        except Exception as error:  # of zlib, of zipfile, of a method of packing that is not known
            raise _damaged(name, str(error), lies_at(self._root.path)) from None


def _is_hidden(name: str) -> bool:
    """What a system keeps beside the user's files."""
    return name.startswith(".") or name == "__MACOSX"


def _too_large(name: str) -> Exception:
    return data_error("bad-picture", f"{name} has more than {_MOST_BYTES >> 20} MiB, which no picture needs")


def _damaged(name: str, words: str, notes: list[str]) -> Exception:
    notes = [*([f"Python says: {shown(words, 200)}"] if words else []), *notes]
    helps = ["fetch or pack the archive again"]
    return data_error("truncated-file", f"{name} is cut short or damaged", notes=notes, helps=helps)
