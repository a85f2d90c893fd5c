"""Networks with attention, of sequences that differ in length: trained, predicted, whatever they are filled up to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.compiler.graph.interpreter import interpret
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import Opened, open_spec

SENTENCES = ("the cat sat", "a dog", "it", "the dog saw a cat on the mat", "cats sit on mats", "a mat", "dogs see")

PAIRS = """\
netspec: 1
name: pairs
data:
  source: {pairs: {path: TEXT}}
  fields:
    question: {tokens: {of: source, unit: character}}
    answer: {tokens: {of: target, unit: character, end: true, vocabulary: question}}
    given: {shift: answer}
network:
  inputs: {question: [S], given: [T]}
  layers:
    - embedding: {size: 5, from: question, name: letters, init: {normal: {std: 1}}}
    - gru: {units: 9, name: encoder}
    - embedding: {size: 5, from: given, share: letters}
    - gru: {units: WIDTH, initial: encoder.state, name: decoder}
    - attention: {from: {query: decoder, memory: encoder}, SCORE, name: context}
    - concat: [context, decoder]
    - dense: "${data.answer.size}"
loss: {cross_entropy: {target: answer}}
optimizer: {adam: {lr: 0.02}}
metrics: [accuracy]
train: {epochs: 2, batch: 3, seed: 1}
"""

STREAM = """\
netspec: 1
name: stream
data: {source: {stream: {path: TEXT, unit: character, steps: 19}}}
blocks:
  transformer:
    params: {width: integer, heads: integer}
    layers:
      - layer_norm
      - attention: {heads: "${heads}", causal: true, name: looks}
      - add: [looks, input]
      - layer_norm: {name: normed}
      - dense: {units: "${2 * width}", activation: gelu, from: normed}
      - dense: {units: "${width}", name: thinks}
      - add: [thinks, add_1]
network:
  inputs: {tokens: [T]}
  layers: [{embedding: 12}, POSITIONAL, {transformer: {width: 12, heads: 3, repeat: 2}}, {dense: "${data.tokens.size}"}]
loss: {cross_entropy: {target: next}}
optimizer: {adam: {lr: 0.02}}
metrics: [accuracy]
train: {epochs: 2, batch: 3, seed: 1}
"""

POOLED = """\
netspec: 1
name: pooled
data:
  source: {lines: {path: {no: NO, yes: YES}}}
  fields: {words: {tokens: {of: text}}, label: {category: file}}
network:
  inputs: {words: [T]}
  layers:
    - embedding: {size: 6, name: words_in, init: {normal: {std: 1}}}
    - attention: {heads: 2, units: 4}
    - last: {name: end}
    - attention: {from: {query: end, memory: words_in}, score: additive, units: 3}
    - dense: 2
loss: cross_entropy
optimizer: {adam: {lr: 0.02}}
metrics: [accuracy]
train: {epochs: 2, batch: 3, seed: 1}
"""

SCORES = {"dot": "score: dot", "general": "score: general", "additive": "score: additive", "heads": "heads: 3"}
NAMES = (*SCORES, "sinusoidal", "learned", "pooled")


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, str]:
    """The specs of this file, each with its data."""
    pairs, text, no, yes = (tmp_path / name for name in ("pairs.tsv", "text.txt", "no.txt", "yes.txt"))
    pairs.write_text("\n".join(f"{line}\t{line[::-1]}" for line in SENTENCES))
    text.write_text("\n".join(SENTENCES))
    no.write_text("\n".join(SENTENCES[:4]))
    yes.write_text("\n".join(SENTENCES[4:]))
    of_pairs = {name: PAIRS.replace("TEXT", str(pairs)).replace("SCORE", score) for name, score in SCORES.items()}
    stream = STREAM.replace("TEXT", str(text))
    return {
        **{name: spec.replace("WIDTH", "9") for name, spec in of_pairs.items()},
        "sinusoidal": stream.replace("POSITIONAL", "positional"),
        "learned": stream.replace("POSITIONAL", "{positional: {encoding: learned, length: 17}}"),
        "pooled": POOLED.replace("NO", str(no)).replace("YES", str(yes)),
    }


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
    assert sums["accuracy"][0] == pytest.approx(float(expected["metric.accuracy"]))
    for key, weight in engine.weights().items():
        if key.endswith("key_bias"):  # its gradient is 0, and Adam divides what rounding leaves of it by itself
            continue
        np.testing.assert_allclose(weight, expected[key], rtol=1e-4, atol=1e-4, err_msg=key)
    engine.close()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(specs: dict[str, str], name: str) -> None:
    assert api.gradcheck(specs[name], rows=4).passed


def measured(engine: Engine, opened: Opened) -> list[Any]:
    """Weights after some steps, and what they give."""
    engine.train(np.array([[0, 1, 2], [3, 2, 1], [2, 0, 1]]), 0, np.full(3, 0.05))
    found = engine.evaluate(opened.dataset.visit("train"))
    predicted = engine.predict(np.arange(4))
    engine.close()
    outputs = [step.tobytes() for samples in predicted.values() for step in samples]
    return [found, outputs, *(array.tobytes() for array in engine.weights().values())]


@pytest.mark.parametrize("name", NAMES)
def test_neither_padding_nor_threads_change_a_bit(specs: dict[str, str], name: str) -> None:
    opened, engine = engine_of(specs[name], threads=1)
    first = measured(engine, opened)
    for threads, least in ((2, 1), (3, 1), (1, 23), (3, 40)):
        opened, engine = engine_of(specs[name], threads)
        engine.lengths.least = dict.fromkeys(engine.lengths.least, least)
        assert measured(engine, opened) == first, (threads, least)


@pytest.mark.parametrize("name", ["sinusoidal", "learned"])
def test_a_language_model_sees_nothing_ahead(specs: dict[str, str], name: str) -> None:
    """What it says of a text is the same, to the last bit, whatever follows."""
    opened, engine = engine_of(specs[name])
    tokens = opened.dataset.arrays["tokens"]
    first = engine.predict(np.arange(1))
    changed = dict(opened.dataset.arrays)
    changed["tokens"] = np.concatenate([tokens[:11], (tokens[11:] + 1) % 5]).astype(tokens.dtype)
    other = Engine(opened.program, changed, opened.constants, seed=3)
    for one, two in zip(first.values(), other.predict(np.arange(1)).values(), strict=True):
        np.testing.assert_array_equal(one[0][:11], two[0][:11])
        assert (one[0][11:] != two[0][11:]).any()
    engine.close()
    other.close()
