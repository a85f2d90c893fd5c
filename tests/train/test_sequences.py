"""Samples of differing length: trained, measured and predicted, whatever they are filled up to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import trained

from netspec import api
from netspec.compiler.graph.interpreter import interpret
from netspec.data.dataset import Dataset
from netspec.diagnostics import NetspecError
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import Opened, open_spec

SENTENCES = (
    "the cat sat",
    "a dog",
    "it",
    "the dog saw a cat on the mat",
    "cats sit on mats",
    "a mat",
    "dogs see the cat",
)
TAGS = {"cat": "B-X", "dog": "B-Y", "cats": "B-X", "dogs": "B-Y", "mat": "B-Z", "mats": "B-Z"}

STREAM = """\
netspec: 1
name: stream
data: {source: {stream: {path: TEXT, unit: character, steps: 7}}}
network:
  inputs: {tokens: [N]}
  layers: [one_hot, {dense: {units: 9, activation: tanh}}, {dropout: 0.2}, {dense: "${data.tokens.size}"}]
loss: {cross_entropy: {target: next}}
optimizer: {adam: {lr: 0.05}}
metrics: [accuracy, perplexity, f1]
train: {epochs: 2, batch: 3, seed: 1}
"""

TAGGER = """\
netspec: 1
name: tagger
data:
  source: {conll: {path: WORDS, columns: [word, tag]}}
  fields:
    words: {tokens: {of: word}}
    chars: {tokens: {of: word, unit: character}}
    tags: {tokens: {of: tag}}
  bucket: true
network:
  inputs: {words: [T], chars: [T, C]}
  layers:
    - one_hot: {from: chars, name: letters}
    - dense: {units: 5, activation: tanh, name: each}
    - HOW
    - one_hot: {from: words, name: word}
    - concat: [word, spelling]
    - layer_norm
    - rnn: {units: 7, bidirectional: true}
    - dense: "${data.tags.size}"
loss: {cross_entropy: {target: tags}}
optimizer: {sgd: {lr: 0.3, momentum: 0.9}}
metrics: [accuracy, confusion_matrix]
train: {epochs: 3, batch: 3, seed: 1}
"""

CNN = """\
netspec: 1
name: cnn
data:
  source: {lines: {path: {no: NO, yes: YES}}}
  fields: {words: {tokens: {of: text}}, label: {category: file}}
network:
  inputs: {words: [T]}
  layers:
    - one_hot
    - dense: {units: 5, name: vectors}
    - conv1d: {filters: 7, kernel: 3, activation: tanh}
    - max_over_time: {name: valid}
    - conv1d: {filters: 17, kernel: 2, dilation: 2, padding: same, from: vectors}
    - mean_over_time: {name: same}
    - concat: [valid, same]
    - dense: 2
loss: cross_entropy
optimizer: {adam: {lr: 0.05}}
metrics: [accuracy]
train: {epochs: 3, batch: 3, seed: 1}
"""

CHAIN = """\
netspec: 1
name: chain
data:
  source: {conll: {path: WORDS, columns: [word, tag]}}
  fields: {words: {tokens: {of: word}}, tags: {tokens: {of: tag, scheme: iobes}}}
network:
  inputs: {words: [T]}
  layers:
    - embedding: 5
    - lstm: {units: 4, bidirectional: true}
    - dense: "${data.tags.size}"
    - crf: iobes
loss: {negative_log_likelihood: {target: tags}}
optimizer: {adam: {lr: 0.05}}
metrics: [accuracy, entity_f1]
train: {epochs: 3, batch: 3, seed: 1}
"""

HOWS = {
    "mean_over_time": "mean_over_time: {name: spelling}",
    "max_over_time": "max_over_time: {name: spelling}",
    "last": "last: {name: spelling}",
    "lstm": "lstm: {units: 4, bidirectional: true, peepholes: true, output: last, name: spelling}",
    "gru": "gru: {units: 4, reset: before, output: last, name: spelling}",
}
"""How the taggers make a vector of the letters of each word."""


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, str]:
    """The specs of this file, each with its data."""
    text, words = tmp_path / "text.txt", tmp_path / "words.conll"
    text.write_text("\n".join(SENTENCES))
    lines = ["\n".join(f"{word} {TAGS.get(word, 'O')}" for word in sentence.split()) for sentence in SENTENCES]
    words.write_text("\n\n".join(lines) + "\n")
    taggers = {how: TAGGER.replace("WORDS", str(words)).replace("HOW", made) for how, made in HOWS.items()}
    no, yes = tmp_path / "no.txt", tmp_path / "yes.txt"
    no.write_text("\n".join(SENTENCES[:4]))
    yes.write_text("\n".join(SENTENCES[4:]))
    cnn = CNN.replace("NO", str(no)).replace("YES", str(yes))
    chain = CHAIN.replace("WORDS", str(words))
    return {"stream": STREAM.replace("TEXT", str(text)), **taggers, "cnn": cnn, "chain": chain}


PLACES = ("stream", *HOWS)
"""The specs with a target at every place."""

NAMES = (*PLACES, "cnn", "chain")


def engine_of(spec: str, threads: int | None = None) -> tuple[Opened, Engine]:
    opened = open_spec(load(spec))
    return opened, Engine(opened.program, opened.dataset.arrays, opened.constants, seed=3, threads=threads)


@pytest.mark.parametrize("name", NAMES)
def test_compiled_equals_interpreted(specs: dict[str, str], name: str) -> None:
    opened, engine = engine_of(specs[name])
    rows = np.array([3, 0, 2, 1])
    given, sizes = engine.given(rows, 0, 0.01)
    expected = interpret(opened.program.step, given, np.float64, sizes)
    loss, sums, _ = engine.train(rows[None], 0, np.array([0.01]))
    np.testing.assert_allclose(loss[0], expected["loss"], rtol=1e-5)
    assert {name: array[0] for name, array in sums.items()} == {
        name: pytest.approx(float(expected[f"metric.{name}"]), rel=1e-5) for name in sums
    }
    for key, weight in engine.weights().items():
        np.testing.assert_allclose(weight, expected[key], rtol=1e-4, atol=1e-5, err_msg=key)
    engine.close()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(specs: dict[str, str], name: str) -> None:
    assert api.gradcheck(specs[name], rows=4).passed


def measured(engine: Engine, opened: Opened) -> list[Any]:
    """Weights after some steps, and what they give."""
    engine.train(np.array([[0, 1, 2], [3, 4, 5], [2, 6, 1]]), 0, np.full(3, 0.05))
    found = engine.evaluate(opened.dataset.visit("train"))
    predicted = engine.predict(np.arange(5))
    engine.close()
    outputs = [step.tobytes() for samples in predicted.values() for step in samples]
    return [found, outputs, *(array.tobytes() for array in engine.weights().values())]


@pytest.mark.parametrize("name", NAMES)
def test_neither_padding_nor_threads_change_a_bit(specs: dict[str, str], name: str) -> None:
    opened, engine = engine_of(specs[name], threads=1)
    first = measured(engine, opened)
    for threads, least in ((2, 1), (3, 1), (1, 11), (3, 40)):
        opened, engine = engine_of(specs[name], threads)
        engine.lengths.least = dict.fromkeys(engine.lengths.least, least)
        assert measured(engine, opened) == first, (threads, least)


@pytest.mark.parametrize("name", PLACES)
def test_losses_and_metrics_are_means_over_real_places(specs: dict[str, str], name: str) -> None:
    opened, engine = engine_of(specs[name])
    found, outputs = (
        engine.evaluate(opened.dataset.visit("train")),
        engine.predict(np.arange(len(opened.dataset.splits["train"]))),
    )
    assert isinstance(opened.dataset, Dataset)
    (target,) = (binding.target for binding in opened.program.document.losses)
    told = [np.array(opened.dataset.ragged[target or ""].row(row)) for row in range(found.rows)]
    (shares,) = outputs.values()
    assert [len(own) for own in shares] == [len(own) for own in told]
    shares, told = np.concatenate(shares), np.concatenate(told)
    assert found.loss == pytest.approx(-np.log(shares[np.arange(len(told)), told]).mean(), rel=1e-5)
    assert found.metrics["accuracy"] == pytest.approx((shares.argmax(axis=1) == told).mean())
    if found.tables:
        assert np.array(found.tables["confusion_matrix"]).sum() == len(told)
    engine.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_training(specs: dict[str, str], name: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(specs[name])
    first = trained(spec, tmp_path / "first", threads=1)
    assert first.metrics[-1]["loss"] < first.metrics[0]["loss"]
    assert trained(spec, tmp_path / "second", threads=3) == first
    trained(spec, tmp_path / "third", steps=2)
    api.train(resume=str(tmp_path / "third"))
    from trainings import left_by

    assert left_by(tmp_path / "third") == first


def test_windows_see_the_steps_of_their_sample(specs: dict[str, str]) -> None:
    """A convolution as NumPy has it, sample by sample, with zeros around each."""
    opened, engine = engine_of(specs["cnn"])
    weights, dataset = engine.weights(), opened.dataset
    assert isinstance(dataset, Dataset)
    rows = np.arange(len(SENTENCES))
    expected = []
    for row in rows.tolist():
        x = weights["vectors.kernel"][dataset.ragged["words"].row(row)] + weights["vectors.bias"]
        x3 = np.pad(x, ((0, max(0, 3 - len(x))), (0, 0)))
        valid = [np.tensordot(x3[t : t + 3], weights["conv1d_1.kernel"], 2) for t in range(len(x3) - 2)]
        around = np.pad(x, ((1, 1), (0, 0)))
        same = [np.tensordot(around[t : t + 3 : 2], weights["conv1d_2.kernel"], 2) for t in range(len(x))]
        both = np.concatenate([np.tanh(valid).max(axis=0), np.mean(same, axis=0)])
        scores = both @ weights["dense_2.kernel"]
        expected.append(np.exp(scores) / np.exp(scores).sum())
    (found,) = engine.predict(rows).values()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    engine.close()


def test_places_weigh_as_much_as_their_samples_and_classes(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["text,w", *(f"{text},{1 + i}" for i, text in enumerate(SENTENCES))]))
    spec = f"""
netspec: 1
name: weighted
data:
  source: {{csv: {{path: {table}}}}}
  fields: {{words: {{tokens: text}}, again: {{tokens: {{of: text, vocabulary: words}}}}, w: {{number: w}}}}
network: {{inputs: {{words: [T]}}, layers: [one_hot, {{dense: "${{data.words.size}}"}}]}}
loss: {{cross_entropy: {{target: again, sample_weight: w, class_weight: {{mat: 3}}}}}}
"""
    opened, engine = engine_of(spec)
    (shares,) = engine.predict(np.arange(len(SENTENCES))).values()
    assert isinstance(opened.dataset, Dataset)
    mat = (opened.dataset.fields["words"].classes or ()).index("mat")
    losses = []
    for row, own in enumerate(shares):
        told = np.array(opened.dataset.ragged["words"].row(row))
        losses += (-np.log(own[np.arange(len(told)), told]) * (1.0 + row) * np.where(told == mat, 3, 1)).tolist()
    assert engine.evaluate(opened.dataset.visit("train")).loss == pytest.approx(np.mean(losses), rel=1e-5)
    engine.close()


def test_a_step_number_by_number(specs: dict[str, str]) -> None:
    """What is traced of a sample are the steps that it has; its loss is the mean over them."""
    opened = open_spec(load(specs["last"]))
    traced = api.trace(specs["last"], row=2, overrides=["train.batch=7"])
    assert traced.targets == {"tags": ["O", "B-Y"]}
    (shares,) = traced.before.values()
    told = [(opened.dataset.fields["tags"].classes or ()).index(tag) for tag in traced.targets["tags"]]
    assert traced.loss == pytest.approx(-np.log(shares[[0, 1], told]).mean(), rel=1e-5)
    outputs = {layer.path: layer.output for layer in traced.layers}
    shapes = [outputs[name].shape for name in ("letters", "each", "spelling")]  # type: ignore[union-attr]
    assert shapes == [(4, opened.dataset.fields["chars"].size), (4, 5), (2, 5)]


def test_predictions_have_the_lengths_of_samples(specs: dict[str, str], tmp_path: Path) -> None:
    api.train(specs["stream"], out=tmp_path / "run")
    lines = tmp_path / "lines.txt"
    lines.write_text("the mat\na\n")
    found = api.predict(tmp_path / "run", lines).rows
    assert [len(row["next"]) for row in found] == [7, 1]
    assert all(0 < share <= 1 for row in found for share in row["next.probability"])
    with pytest.raises(NetspecError, match="differ in length"):
        api.export(tmp_path / "run", ["numpy"], f"{tmp_path}/")


@pytest.mark.parametrize(
    ("name", "told"), [("chain", ["words", "tags"]), ("last", ["words", "tags", "tags.probability"])]
)
def test_sentences_are_tagged_word_by_word(specs: dict[str, str], name: str, told: list[str], tmp_path: Path) -> None:
    api.train(specs[name], out=tmp_path / "run")
    lines = tmp_path / "lines.txt"
    lines.write_text("the mat\na unicorn sat\n")
    found = api.predict(tmp_path / "run", lines).rows
    assert [row["words"] for row in found] == [["the", "mat"], ["a", "unicorn", "sat"]]
    assert [list(row) for row in found] == [told, told]
    assert all(len(values) == len(row["words"]) for row in found for values in row.values())
    cut = [{"word": row["words"]} for row in found]
    assert api.predict(tmp_path / "run", cut).rows == found
    measured = api.evaluate(str(tmp_path / "run")).splits["train"]["metrics"]
    predicted = api.predict(tmp_path / "run", [{"word": sentence} for sentence in SENTENCES]).rows
    single = "S-" if name == "chain" else "B-"
    wanted = [TAGS.get(word, "O").replace("B-", single) for sentence in SENTENCES for word in sentence.split()]
    given = [tag for row in predicted for tag in row["tags"]]
    assert measured["accuracy"] == pytest.approx(np.mean([a == b for a, b in zip(given, wanted, strict=True)]))
