"""`netspec evaluate RUN --data FILE --check FILE`: rows that a run never saw, and expectations that are not its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner, Result

from netspec import api
from netspec.cli.main import cli
from netspec.diagnostics import ChoiceError, DataError, SpecError

SPEC = """\
netspec: 1
data:
  source: {csv: train.csv}
  fields: {x: {number: [a, b]}, kind: {category: kind}}
  standardize: true
  split: {validation: 0.25}
network:
  inputs: {x: [2]}
  layers: [{dense: {units: 8, activation: relu}}, {dense: 2}]
loss: cross_entropy
optimizer: {adam: {lr: 1e-2}}
metrics: [accuracy]
train: {epochs: 20, batch: 16, seed: 0}
expect: {train: {accuracy: ">= 0"}}
"""
EXPECT = """\
expect:
  parameters: "<= 100"
  test: {accuracy: ">= 0.9", loss: "< 0"}
"""


def table(rows: int, seed: int) -> list[str]:
    """Two classes whose means lie apart; the second number is noise."""
    draw = np.random.default_rng(seed)
    names = draw.choice(["left", "right"], rows)
    first = 100 * (np.where(names == "left", -3, 3) + draw.normal(size=rows))
    return [f"{a:.4f},{b:.4f},{name}" for a, b, name in zip(first, draw.normal(size=rows), names, strict=True)]


def write(path: Path, lines: Sequence[str], header: str = "a,b,kind") -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in `run`, the table it was trained on, one that it never saw, and expectations."""
    there = tmp_path_factory.mktemp("grading")
    write(there / "train.csv", table(160, 0))
    write(there / "hidden.csv", table(50, 1))
    (there / "spec.yaml").write_text(SPEC)
    (there / "expect.yaml").write_text(EXPECT)
    api.train(there / "spec.yaml", out=there / "run")
    return there


def evaluate(folder: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(cli, ["evaluate", "run", *arguments], prog_name="netspec")


def test_the_rows_are_read_as_the_runs_own_were(folder: Path) -> None:
    """Measured from a file, the training's validation rows come to the same numbers; so scaling and classes are its."""
    whole = api.evaluate(folder / "run").splits
    same = api.evaluate(folder / "run", data=folder / "train.csv").splits["test"]
    for name in ("loss", "accuracy"):
        parts = [{**facts, **facts["metrics"]}[name] * facts["rows"] for facts in whole.values()]
        assert {**same, **same["metrics"]}[name] == pytest.approx(sum(parts) / same["rows"], rel=1e-5)
    one_class = write(folder / "one.csv", [line for line in table(50, 1) if line.endswith("right")])
    assert api.evaluate(folder / "run", data=one_class).splits["test"]["metrics"]["accuracy"] > 0.9


def test_a_number_is_cut_in_two_where_the_training_rows_were(folder: Path) -> None:
    """Of targets -1 and 1 the middle is 0, also for rows of one side alone."""
    signs = [line.replace("left", "-1").replace("right", "1") for line in table(160, 0)]
    write(folder / "signs.csv", signs)
    text = SPEC.replace("train.csv", "signs.csv").replace("{category: kind}", "{number: kind}")
    text = text.replace("{dense: 2}", "{dense: 1}").replace("loss: cross_entropy", "loss: mse")
    (folder / "signs.yaml").write_text(text)
    api.train(folder / "signs.yaml", out=folder / "signs")
    lower = write(folder / "lower.csv", [line for line in signs if line.endswith("-1")])
    measured = api.evaluate(folder / "signs", data=lower).splits["test"]
    assert measured["metrics"]["accuracy"] > 0.9


def test_junit_has_a_test_for_each_expectation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--data", "hidden.csv", "--check", "expect.yaml", "--format", "junit,github", "--output", "held.xml")
    done = evaluate(folder, *arguments, monkeypatch=monkeypatch)
    assert done.exit_code == 1
    (suite,) = ET.parse(folder / "held.xml").getroot()
    failed = {test.attrib["name"]: test.find("failure") is not None for test in suite.findall("testcase")}
    assert failed == {"parameters": False, "test.accuracy": False, "test.loss": True}
    assert done.stdout.startswith("::error file=")
    assert "expect.yaml,line=3,endLine=3,col=36" in done.stdout


def test_own_expectations_are_held_where_they_are_asked_for(folder: Path) -> None:
    run, file = folder / "run", folder / "expect.yaml"
    whats = [
        [held["what"] for held in api.evaluate(run, check=check, expect=expect).expect]
        for check, expect in ((True, ()), (False, (file,)), (True, (file,)))
    ]
    theirs = ["parameters", "test.accuracy", "test.loss"]
    assert whats == [["train.accuracy"], theirs, ["train.accuracy", *theirs]]


def test_check_may_stand_before_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(cli, ["evaluate", "--check", "run", "--json"], prog_name="netspec")
    assert [held["what"] for held in json.loads(done.stdout)["expect"]] == ["train.accuracy"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("test: {accuracy: 1}\n", "unknown-key"),
        ("expect: {test: {acuracy: 1}}\n", "bad-expectation"),
        ("netspec: 1\n", "missing-key"),
        ('requires: ">=99"\nexpect: {test: {accuracy: 1}}\n', "unmet-requirement"),
        ("[1]\n", "wrong-type"),
    ],
)
def test_a_file_of_expectations_is_checked(text: str, code: str, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "expect.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as raised:
        api.evaluate(folder / "run", expect=(file,))
    assert [d.code for d in raised.value.diagnostics] == [code]


def test_rows_that_do_not_fit_are_told(folder: Path, tmp_path: Path) -> None:
    lines = table(5, 2)
    unlabelled = write(tmp_path / "a.csv", [line.rpartition(",")[0] for line in lines], "a,b")
    with pytest.raises(DataError, match="no column `kind` in a"):
        api.evaluate(folder / "run", data=unlabelled)
    other = write(tmp_path / "b.csv", [line.replace("left", "middle") for line in lines])
    with pytest.raises(DataError, match="`middle` is none of the 2 classes"):
        api.evaluate(folder / "run", data=other)
    with pytest.raises(ChoiceError, match="a spec as it is initialised has seen none"):
        api.evaluate(folder / "spec.yaml", data=folder / "hidden.csv")


@pytest.mark.parametrize("arguments", [("--format", "junit"), ("-o", "a.sarif"), ("--format", "text,github")])
def test_formats_of_expectations_need_some(
    arguments: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = evaluate(folder, *arguments, monkeypatch=monkeypatch)
    assert done.exit_code == 2
    assert "--check" in done.stderr
