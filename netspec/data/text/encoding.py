"""Files of text: how they are encoded, and what is told where they are not."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import pydantic

from netspec.data.faults import data_error, unreadable
from netspec.data.magic import HEAD, recognized, wrong_magic

_BYTE_ORDER_MARKS: Final = {
    b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
}  # fmt: skip


def _is_known(encoding: str) -> str:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(f"there is no encoding `{encoding}`") from None
    return encoding


Encoding: TypeAlias = Annotated[str, pydantic.AfterValidator(_is_known)]
"""An encoding of text, by Python's name for it."""


def read_text(path: Path, encoding: str, what: str) -> str:
    r"""The whole text of a file, its lines ended by ``\n`` whatever system wrote it.

    Args:
        path: the file.
        encoding: of its text.
        what: the source that reads it, for messages.

    Raises:
        DataError: if it is empty, is no text, or holds bytes that are not in the encoding: the first one is told with
            its line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    if recognized(content[:HEAD]):
        raise wrong_magic(path, "text file", content[:HEAD])
    if not content:
        raise data_error("no-rows", f"{path.name} is empty")
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    try:
        text = content.decode("utf-8-sig" if is_utf8 else encoding)
    except UnicodeDecodeError as error:
        raise _wrong_byte(path, encoding, what, content, error.start, is_utf8=is_utf8) from None
    except UnicodeError as error:
        raise data_error("wrong-encoding", f"{path.name} is not {encoding}: {error}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _wrong_byte(path: Path, encoding: str, what: str, content: bytes, at: int, *, is_utf8: bool) -> Exception:
    """What cannot be decoded, with its line, and a way to read it where one can be seen."""
    name = "UTF-8" if is_utf8 else encoding
    line = content.count(b"\n", 0, at) + 1
    column = at - content.rfind(b"\n", 0, at)
    code = "not-utf8" if is_utf8 else "wrong-encoding"
    message = f"{path.name}, line {line}: byte {column} of it is 0x{content[at]:02x}, which is no {name} here"
    marked = next((found for mark, found in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    likely = marked or (_single_bytes(content) if is_utf8 else None)
    helps = [f"name its encoding: `{what}: {{encoding: {likely}}}`"] if likely else []
    return data_error(code, message, helps=helps or ["`encoding` in the source says how the file is written"])


def _single_bytes(content: bytes) -> str | None:
    """What text of single bytes for characters is likely to be."""
    try:
        content.decode("windows-1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "windows-1252"
