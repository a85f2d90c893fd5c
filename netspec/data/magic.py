"""What a file is by its first bytes, for a message where it is not what the spec takes it for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from netspec.data.faults import data_error

HEAD: Final = 512
"""How many bytes tell."""

_KNOWN: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"\x1f\x8b", "packed by gzip", "unpack it first"),
    (b"BZh", "packed by bzip2", "unpack it first"),
    (b"\xfd7zXZ", "packed by xz", "unpack it first"),
    (b"(\xb5/\xfd", "packed by zstd", "unpack it first"),
    (b"PAR1", "a Parquet file", "its source is `parquet`"),
    (b"ARROW1", "an Arrow file", "write it as Parquet, whose source is `parquet`"),
    (b"\x93NUMPY", "a NumPy array", "its source is `npy`"),
    (b"\x89HDF", "an HDF5 file", "write its arrays with `numpy.savez`, whose source is `npz`"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "save the sheet as CSV"),
    (b"\x89PNG", "a picture", "the source `images` reads folders and archives of pictures"),
    (b"\xff\xd8\xff", "a picture", "the source `images` reads folders and archives of pictures"),
    (b"SQLite format 3", "an SQLite database", "write the table as CSV"),
    (b"%PDF", "a PDF", "the source wants the data alone"),
    (b"version https://git-lfs", "a pointer of Git LFS to the file", "`git lfs pull` fetches the file itself"),
    (b"<!doctype html", "a web page", "a download gave a page instead of the file: fetch it again"),
    (b"<html", "a web page", "a download gave a page instead of the file: fetch it again"),
    (b"<?xml", "XML", "write the table as CSV"),
)


def recognized(begin: bytes) -> tuple[str, str] | None:
    """What a file that begins with these bytes is, and what to do with it; None where nothing tells."""
    if begin[:4] == b"PK\x03\x04":
        if b".npy" in begin:
            return "a NumPy archive", "its source is `npz`"
        is_workbook = b"[Content_Types].xml" in begin or b"xl/" in begin
        return (
            ("an Excel workbook", "save the sheet as CSV")
            if is_workbook
            else ("a zip archive", "unpack it first; one of pictures has the source `images`")
        )
    plain = begin.lstrip().lower()
    found = (known for known in _KNOWN if begin.startswith(known[0]) or plain.startswith(known[0]))
    return next(((what, advice) for _, what, advice in found), None)


def wrong_magic(path: Path, wanted: str, begin: bytes, helps: Iterable[str] = ()) -> Exception:
    """The fault of a file that is not ``wanted``, such as ``an IDX file``."""
    found = recognized(begin)
    what = f"it is {found[0]}" if found else f"it begins with {begin[:4].hex(' ')}" if begin else "it is empty"
    advice = [found[1]] if found else list(helps)
    return data_error("wrong-magic", f"{path.name} is no {wanted}: {what}", notes=lies_at(path), helps=advice)


def lies_at(path: Path) -> list[str]:
    """Where a file is, unless its name says it."""
    return [] if str(path) == path.name else [f"the file is {path}"]
