"""The resolved spec reads back to the same network, data, losses and training."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from netspec.diagnostics import Report
from netspec.spec.document import Document, load
from netspec.spec.emit import to_yaml
from netspec.spec.resolved import resolved
from netspec.spec.tree import plain
from netspec.spec.yaml import read_text

# A file without its own `netspec:` is a fragment, which others include.
GALLERY = [
    p for p in sorted((Path(__file__).parents[2] / "specs").rglob("*.yaml")) if "\nnetspec: 1" in p.read_text("utf-8")
]

WHOLE = """
    netspec: 1
    name: whole
    vars: {width: 8, act: tanh, rate: 1e-2}
    blocks:
      tower:
        params: {units: integer, act: relu}
        layers:
          - dense: {units: "${units}", activation: "${act}"}
          - sigmoid
          - dense: {units: "${2 * units}", name: main}
      pair: {inputs: [a, b], outputs: {sum: add_1}, layers: [{add: [a, b]}, tanh]}
    activations: {squash: 1.7159 * tanh(2/3 * x), scaled: {params: {k: 2}, formula: k * x}}
    losses: {cubic: {params: {p: number}, formula: "sum(abs(output - target) ** p)"}}
    data:
      source: {random: {rows: 64, fields: {left: [4], right: [4], y: [2], label: {category: 3}}}}
      split: {validation: 0.25}
    network:
      inputs: {left: [4], right: [4]}
      output: [y_hat, scores]
      layers:
        - tower: {units: "${width}", from: left, name: left_tower, act: "${act}"}
        - tower: {units: "${width}", from: right, share: left_tower}
        - pair: {from: {a: left_tower, b: tower_2}, name: p}
        - dense: {units: 16, activation: squash, repeat: 2, name: r, init: {kernel: he_normal, bias: 0.5}, lr_scale: 2}
        - scaled: 3
        - concat: [scaled_1, p.sum]
        - dropout: 0.1
        - dense: {units: 2, name: y_hat, regularize: {l2: 1e-3}}
        - dense: {units: "${data.label.size}", name: scores, from: dropout_1, init: {bias: [1, 2, 3]}}
    loss:
      - cubic: {from: y_hat, p: 2, target: y}
      - cross_entropy: {from: scores, weight: 0.5, target: label}
    metrics: [{rmse: {from: y_hat, target: y}}, {accuracy: {from: scores, target: label}}]
    optimizer: {adam: "${rate}"}
    train: {epochs: 2, batch: 16, select: scores.accuracy}
    expect: {validation: {scores.accuracy: ">= 0"}}
"""


def same(a: Document, b: Document) -> None:
    assert a.name == b.name
    assert a.data == b.data
    assert a.fields == b.fields
    assert a.train == b.train
    assert a.optimizer == b.optimizer
    assert a.schedule == b.schedule
    assert a.network.outputs == b.network.outputs
    assert a.network.values == b.network.values
    for x, y in zip(a.network.nodes, b.network.nodes, strict=True):
        assert (x.path, x.kind, x.inputs) == (y.path, y.kind, y.inputs)
        assert _fields(x.layer) == _fields(y.layer)
        assert _common(x.common) == _common(y.common)
    for p, q in zip((*a.losses, *a.metrics), (*b.losses, *b.metrics), strict=True):
        assert (p.kind, p.name, p.output, p.target, p.weight) == (q.kind, q.name, q.output, q.target, q.weight)
        assert _fields(p.what) == _fields(q.what)


def _fields(model: Any) -> Any:
    """The fields of a model; what a spec defines is another class each time it is read."""
    return {name: _fields(value) if isinstance(value, BaseModel) else value for name, value in model or ()}


def _common(common: Any) -> Any:
    init = {name: ref.initializer for name, ref in common.init.items()}
    return common.freeze, common.lr_scale, init, common.regularize, common.owner, sorted(common.share)


def test_whole_language_round_trips() -> None:
    document = load(textwrap.dedent(WHOLE))
    text = resolved(document)
    again = load(text, base=document.base)
    same(document, again)
    assert resolved(again) == text


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_gallery_round_trips(path: Path) -> None:
    document = load(path)
    text = resolved(document)
    again = load(text, base=document.base)
    same(document, again)
    assert resolved(again) == text


def test_defaults_are_filled_in() -> None:
    text = resolved(load(textwrap.dedent(WHOLE)))
    for part in ("beta1: 0.9", "bias: true", "shuffle: true", "name: dropout_1", "validation: 0.25"):
        assert part in text


def test_overrides_and_includes_are_gone(tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "sgd.yaml").write_text("optimizer: {sgd: {lr: 0.5}}\nvars: {n: 3}\n", encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(
        "netspec: 1\ninclude: common/sgd.yaml\nnetwork: {inputs: {x: [2]}, layers: [{dense: '${n}'}]}\n",
        encoding="utf-8",
    )
    text = resolved(load(tmp_path / "spec.yaml", ["vars.n=5", "optimizer.sgd.momentum=0.5"]))
    assert "include" not in text
    assert "vars" not in text
    assert "momentum: 0.5" in text
    assert "units: 5" in text


def test_file_of_weights_is_found_from_its_spec(tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    network = "network: {inputs: {x: [2]}, layers: [{dense: {units: 1, init: {kernel: {file: w.npy}}}}]}\n"
    (tmp_path / "common" / "net.yaml").write_text(network, encoding="utf-8")
    (tmp_path / "spec.yaml").write_text("netspec: 1\ninclude: common/net.yaml\n", encoding="utf-8")
    document = load(tmp_path / "spec.yaml")
    given = document.network.nodes[0].common.init["kernel"].initializer
    assert getattr(given, "path", None) == str(tmp_path / "common" / "w.npy")
    again = load(resolved(document), base=document.base)
    found = again.network.nodes[0].common.init["kernel"].initializer
    assert Path(getattr(found, "path", "")).resolve() == (tmp_path / "common" / "w.npy").resolve()


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1), VALUES, min_size=1, max_size=5))
def test_text_reads_back(value: dict[str, Any]) -> None:
    report = Report()
    found = read_text(to_yaml(value), "t", report)
    if any("${" in d.message or d.code == "bad-key" for d in report.diagnostics):
        return  # `${}` and `<<` are never keys
    assert not report.diagnostics
    assert found is not None
    assert plain(found) == value
