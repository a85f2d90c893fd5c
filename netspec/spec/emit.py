"""Plain data as YAML text that the reader reads back to the same data."""

from __future__ import annotations

import re
from typing import Any, Final

from netspec.tensortype import Size

WIDTH: Final = 110
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*", re.ASCII)
_NOT_TEXT: Final = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def to_yaml(value: Any) -> str:
    """``value``, made of dicts, lists, text, numbers and booleans, as a YAML document."""
    return "\n".join(_block(value, 0)) + "\n"


def size_text(size: Size) -> str:
    """A size that the data will tell, as a spec writes it: ``${25*data.chars.size + 7}``."""
    return "${" + re.sub(r"\|(\w+)\|", r"data.\1.size", str(size)) + "}"


def _block(value: Any, indent: int) -> list[str]:
    pad = " " * indent
    if isinstance(value, dict) and value:
        lines = []
        for key, inner in value.items():
            lines += _entry(f"{pad}{_text(str(key))}:", inner, indent)
        return lines
    if isinstance(value, list) and value:
        return [line for item in value for line in _item(pad, item, indent)]
    return [pad + flow(value)]


def _entry(head: str, value: Any, indent: int) -> list[str]:
    inline = f"{head} {flow(value)}"
    if len(inline) <= WIDTH or not isinstance(value, dict | list) or not value:
        return [inline]
    return [head, *_block(value, indent + 2)]


def _item(pad: str, value: Any, indent: int) -> list[str]:
    inline = f"{pad}- {flow(value, is_outer=True)}"
    if len(inline) <= WIDTH or not isinstance(value, dict | list) or not value:
        return [inline]
    first, *rest = _block(value, indent + 2)
    return [f"{pad}- {first.lstrip()}", *rest]


def flow(value: Any, *, is_outer: bool = False) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{_text(str(key))}: {flow(inner)}" for key, inner in value.items())
        # A list's item of one key needs no braces, as specs write layers.
        return pairs if is_outer and len(value) == 1 else f"{{{pairs}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return '"' + "".join(_escaped(c) for c in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
