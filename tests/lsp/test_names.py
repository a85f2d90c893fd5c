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


EVERYWHERE = """\
netspec: 1
blocks:
  tower:
    params: {units: integer}
    outputs: {inside: NODE}
    layers: [{dense: {units: "${units}", name: NODE}}, relu, {add: [NODE, relu_1]}]
data: {source: {random: {rows: 20, fields: {x: [4], y: [2], z: [2]}}}, split: {validation: 5}}
network:
  inputs: {x: [4]}
  layers:
    - dense: {units: 2, name: NODE}
    - dense: {units: 2, from: NODE, share: {bias: NODE.bias}, name: other}
    - tower: {units: 2, from: NODE, init: {NODE.kernel: he_normal}, name: left}
    - dense: {units: 2, from: other, share: {kernel: "left.NODE.kernel", bias: 'NODE.bias'}, name: late}
    - add: [NODE, left, left.inside, late]
  output: [NODE, other]
loss: [{mse: {from: NODE, target: y}}, {mse: {from: other, target: z}}, {mse: {from: add_1, target: z}}]
metrics: [{mae: {from: NODE, target: y}}, {rmse: {from: [NODE, other], target: y}}]
optimizer: sgd
schedule: {plateau: {metric: NODE.mae}}
train: {select: NODE.mae, early_stop: {patience: 3, metric: NODE.rmse}}
expect:
  train: {NODE.mae: "< 1", other.rmse: "< 1"}
"""


def test_all_that_names_a_layer_is_renamed() -> None:
    """In a block and outside of it a name means two layers; weights lead from one to the other."""
    lines = EVERYWHERE.replace("NODE", "node")
    analysis = analyze(lines, "everywhere.yaml")
    assert analysis.names is not None
    assert [fault.message for fault in analysis.diagnostics] == []
    outer, inner = (analysis.names.network, analysis.names.defined["blocks"]["tower"].inner)
    assert inner is not None
    texts = [renamed(analysis, listing.names["node"]) for listing in (outer, inner)]
    for text in texts:
        assert text is not None
        assert [fault.message for fault in analyze(text, "everywhere.yaml").diagnostics] == []
    assert texts[0] is not None
    again = analyze(texts[0], "everywhere.yaml")
    assert again.names is not None
    assert again.names.defined["blocks"]["tower"].inner is not None
    both = renamed(again, again.names.defined["blocks"]["tower"].inner.names["node"])
    assert both == lines.replace("node", "another")
