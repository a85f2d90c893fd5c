"""Cells that a spec defines: their gradients, and the bits of the layers that are built in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

CELLS = Path(__file__).parents[2] / "specs" / "cells"
PARTS: dict[str, dict[str, list[str]]] = {
    "srn": {"kernel": ["U"], "recurrent": ["W"], "bias": ["b"]},
    "lstm": {
        "kernel": ["Ui", "Uf", "Ug", "Uo"],
        "recurrent": ["Wi", "Wf", "Wg", "Wo"],
        "bias": ["bi", "bf", "bg", "bo"],
    },
    "gru": {
        "kernel": ["Ur", "Uz", "Un"],
        "recurrent": ["Wr", "Wz", "Wn"],
        "bias": ["br", "bz", "bn"],
        "recurrent_bias": ["cn"],
    },
}
"""Of built-in layers, each weight as the weights of the cell that stand beside each other in it."""
BUILT_IN = {"srn": "rnn", "lstm": "lstm", "gru": "gru"}
USES = {"srn": "srn: 64", "lstm": "memory: 64", "gru": "gated: 64"}


def engine_of(path: Path) -> Engine:
    opened = open_spec(load(path))
    return Engine(opened.program, opened.dataset.arrays, opened.constants, seed=0)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_cell_has_the_bits_of_the_layer_that_is_built_in(name: str, tmp_path: Path) -> None:
    text = (CELLS / f"{name}.yaml").read_text()
    assert USES[name] in text
    other = tmp_path / "built_in.yaml"
    other.write_text(text.replace(f"- {USES[name]}", f"- {BUILT_IN[name]}: {{units: 64, name: same}}"))
    (tmp_path / "sonnet.txt").write_bytes((CELLS / "sonnet.txt").read_bytes())
    written, built = engine_of(CELLS / f"{name}.yaml"), engine_of(other)
    weights = built.weights()
    prefix = next(key for key in written.weights() if key.endswith(f".{PARTS[name]['kernel'][0]}")).rpartition(".")[0]
    given: dict[str, Any] = {key: array for key, array in weights.items() if not key.startswith("same.")}
    for whole, parts in PARTS[name].items():
        pieces = np.split(weights[f"same.{whole}"], len(parts), axis=-1)
        given |= {f"{prefix}.{part}": np.ascontiguousarray(piece) for part, piece in zip(parts, pieces, strict=True)}
    written.load(given)
    rows, rate = np.arange(24).reshape(3, 8), np.full(3, 0.01)
    losses = [engine.train(rows, 0, rate)[0] for engine in (written, built)]
    np.testing.assert_array_equal(*losses)
    after, expected = written.weights(), built.weights()
    for whole, parts in PARTS[name].items():
        beside = np.concatenate([after[f"{prefix}.{part}"] for part in parts], axis=-1)
        np.testing.assert_array_equal(beside, expected[f"same.{whole}"])
    assert not np.array_equal(expected["same.kernel"], weights["same.kernel"])


@pytest.mark.parametrize("path", sorted(CELLS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_cell_learns_a_sonnet(path: Path, tmp_path: Path) -> None:
    api.train(path, out=tmp_path / "run")
    assert api.evaluate(tmp_path / "run", check=True).passed
