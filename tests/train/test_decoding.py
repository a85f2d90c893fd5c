"""Sequences that a network makes of something else: greedy and beam search, metrics of them, predictions."""

from __future__ import annotations

import itertools
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import netspec

from netspec import api
from netspec.catalog.layers.recurrent import Recurrence
from netspec.catalog.metrics import Decoded, Metric
from netspec.spec.document import load
from netspec.train.decoding import Decoder, Made, sequences
from netspec.train.engine import Engine
from netspec.train.opening import Opened, open_spec

SPEC = """\
netspec: 1
name: answers
cells:
  elman:
    params: {units: integer}
    inputs: [v]
    state: {h: [units]}
    weights: {U: [x, units], W: [units, units]}
    step: {h: "tanh(x @ U + h @ W + first * v)"}
data:
  source: {pairs: {path: pairs.tsv}}
  fields:
    question: {tokens: {of: source, unit: character}}
    answer: {tokens: {of: target, unit: character, end: true}}
    given: {shift: answer}
  split: {test: 5}
network:
  inputs: {question: [S], given: [T]}
  layers:
    - embedding: {size: 6, from: question, init: {normal: {std: 3}}}
    - gru: {units: 9, name: encoder}
    - last: {name: whole}
    - dense: {units: 8, name: thought, init: {normal: {std: 2}}}
    - embedding: {size: 6, from: given, init: {normal: {std: 1.5}}}
    - LAYER
    - dense: {units: "${data.answer.size}", name: scores, init: {normal: {std: 2}}}
loss: {cross_entropy: {target: answer}}
optimizer: {adam: {lr: 0.01}}
metrics: [{sequence_accuracy: {target: answer}}, {bleu: {n: 2, target: answer}}]
train: {epochs: EPOCHS, batch: 8, seed: 2}
decode: {input: given, output: scores, beam: BEAM, max_length: 5}
"""
LAYERS = {
    "attention": "gru: {units: 9, initial: encoder.state, name: decoder}\n"
    "    - attention: {from: {query: decoder, memory: encoder}}",
    "lstm": "lstm: {units: 9, initial: encoder.state}",
    "gru": "gru: {units: 9, initial: encoder.state}",
    "cell": "elman: {units: 8, from: {x: embedding_2, v: thought}}",
}
WORDS = ["".join(letters) for n in (1, 2, 3) for letters in itertools.product("ab", repeat=n)]


def spec_of(folder: Path, layer: str = "gru", beam: int = 1, epochs: int = 0) -> Path:
    """A spec that is to turn words of `a` and `b` round, beside its data."""
    (folder / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in WORDS * 3))
    text = SPEC.replace("BEAM", str(beam)).replace("EPOCHS", str(epochs))
    if layer == "lstm":
        text = text.replace("- gru: {units: 9, name: encoder}", "- lstm: {units: 9, name: encoder}")
    if layer != "cell":
        text = "".join(line for line in text.splitlines(keepends=True) if "whole" not in line and "thought" not in line)
    spec = folder / f"{layer}-{beam}.yaml"
    spec.write_text(text.replace("LAYER", LAYERS[layer]))
    return spec


def begun(spec: Path) -> tuple[Opened, Engine, Decoder]:
    """A network that was just begun; its scores are far from equal."""
    opened = open_spec(load(spec))
    engine = Engine(opened.program, opened.dataset.arrays, opened.constants, seed=5)
    decoder = Decoder(opened.program, opened.constants, seed=5)
    decoder.load(engine.weights())
    return opened, engine, decoder


def made_by(spec: Path, rows: int = 14) -> tuple[list[Made], Opened, Engine, Decoder]:
    opened, engine, decoder = begun(spec)
    return sequences(decoder, opened.dataset.arrays, np.arange(rows)), opened, engine, decoder


def told(opened: Opened, engine: Engine, tokens: list[list[int]], row: int) -> np.ndarray[Any, np.dtype[Any]]:
    """The probabilities at each step of sequences that are given, ``[n, T, V]``, by the graph that predicts."""
    start = (opened.dataset.fields["given"].classes or ()).index("<start>")
    fed = np.array([[start, *sequence[:-1]] for sequence in tokens])
    arrays = dict(opened.dataset.arrays)
    count, length = fed.shape
    arrays |= {
        "given": np.concatenate([fed.reshape(-1), np.zeros(64)]).astype(arrays["given"].dtype),
        "given.starts": np.arange(count) * length,
        "given.lengths": np.full(count, length, np.int32),
        "question.starts": np.repeat(arrays["question.starts"][row], count),
        "question.lengths": np.repeat(arrays["question.lengths"][row], count),
    }
    other = Engine(opened.program, arrays, opened.constants, seed=5)
    other.load(engine.weights())
    (found,) = other.predict(np.arange(count)).values()
    other.close()
    return np.stack(found)


@pytest.mark.parametrize("layer", LAYERS)
def test_without_a_beam_each_token_is_the_best(layer: str, tmp_path: Path) -> None:
    made, opened, engine, decoder = made_by(spec_of(tmp_path, layer))
    assert decoder.goes_on
    end = decoder.classes.index("<end>")
    assert len({one.tokens for one in made}) > (layer != "attention")
    for row, one in enumerate(made):
        whole = [*one.tokens, end][:5]
        shares = told(opened, engine, [whole], row)[0]
        assert shares.argmax(axis=1).tolist() == whole
        assert one.score == pytest.approx(np.log(shares.max(axis=1).astype(np.float64)).sum(), rel=1e-6)


def test_a_wide_beam_finds_the_most_probable_of_all(tmp_path: Path) -> None:
    made, opened, engine, decoder = made_by(spec_of(tmp_path, beam=400), rows=3)
    greedy, *_ = made_by(spec_of(tmp_path, beam=1), rows=3)
    end, count = decoder.classes.index("<end>"), len(decoder.classes)
    others = [token for token in range(count) if token != end]
    for row, one in enumerate(made):
        best = -np.inf
        for length in range(1, 6):
            every = [
                [*head, tail]
                for head in itertools.product(others, repeat=length - 1)
                for tail in (range(count) if length == 5 else (end,))
            ]
            shares = told(opened, engine, every, row).astype(np.float64)
            tokens = np.array(every)
            score = np.log(np.take_along_axis(shares, tokens[..., None], 2)[..., 0]).sum(axis=1)
            best = max(best, float(score.max()))
        assert one.score == pytest.approx(best, abs=1e-5)
        assert one.score >= greedy[row].score - 1e-5


@pytest.mark.parametrize("beam", [1, 3])
def test_going_on_gives_what_computing_all_again_does(
    beam: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(tmp_path, "cell", beam)
    by_step, *_ = made_by(spec)
    monkeypatch.setattr(Recurrence, "resumes", False)
    again, _, _, decoder = made_by(spec)
    assert not decoder.goes_on
    assert by_step == again


def test_threads_and_other_samples_change_nothing(tmp_path: Path) -> None:
    made, opened, engine, _ = made_by(spec_of(tmp_path, beam=2))
    decoder = Decoder(opened.program, opened.constants, seed=5, threads=3)
    decoder.load(engine.weights())
    some = sequences(decoder, opened.dataset.arrays, np.array([7, 2]))
    assert some == [made[7], made[2]]


def test_metrics_are_of_what_is_made(tmp_path: Path) -> None:
    result = api.train(spec_of(tmp_path, epochs=60), out=tmp_path / "run")
    right = api.evaluate(result.run).splits["test"]["metrics"]
    questions = tmp_path / "questions.txt"
    questions.write_text("\n".join(WORDS))
    rows = api.predict(result.run, questions).rows
    assert [set(row) for row in rows] == [{"answer", "answer.probability"}] * len(WORDS)
    assert all(0 < row["answer.probability"] <= 1 for row in rows)
    share = np.mean([row["answer"] == word[::-1] for row, word in zip(rows, WORDS, strict=True)])
    assert share > 0.8
    assert right["sequence_accuracy"] > 0.5
    assert 0 < right["bleu"] <= 1
    done = netspec("predict", result.run, questions, cwd=tmp_path)
    assert done.stdout.splitlines()[:2] == [
        "answer,answer.probability", f"{rows[0]['answer']},{rows[0]['answer.probability']:.9g}",
    ]  # fmt: skip


def judged(kind: str, pairs: list[tuple[str, str]], **fields: Any) -> float:
    metric = Metric.kinds[kind](**fields)
    assert isinstance(metric, Decoded)
    return metric.judge([tuple([hash(word) for word in text.split()] for text in pair) for pair in pairs])  # type: ignore[misc]


def test_bleu_is_that_of_the_paper() -> None:
    wanted = "the cat is on the mat"
    assert judged("bleu", [("the the the the the the the", wanted)], n=1) == pytest.approx(2 / 7)
    assert judged("bleu", [(wanted, wanted)]) == 1
    assert judged("bleu", [("the cat", wanted)], n=2) == pytest.approx(exp(1 - 6 / 2))
    # 5 of 6 words, 3 of 5 pairs, 1 of 4 runs of three, none of four.
    assert judged("bleu", [("the cat sat on the mat", wanted)]) == 0
    expected = (5 / 6 * 3 / 5 * 1 / 4) ** (1 / 3)
    assert judged("bleu", [("the cat sat on the mat", wanted)], n=3) == pytest.approx(expected)
    # Counts of all samples are added up: no mean of samples is taken.
    assert judged("bleu", [("a b", "a b"), ("c", "d")], n=1) == pytest.approx(2 / 3)
    assert judged("sequence_accuracy", [("a b", "a b"), ("a b", "a"), ("", "")]) == pytest.approx(2 / 3)
