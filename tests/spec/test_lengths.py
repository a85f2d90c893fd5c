"""Lengths that differ from sample to sample: the network's inputs name them, and sizes of vocabularies are shared."""

from __future__ import annotations

from pathlib import Path

from netspec.spec.check import check, check_shapes
from netspec.spec.document import examine

TAGGER = """
netspec: 1
data:
  source: {conll: {path: esp.train, columns: [word, entity]}}
  fields:
    words: {tokens: {of: word, lower: true}}
    chars: {tokens: {of: word, unit: character}}
    tags: {tokens: {of: entity, scheme: iobes}}
    ended: {tokens: {of: entity, end: true}}
network:
  inputs: {words: [N], chars: [N, C]}
  output: [a, b]
  layers:
    - dropout: {rate: 0.1, from: words, name: a}
    - dropout: {rate: 0.1, from: chars, name: b}
"""


def test_targets_have_the_lengths_of_inputs() -> None:
    document, report = examine(TAGGER, base=Path())
    assert document is not None
    model, _ = check_shapes(document, report)
    assert not report.diagnostics
    assert {name: str(field) for name, field in model.fields.items()} == {
        "words": "index [N]", "chars": "index [N, C]", "tags": "index [N]", "ended": "index [TEnd]",
    }  # fmt: skip


def test_a_length_of_the_data_does_not_take_a_name_that_is_given() -> None:
    document, report = examine(TAGGER.replace("[N]", "[TEnd]").replace("[N, C]", "[TEnd, C]"), base=Path())
    assert document is not None
    model, _ = check_shapes(document, report)
    assert not report.diagnostics
    assert str(model.fields["tags"]) == "index [TEnd]"
    assert str(model.fields["ended"]) == "index [TEnd_]"


def test_sizes_of_vocabularies() -> None:
    spec = """
netspec: 1
data:
  source: {windows: {path: brown.txt, before: 4, after: 0}}
  fields:
    word: {tokens: {of: word, min_count: 2}}
    context: {tokens: {of: context, vocabulary: word}}
    few: {tokens: {of: word, max_size: 500}}
    z: {tokens: {of: context, vocabulary: few}}
network:
  inputs: {x: [3]}
  layers: [{dense: "${data.context.size + 2 * data.word.size}"}, {dense: "${data.few.size + data.z.size}"}]
expect: {output: [1000]}
"""
    checked = check(spec.replace("expect: {output: [1000]}\n", "").replace("{x: [3]}", "{context: [4]}"), base=Path())
    found = [d.message for d in checked.report.diagnostics]
    assert all("dense" in message for message in found)  # which needs numbers
    assert checked.document is not None
    sizes = [node.layer.units for node in checked.document.network.nodes]  # type: ignore[union-attr]
    assert [str(n) for n in sizes] == ["3*|word|", "1000"]
