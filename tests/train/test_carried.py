"""States that go on from one window of a text to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import OWN_SPECS, left_by, resumed, trained

from netspec.runs.checkpoint import load_checkpoint
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

TEXT = "it was the best of times, it was the worst of times, it was the age of wisdom"

SPEC = """\
netspec: 1
cells:
  leaky:
    params: {units: integer}
    state: {h: [units], g: [units]}
    weights: {U: [x, units], W: [units, units]}
    step: {h: "0.9 * h + 0.1 * tanh(x @ U + h @ W + first)", g: "h - g"}
    output: g
data: {source: {stream: {path: {train: ALPHABET, validation: TEXT}, unit: character, steps: STEPS}}}
network:
  inputs: {tokens: [T]}
  layers: [one_hot, LAYER: {units: 5, carry: CARRY}, {dense: "${data.tokens.size}"}]
loss: {cross_entropy: {target: next}}
optimizer: {sgd: {lr: 0.5}}
train: {epochs: 1, batch: BATCH, seed: 1}
"""


def measured(folder: Path, text: str, **given: Any) -> float:
    """The loss of a network that was just begun on a text that it reads in windows."""
    folder.mkdir(exist_ok=True)
    (folder / "alphabet.txt").write_text(TEXT * 10)
    (folder / "text.txt").write_text(text)
    given = {"ALPHABET": folder / "alphabet.txt", "TEXT": folder / "text.txt", **given}
    spec = SPEC
    for name, value in given.items():
        spec = spec.replace(name, str(value).lower() if isinstance(value, bool) else str(value))
    opened = open_spec(load(spec))
    engine = Engine(opened.program, opened.dataset.arrays, opened.constants, seed=3)
    try:
        return engine.evaluate(opened.visit("validation")).loss
    finally:
        engine.close()


@pytest.mark.parametrize("layer", ["rnn", "lstm", "gru", "leaky"])
def test_windows_that_carry_are_one_long_window(layer: str, tmp_path: Path) -> None:
    whole = measured(tmp_path, TEXT, LAYER=layer, STEPS=len(TEXT) - 1, CARRY=False, BATCH=1)
    parts = measured(tmp_path, TEXT, LAYER=layer, STEPS=7, CARRY=True, BATCH=1)
    anew = measured(tmp_path, TEXT, LAYER=layer, STEPS=7, CARRY=False, BATCH=1)
    assert parts == pytest.approx(whole, rel=1e-6)
    assert abs(anew - whole) > 1e-4


def test_each_row_of_a_batch_reads_a_stretch_of_its_own(tmp_path: Path) -> None:
    # 72 tokens are 12 windows of 6: three rows of a batch read 24 each.
    text = TEXT[:73]
    stretches = [text[at : at + 25] for at in (0, 24, 48)]
    alone = [measured(tmp_path, part, LAYER="gru", STEPS=24, CARRY=False, BATCH=1) for part in stretches]
    together = measured(tmp_path, text, LAYER="gru", STEPS=6, CARRY=True, BATCH=3)
    assert together == pytest.approx(np.mean(alone), rel=1e-6)


def test_the_checkpoint_keeps_the_state_and_an_epoch_begins_without(tmp_path: Path) -> None:
    (spec,) = (path for path in OWN_SPECS if path.stem == "carried")
    whole = trained(spec, tmp_path / "whole")
    trained(spec, tmp_path / "parts", steps=3)
    within = load_checkpoint(tmp_path / "parts" / "state.safetensors").arrays
    assert {key: array.shape for key, array in within.items() if key.endswith("/carried")} == {
        "begun/carried": (4, 1),
        "lstm_1.h/carried": (4, 7),
        "lstm_1.c/carried": (4, 7),
        "leaky_1.h/carried": (4, 6),
        "leaky_1.first/carried": (4, 1),
    }
    assert all(array.any() for key, array in within.items() if key.endswith(".h/carried"))
    assert resumed(tmp_path / "parts") == whole
    ended = load_checkpoint(tmp_path / "whole" / "state.safetensors").arrays
    assert not any(array.any() for key, array in ended.items() if key.endswith("/carried"))


def test_what_is_left_does_not_depend_on_threads(tmp_path: Path) -> None:
    (spec,) = (path for path in OWN_SPECS if path.stem == "carried")
    found = [trained(spec, tmp_path / str(threads), steps=7, threads=threads) for threads in (1, 3)]
    assert found[0] == found[1] == left_by(tmp_path / "1")
