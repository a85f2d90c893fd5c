"""`netspec diff`: what two specs describe is compared, and not how they say it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from netspec import api
from netspec.cli import streams

Run = Callable[..., Result]

SPECS = Path(__file__).parents[2] / "specs"
OLD = """\
netspec: 1
data: {source: {sklearn: digits}}
network:
  inputs: {image: [8, 8, 1]}
  layers: [flatten, {dense: {units: 64, activation: relu}}, {dense: {units: 10, name: logits}}]
loss: cross_entropy
optimizer: {adam: {lr: 1e-3}}
train: {epochs: 3, seed: 0}
"""
OTHER_WORDS = """\
# The same in other words.
netspec: 1
vars: {width: 64}
blocks: {}
data:
  source: {sklearn: digits}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - flatten
    - dense: {activation: relu, units: "${width}"}
    - dense: {units: 10, name: logits}
train: {seed: 0, epochs: 3, batch: 32}
loss: {cross_entropy: {target: label}}
optimizer: adam
"""


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[str, str], tuple[str, str]]:
    def write(old: str, new: str) -> tuple[str, str]:
        for name, text in (("old.yaml", old), ("new.yaml", new)):
            (tmp_path / name).write_text(text)
        return "old.yaml", "new.yaml"

    return write


Pair = Callable[[str, str], tuple[str, str]]


def test_other_words_are_no_difference(run: Run, pair: Pair) -> None:
    done = run("diff", *pair(OLD, OTHER_WORDS.replace("blocks: {}\n", "")), "--exit-code")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "they describe the same network, data and training\n"


def test_layers_totals_and_settings_are_told(run: Run, pair: Pair) -> None:
    new = OLD.replace("units: 64", "units: 32").replace("flatten, ", "flatten, {dropout: 0.1}, ")
    new = new.replace("adam: {lr: 1e-3}", "sgd: 0.1").replace("epochs: 3", "epochs: 5")
    done = run("diff", *pair(OLD, new))
    assert done.exit_code == 0
    assert done.stdout == (
        "- old.yaml\n+ new.yaml\n\n"
        "layers\n"
        "  + dropout_1  dropout  [64]\n"
        "  ~ dense_1  dense\n"
        "      units       64 -> 32\n"
        "      from        [flatten_1] -> [dropout_1]\n"
        "      output      [64] -> [32]\n"
        "      parameters  4,160 -> 2,080\n"
        "  ~ logits  dense\n"
        "      parameters  650 -> 330\n\n"
        "total\n"
        "  ~ parameters  4,810 -> 2,410\n\n"
        "settings\n"
        "  ~ optimizer     {adam: {lr: 0.001, beta1: 0.9, beta2: 0.999… -> "
        "{sgd: {lr: 0.1, momentum: 0.0, nesterov: fa…\n"
        "  ~ train.epochs  3 -> 5\n"
    )
    assert run("diff", "old.yaml", "new.yaml", "--exit-code").exit_code == 1


def test_json_holds_every_value(run: Run, pair: Pair) -> None:
    done = run("diff", "--json", *pair(OLD, OLD.replace("lr: 1e-3", "lr: 1e-2")))
    assert json.loads(done.stdout) == {
        "version": 1,
        "before": "old.yaml",
        "after": "new.yaml",
        "same": False,
        "layers": {"removed": [], "added": [], "changed": []},
        "totals": [],
        "settings": [{"key": "optimizer.adam.lr", "before": 0.001, "after": 0.01}],
    }


def test_copies_of_a_block_are_one_line(run: Run) -> None:
    text = run("diff", SPECS / "cifar10" / "resnet20.yaml", SPECS / "cifar10" / "resnet56.yaml").stdout
    assert "  + stage1.4 to stage1.9  42 layers  [32, 32, 16]  28,032 parameters\n" in text


def test_what_is_unknown_without_data_is_compared_too() -> None:
    found = api.diff(SPECS / "lm" / "char_lstm.yaml", SPECS / "lm" / "char_gru.yaml")
    assert [layer["name"] for layer in found.added] == ["gru_1"]
    assert [(change.key, change.after) for change in found.totals] == [("parameters", "321*|tokens| + 246784")]


def test_a_failed_expectation_stops_nothing(run: Run, pair: Pair) -> None:
    done = run("diff", *pair(OLD, OLD + "expect: {parameters: 1}\n"))
    assert done.exit_code == 0
    assert "+ expect  {parameters: 1}" in done.stdout


def test_a_run_stands_for_its_spec(run: Run, pair: Pair, tmp_path: Path) -> None:
    old, new = pair(OLD, OLD.replace("epochs: 3", "epochs: 1"))
    api.train(tmp_path / old, steps=1)
    assert run("diff", "@last", old, "--exit-code").exit_code == 0
    assert "  ~ train.epochs  3 -> 1\n" in run("diff", "old", new).stdout


def test_faults_and_misses_are_told(run: Run, pair: Pair) -> None:
    wrong = run("diff", *pair(OLD, OLD.replace("units: 64", "unit: 64")))
    assert wrong.exit_code == 1
    assert "error[unknown-key]" in wrong.stderr
    assert "did you mean `digits.yaml`?" in run("diff", "digit.yaml", "old.yaml").stderr
    assert run("diff", "nosuch", "old.yaml").exit_code == 2


def test_lines_fit_the_terminal(run: Run, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "width_of", lambda stream: 60)
    text = run("diff", *pair(OLD, OLD.replace("adam: {lr: 1e-3}", "sgd: 0.1"))).stdout
    assert max(map(len, text.splitlines())) == 60
