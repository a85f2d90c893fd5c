"""Names of a spec: whatever is renamed, the spec means the same; whatever is written, nothing breaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.lsp.analysis import Analysis, analyze
from netspec.lsp.completion import complete
from netspec.lsp.hover import hover
from netspec.lsp.names import Symbol
from netspec.lsp.outline import outline
from netspec.lsp.rename import RenameError, check, main_of, rename
from netspec.lsp.text import Position, Text

CHECKOUT = Path(__file__).parents[2]
SPECS = [
    *sorted((CHECKOUT / "tests" / "spec" / "language").glob("*.yaml")),
    *(CHECKOUT / "specs" / name for name in ("cells/lstm.yaml", "rnn/long_gap.yaml", "imagenet/resnet.yaml")),
]


def renamed(analysis: Analysis, symbol: Symbol) -> str | None:
    """The text with another name for ``symbol``; None where it cannot have one."""
    names = analysis.names
    assert names is not None
    try:
        main = main_of(names, symbol.item) if symbol.item is not None else None
        edits = rename(names, check(symbol), "another", main)
    except RenameError:
        return None
    text = analysis.text
    for place, new in sorted(edits, key=lambda edit: -edit[0].start):
        assert place.file == analysis.file
        text = text[: place.start] + new + text[place.end :]
    return text


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_what_is_renamed_is_found_everywhere(path: Path) -> None:
    analysis = analyze(path.read_text(encoding="utf-8"), str(path))
    assert analysis.names is not None
    codes = [fault.code for fault in analysis.diagnostics]
    tried = 0
    symbols = analysis.names.symbols
    for symbol in symbols[:: 1 + len(symbols) // 20]:
        text = renamed(analysis, symbol)
        if text is not None:
            tried += 1
            assert [fault.code for fault in analyze(text, str(path)).diagnostics] == codes, symbol.name
            assert text != analysis.text
    assert tried


PIECES = [
    "{",
    "[",
    "${",
    "- ",
    "\n",
    "x: ",
    '"',
    "'",
    "\t",
    "\N{BRAIN}",
    "}",
    ": ",
    "&a ",
    "*a",
    "!t ",
    "null",
    "|\n",
    "\r\n",
]


@settings(max_examples=60)
@given(st.sampled_from(SPECS), st.floats(0, 1), st.sampled_from(PIECES), st.booleans())
def test_no_text_is_too_broken(path: Path, share: float, piece: str, is_cut: bool) -> None:
    whole = path.read_text(encoding="utf-8")
    offset = int(share * len(whole))
    text = whole[:offset] + piece + ("" if is_cut else whole[offset:])
    analysis = analyze(text, str(path))
    complete(text, offset + len(piece), str(path), analysis)
    hover(analysis, offset)
    outline(analysis)


@given(st.text("a\N{BRAIN}\u00e9\u2028\x85\r\n", max_size=40), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_positions_lead_back(source: str, encoding: str) -> None:
    text = Text(source, encoding)  # type: ignore[arg-type]  # one of them
    for offset in range(len(source) + 1):
        if source[offset - 1 : offset + 1] != "\r\n":  # no editor stands between the two
            assert text.offset_at(text.position_at(offset)) == offset
    assert text.offset_at(Position(10_000, 0)) == len(source)
