"""Pages of `netspec explain` as text of a terminal's width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from netspec.explanation.plain import plain

if TYPE_CHECKING:
    from netspec.explanation.codes import CodePage
    from netspec.explanation.kinds import FieldFacts, KindPage

_WIDEST: Final = 100  # longer lines of prose are hard to read
_INDENT: Final = "  "


def code_text(page: CodePage, width: int | None) -> str:
    """A code: what it means, a spec that has the fault with what netspec says of it, and one mended."""
    is_said = page.prose.startswith(page.meaning.rstrip("."))
    parts = [page.title, *([] if is_said else [page.meaning]), *_prose(page.prose, width)]
    if page.bad:
        parts += ["wrong:", _indented(page.bad), "what netspec says of it:", _indented(page.says())]
        parts += ["right:", _indented(page.good)]
    return "\n\n".join(parts)


def kind_text(page: KindPage, width: int | None) -> str:
    """A kind: its formula and shapes, fields, an example, the paper."""
    parts = [page.title]
    parts += [f"f(x) = {page.formula}"] if page.formula else []
    parts += _prose(page.prose, width)
    parts += ["fields:", _fields(page.fields, width)] if page.fields else []
    for name, fields in page.inner.items():
        parts += [f"fields of the map `{name}`:", _fields(fields, width)]
    if page.errors:
        told = "\n".join(_wrapped(f"{code}: {plain(meaning)}", width, _INDENT) for code, meaning in page.errors.items())
        parts += ["faults in the data:", told]
    parts += ["example:", _indented(page.example)]
    parts += [_wrapped(f"reference: {page.reference}", width)] if page.reference else []
    return "\n\n".join(parts)


def _fields(fields: Sequence[FieldFacts], width: int | None) -> str:
    column = max(len(field.name) for field in fields) + 2 * len(_INDENT)
    return "\n".join(line for field in fields for line in _field(field, column, width))


def _field(field: FieldFacts, column: int, width: int | None) -> Iterator[str]:
    facts = [plain(field.takes)]
    facts += ["required"] if field.is_required else [f"by default {field.default}"] if field.default else ["optional"]
    facts += ["the main field"] if field.is_main else []
    start = f"{_INDENT}{field.name}".ljust(column)
    yield _wrapped(f"{', '.join(facts)}. {plain(field.description)}", width, " " * column, start)


def _prose(markdown: str, width: int | None) -> list[str]:
    return [_wrapped(paragraph, width) for paragraph in plain(markdown).split("\n\n") if paragraph]


def _wrapped(text: str, width: int | None, indent: str = "", start: str | None = None) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        min(width or _WIDEST, _WIDEST),
        initial_indent=indent if start is None else start,
        subsequent_indent=indent if start is not None else indent + _INDENT if indent else "",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _indented(text: str) -> str:
    return textwrap.indent(text.rstrip("\n"), _INDENT)
