"""Tables of vectors: what a step changes, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.runs.checkpoint import load_checkpoint, load_weights
from netspec.runs.run import Run

VALUES = 60
SPEC = f"""\
netspec: 1
name: words
data: {{source: {{random: {{rows: 12, fields: {{words: {{index: {VALUES}, shape: [3]}}, label: {{category: 5}}}}}}}}}}
network:
  inputs: {{words: [3]}}
  layers:
    - embedding: {{size: 7, name: e MORE}}
    - flatten
    - dense: {{units: 5, name: scores}}
loss: cross_entropy
optimizer: OPTIMIZER
train: {{epochs: EPOCHS, batch: full, seed: 4 TRAIN}}
"""


def trained(
    out: Path, optimizer: str, *, more: str = "", train: str = "", epochs: int = 1
) -> dict[str, np.ndarray[Any, Any]]:
    """Weights and states after so many steps on the same rows."""
    text = SPEC.replace("OPTIMIZER", optimizer).replace("MORE", more).replace("TRAIN", train)
    api.train(text.replace("EPOCHS", str(epochs)), out=out)
    return load_checkpoint(Run(out).state).arrays


def read_rows() -> np.ndarray[Any, Any]:
    """Which rows of the table the data name; some of them several times."""
    generator = np.random.Generator(np.random.PCG64([0, *b"words"]))
    words = generator.integers(VALUES, size=(12, 3))
    assert len(np.unique(words)) < words.size
    return np.unique(words)


@pytest.mark.parametrize("clip", ["", ", clip: {value: 0.001}", ", clip: {norm: 0.01}", ", average: {ema: 0.5}"])
def test_gradient_descent_by_rows_is_the_whole_step(clip: str, tmp_path: Path) -> None:
    sparse = trained(tmp_path / "sparse", "{sgd: 0.5}", train=clip, epochs=3)
    dense = trained(tmp_path / "dense", "{sgd: 0.5}", more=", dense: true", train=clip, epochs=3)
    assert sparse.keys() == dense.keys()
    for key, array in dense.items():
        np.testing.assert_array_equal(sparse[key], array, err_msg=key)


def test_a_norm_is_of_the_sums_of_rows(tmp_path: Path) -> None:
    start = trained(tmp_path / "start", "{sgd: 0.0}")
    free = trained(tmp_path / "free", "{sgd: 1.0}")
    keys = ("e.table", "scores.kernel", "scores.bias")
    changes = {key: start[key].astype(float) - free[key] for key in keys}
    norm = np.sqrt(sum((change**2).sum() for change in changes.values()))
    held = trained(tmp_path / "held", "{sgd: 1.0}", train=f", clip: {{norm: {norm / 4}}}")
    for key, change in changes.items():
        np.testing.assert_allclose(start[key] - held[key], change / 4, rtol=1e-4, atol=1e-7, err_msg=key)


@pytest.mark.parametrize(
    "optimizer",
    ["sgd: {lr: 0.1, momentum: 0.9}", "adam: 0.1", "adagrad: 0.1", "adadelta: 1.0", "rmsprop: 0.01", "lion: 0.01"],
)
def test_only_rows_that_were_read_move(optimizer: str, tmp_path: Path) -> None:
    start = trained(tmp_path / "start", "{sgd: 0.0}")["e.table"]
    sparse = trained(tmp_path / "sparse", f"{{{optimizer}}}")
    dense = trained(tmp_path / "dense", f"{{{optimizer}}}", more=", dense: true")
    rows = read_rows()
    others = np.setdiff1d(np.arange(VALUES), rows)
    np.testing.assert_array_equal(sparse["e.table"][others], start[others])
    assert not np.array_equal(sparse["e.table"][rows], start[rows])
    for key, array in dense.items():
        kept = rows if key.startswith("e.table") else slice(None)
        np.testing.assert_array_equal(sparse[key][kept], array[kept], err_msg=key)


def test_decay_alone_reaches_every_row(tmp_path: Path) -> None:
    start = trained(tmp_path / "start", "{sgd: 0.0}")["e.table"]
    found = trained(tmp_path / "decayed", "{sgd: {lr: 0.5, weight_decay: 0.1}}")["e.table"]
    others = np.setdiff1d(np.arange(VALUES), read_rows())
    np.testing.assert_allclose(found[others], start[others] * 0.95, rtol=1e-6)


def test_vectors_are_given_and_kept(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(VALUES, 7)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    more = f", init: {{file: {tmp_path / 'vectors.npy'}}}, freeze: true"
    trained(tmp_path / "run", "{adam: 0.1}", more=more, epochs=2)
    np.testing.assert_array_equal(load_weights(Run(tmp_path / "run").last).arrays["e.table"], vectors)


def test_vectors_are_no_longer_than_the_limit(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "{sgd: 1.0}", more=", regularize: {max_norm: 0.05}")["e.table"]
    assert np.linalg.norm(found, axis=1).max() <= 0.05 * (1 + 1e-6)


@pytest.mark.parametrize(
    "layers",
    [
        "{embedding: {size: 5, from: input, share: e, name: f}}, {multiply: [e, f]}, flatten, {dense: 5}",
        "flatten, {dense: 5}, {dense: {units: 60, share: {kernel: e.table.T}}}, {dense: 5}",
        "{embedding: {size: 5, from: input, regularize: {l2: 0.1}}}, {multiply: [e, embedding_2]}, flatten, {dense: 5}",
    ],
    ids=["twice", "output", "penalty"],
)
def test_gradients_of_shared_tables(layers: str) -> None:
    head, first = SPEC.partition("network:")[0], "{embedding: {size: 5, name: e}}"
    checked = api.gradcheck(
        f"{head}network: {{inputs: {{words: [3]}}, layers: [{first}, {layers}]}}\nloss: cross_entropy\n"
    )
    assert checked.passed, checked.summary()


WORDS = """\
netspec: 1
name: around
data:
  source: {windows: {path: TEXT, before: 3, after: 3, shrink: true}}
  fields: {word: {tokens: {of: word}}, context: {tokens: {of: context, vocabulary: word}}}
network:
  inputs: {context: [C]}
  layers: [{embedding: {size: 9, name: e}}, mean_over_time, {dense: "${data.word.size}"}]
loss: {LOSS: {target: word}}
optimizer: {adam: 0.05}
train: {epochs: 2, batch: 7, seed: 3}
"""


@pytest.mark.parametrize("loss", ["cross_entropy", "negative_sampling"])
def test_padding_is_no_word(loss: str, tmp_path: Path) -> None:
    """The first row of a vocabulary stands for words that are unknown, and numbers that fill up a batch are 0."""
    (tmp_path / "words.txt").write_text("a rose is a rose is a rose\nand a word is a word\n" * 5, encoding="utf-8")
    text = WORDS.replace("TEXT", str(tmp_path / "words.txt")).replace("LOSS", loss)
    api.train(text, out=tmp_path / "start", overrides=["optimizer={sgd: 0.0}"], threads=1)
    found = [load_checkpoint(Run(tmp_path / "start").state).arrays["e.table"]]
    for threads in (1, 2, 3):
        api.train(text, out=tmp_path / f"on-{threads}", threads=threads)
        found.append(load_checkpoint(Run(tmp_path / f"on-{threads}").state).arrays["e.table"])
    start, *tables = found
    assert np.array_equal(tables[0], tables[1])
    assert np.array_equal(tables[0], tables[2])
    assert np.array_equal(tables[0][0], start[0])
    assert (tables[0][1:] != start[1:]).any(axis=1).all()
