"""Cross-validation: every fold is a training of its own, and all together can be stopped and gone on with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import CHECKOUT, left_by, netspec, printed

from netspec import api
from netspec.diagnostics import DataError, NetspecError, SpecError
from netspec.runs.folder import RunChoiceError
from netspec.spec.check import check
from netspec.spec.document import Document
from netspec.spec.folds import with_folds
from netspec.train.opening import open_spec
from netspec.train.progress import Silent

IRIS = CHECKOUT / "specs" / "iris.yaml"
SHORT = ("train.epochs=2",)
FOLDS = 3


class Stops(Silent):
    """Ctrl-C after so many folds."""

    def __init__(self, after: int) -> None:
        self.after = after

    def fold(self, line: Mapping[str, Any], folds: int) -> None:
        if line["fold"] == self.after:
            raise KeyboardInterrupt


def document(text: str) -> Document:
    found = check(text).document
    assert found is not None
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-validation that nothing disturbed."""
    folder = tmp_path_factory.mktemp("folds") / "iris"
    api.train(IRIS, out=folder, overrides=SHORT, folds=FOLDS)
    return folder


def measures(folder: Path) -> Any:
    found = json.loads((folder / "summary.json").read_text())
    return found["status"], found["test"], found["deviation"], [line["test"] for line in found["folds"]]


def test_a_fold_is_the_training_of_that_part(whole: Path, tmp_path: Path) -> None:
    text = IRIS.read_text().replace("{test: 0.2, stratify: label}", "{folds: 3, fold: 2, stratify: label}")
    (tmp_path / "iris.yaml").write_text(text)
    api.train(tmp_path / "iris.yaml", out=tmp_path / "run", overrides=SHORT)
    assert left_by(tmp_path / "run") == left_by(whole / "fold-02")
    evaluated = api.evaluate(whole / "fold-02").splits["test"]
    assert (evaluated["rows"], evaluated["loss"]) == (50, left_by(whole / "fold-02").summary["test"]["loss"])


def test_mean_and_deviation(whole: Path) -> None:
    status, mean, deviation, tests = measures(whole)
    assert status == "finished"
    assert len(tests) == FOLDS
    for name in ("loss", "accuracy"):
        values = [test[name] for test in tests]
        assert mean[name] == pytest.approx(np.mean(values), rel=1e-12)
        assert deviation[name] == pytest.approx(np.std(values, ddof=1), rel=1e-12)


@pytest.mark.parametrize(
    ("split", "expected"),
    [("", True), ("split: {stratify: none}", False), ("split: {test: 0.2, stratify: label, validation: 9}", True)],
)
def test_folds_keep_the_ratio_of_the_target(tmp_path: Path, split: str, *, expected: bool) -> None:
    text = IRIS.read_text().replace("split: {test: 0.2, stratify: label}", split)
    (tmp_path / "iris.yaml").write_text(text)
    api.train(tmp_path / "iris.yaml", out=tmp_path / "run", overrides=["train.epochs=0"], folds=FOLDS)
    counts = []
    for fold in range(1, FOLDS + 1):
        opened = open_spec(document((tmp_path / "run" / f"fold-0{fold}" / "spec.yaml").read_text()))
        test = opened.dataset.splits["test"]
        counts.append(np.bincount(opened.dataset.columns["label"][test], minlength=3).tolist())
    assert np.sum(counts, axis=0).tolist() == [50, 50, 50]
    assert all(max(row) - min(row) <= 1 for row in counts) == expected, counts


def test_a_number_is_not_stratified() -> None:
    text = "netspec: 1\ndata: {source: {logic: xor}}\nnetwork: {inputs: {x: [2]}, layers: [{dense: 1}]}\nloss: mse\n"
    found = with_folds(document(text), 2).data
    assert found is not None
    assert found.split.strata is None


def test_stopped_between_folds_and_gone_on_with(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stopped = api.train(IRIS, out=out, overrides=SHORT, folds=FOLDS, progress=Stops(2))
    assert stopped.status == "interrupted"
    assert len(stopped.summary["folds"]) == 2
    (out / "fold-03").mkdir()  # a process that was killed before its first checkpoint leaves this
    (out / "fold-03" / "run.json").write_text("{}")
    assert api.train(resume=str(out)).status == "finished"
    assert measures(out) == measures(whole)
    with pytest.raises(RunChoiceError, match=r"every fold of .* is trained"):
        api.train(resume=str(out))


def test_stopped_inside_a_fold_and_gone_on_with(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stopped = api.train(IRIS, out=out, overrides=SHORT, folds=FOLDS, steps=3)
    assert stopped.status == "stopped"
    assert [line["steps"] for line in stopped.summary["folds"]] == [3] * FOLDS
    assert api.train(resume=str(out)).status == "finished"
    assert measures(out) == measures(whole)
    assert left_by(out / "fold-03") == left_by(whole / "fold-03")


def test_no_time_is_left(tmp_path: Path) -> None:
    stopped = api.train(IRIS, out=tmp_path / "run", overrides=SHORT, folds=FOLDS, max_seconds=1e-6)
    assert (stopped.status, stopped.summary["folds"]) == ("stopped", [])


def test_data_that_changed(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "netspec: 1\ndata: {source: {csv: a.csv}, fields: {x: {number: x}, y: {category: y}}}\n"
        "network: {inputs: {x: [1]}, layers: [{dense: 2}]}\nloss: cross_entropy\noptimizer: {sgd: {lr: 0.1}}\n"
        "train: {epochs: 1}\n"
    )
    out = tmp_path / "run"
    api.train(spec, out=out, folds=2, progress=Stops(1))
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i + 1},{i % 2}\n" for i in range(20)))
    with pytest.raises(DataError, match="have changed since its first fold began"):
        api.train(resume=str(out))
    assert json.loads((out / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("split", "folds", "words"),
    [
        ("", 151, "`split.folds` asks for 151 parts, and `train` has 150 rows"),
        ("split: {stratify: lable}", 3, "the source has no column `lable`"),
    ],
)
def test_what_cannot_be_cut_leaves_nothing(tmp_path: Path, split: str, folds: int, words: str) -> None:
    (tmp_path / "iris.yaml").write_text(IRIS.read_text().replace("split: {test: 0.2, stratify: label}", split))
    with pytest.raises(NetspecError) as raised:
        api.train(tmp_path / "iris.yaml", out=tmp_path / "run", folds=folds)
    assert words in raised.value.render()
    assert not (tmp_path / "run").exists()


def test_a_class_that_only_the_last_fold_lacks_is_found_before_the_first(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'odd' if i == 7 else i % 2}\n" for i in range(20))
    (tmp_path / "a.csv").write_text("x,y\n" + rows)
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "netspec: 1\ndata: {source: {csv: a.csv}, fields: {x: {number: x}, y: {category: y}}}\n"
        "network: {inputs: {x: [1]}, layers: [{dense: '${data.y.size}'}]}\nloss: cross_entropy\n"
        "optimizer: {sgd: {lr: 0.1}}\n"
    )
    with pytest.raises(DataError, match=r"a\.csv, line 9, column `y`: `odd` is none of the 2 classes"):
        api.train(spec, out=tmp_path / "run", folds=4)
    assert not (tmp_path / "run").exists()


def test_a_spec_without_data(tmp_path: Path) -> None:
    spec = "netspec: 1\nnetwork: {inputs: {x: [1]}, layers: [{dense: 2}]}\n"
    with pytest.raises(SpecError, match="there are no data to train on"):
        api.train(spec, out=tmp_path / "run", folds=4)


def test_the_whole_is_no_network(whole: Path) -> None:
    for use in (lambda: api.evaluate(whole), lambda: api.predict(whole, [{"x": [1, 2, 3, 4]}])):
        with pytest.raises(RunChoiceError) as raised:
            use()
        assert "holds 3 folds, each a run of its own" in raised.value.render()
        assert f"`{whole}/fold-01`" in raised.value.render()
    rows = api.predict(whole / "fold-01", [{"x": [5.1, 3.5, 1.4, 0.2]}]).rows
    assert rows[0]["label"] in ("setosa", "versicolor", "virginica")


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("train", str(IRIS), "--folds", "3", "--set", "train.epochs=2", "--out", str(out))
    done = netspec(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words = [line.split()[0] for line in done.stdout.splitlines() if line]
    assert words == ["test", "mean", "deviation", "run", "next"]
    told = [line for line in done.stderr.splitlines() if line.startswith("fold")]
    assert [line.split("  ")[0] for line in told] == ["fold 1/3", "fold 2/3", "fold 3/3"]
    shutil.rmtree(out)
    found = printed(netspec(*arguments, "--json", cwd=tmp_path))
    assert found == json.loads((out / "summary.json").read_text())
    one_training = {"version", "run", "status", "epochs", "seconds", "best", "test"}
    assert found.keys() == one_training | {"deviation", "fold_count", "folds"}
