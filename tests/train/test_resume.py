"""A training that stops and goes on is the training that never stopped, to the last bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import ClassVar

import pytest
from trainings import OWN_SPECS, left_by, resumed, trained

from netspec import api
from netspec.diagnostics import DataError, EnvironmentFault
from netspec.runs.folder import RunChoiceError
from netspec.runs.run import Run
from netspec.train.progress import Silent

OWN = {path.stem: path for path in OWN_SPECS}

TABLE = """\
netspec: 1
name: table
data: {source: {csv: {path: table.csv}}, fields: {x: {number: [a, b]}, y: {number: c}}, standardize: true}
network: {inputs: {x: [2]}, layers: [{dense: {units: 3, activation: tanh}}, {dense: 1}]}
loss: {mse: {target: y}}
optimizer: {adam: {lr: 0.01}}
train: {epochs: 6, batch: 4, seed: 2}
"""


@pytest.mark.parametrize("name", sorted(OWN))
def test_stopped_anywhere_it_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    whole = trained(OWN[name], tmp_path / "whole")
    total, an_epoch = whole.progress["step"], whole.progress["step"] // whole.progress["epoch"]
    # In the middle of the first epoch, at the end of one, a step before and behind it, at the last step but one.
    for stop in sorted({1, an_epoch // 2, an_epoch - 1, an_epoch, an_epoch + 1, total - 1} - {0}):
        parts = tmp_path / f"parts-{stop}"
        before = trained(OWN[name], parts, steps=stop)
        assert (before.summary["status"], before.progress["step"]) == ("stopped", stop)
        assert resumed(parts) == whole, f"stopped after step {stop}"


def test_it_goes_on_twice_and_on_other_threads(tmp_path: Path) -> None:
    spec = OWN["dropout_remainder"]
    whole = trained(spec, tmp_path / "whole", threads=2)
    trained(spec, tmp_path / "parts", steps=5, threads=1)
    assert resumed(tmp_path / "parts", steps=21, threads=3).summary["status"] == "stopped"
    assert resumed(tmp_path / "parts") == whole


def test_epochs_that_steps_complete_are_measured(tmp_path: Path) -> None:
    whole = trained(OWN["dropout_remainder"], tmp_path / "whole")
    an_epoch = whole.progress["step"] // whole.progress["epoch"]
    stopped = trained(OWN["dropout_remainder"], tmp_path / "parts", steps=2 * an_epoch)
    assert [(line["epoch"], line["split"]) for line in stopped.metrics] == [
        (epoch, split) for epoch in (1, 2) for split in ("train", "validation")
    ]
    assert stopped.metrics == whole.metrics[:4]
    assert stopped.summary["epochs"] == 2
    # The last step that --steps allows is the last of all: nothing is left to go on with.
    every = trained(OWN["dropout_remainder"], tmp_path / "every", steps=whole.progress["step"])
    assert every == whole


def test_lines_behind_the_checkpoint_are_written_again(tmp_path: Path) -> None:
    whole = trained(OWN["dropout_remainder"], tmp_path / "whole")
    parts = tmp_path / "parts"
    trained(OWN["dropout_remainder"], parts, steps=12)
    with Run(parts).metrics.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"version": 1, "epoch": 2, "step": 18, "split": "train"}) + '\n{"version": 1, "epo')
    assert resumed(parts) == whole


def test_a_finished_run_says_that_nothing_is_left(tmp_path: Path) -> None:
    whole = trained(OWN["tied_autoencoder"], tmp_path / "run")
    with pytest.raises(RunChoiceError, match="nothing is left to train") as raised:
        api.train(resume=str(tmp_path / "run"))
    assert raised.value.exit_code == 2
    assert left_by(tmp_path / "run") == whole
    assert Run(tmp_path / "run").status() == "finished"


def test_a_run_killed_while_it_was_measured_at_the_end_is_measured(tmp_path: Path) -> None:
    whole = trained(OWN["dropout_remainder"], tmp_path / "run")
    run = Run(tmp_path / "run")
    run.update(status="training")
    run.summary.unlink()
    assert run.status() == "killed"
    assert resumed(tmp_path / "run") == whole


def test_early_stop_is_not_forgotten(tmp_path: Path) -> None:
    given = ("train.epochs=100", "train.early_stop={patience: 3}")
    whole = trained(OWN["dropout_remainder"], tmp_path / "whole", overrides=given)
    assert 3 < whole.summary["epochs"] < 100
    trained(OWN["dropout_remainder"], tmp_path / "parts", overrides=given, steps=13)
    assert resumed(tmp_path / "parts") == whole
    with pytest.raises(RunChoiceError, match="nothing is left"):
        api.train(resume=str(tmp_path / "parts"))


def test_early_stop_says_why_there_are_no_more_epochs(tmp_path: Path) -> None:
    class Remarks(Silent):
        heard: ClassVar[list[str]] = []

        def remark(self, text: str) -> None:
            self.heard.append(text)

    for patience in ("3", "1000"):
        given = ["train.epochs=100", f"train.early_stop={{patience: {patience}}}"]
        api.train(OWN["dropout_remainder"], out=tmp_path / patience, overrides=given, progress=Remarks())
    (told,) = Remarks.heard
    assert told.startswith(
        "stopped before epoch 100: the loss on the split `validation` has not got better for 3 epochs"
    )


def test_changed_data_are_refused(tmp_path: Path) -> None:
    table, spec = tmp_path / "table.csv", tmp_path / "table.yaml"
    table.write_text("a,b,c\n" + "".join(f"{i},{i * i % 7},{i % 5}\n" for i in range(13)))
    spec.write_text(TABLE)
    whole = trained(spec, tmp_path / "whole")
    trained(spec, tmp_path / "run", steps=7)
    good = table.read_text()
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*") if path.name != ".lock"}
    table.write_text(good.replace("12,", "11,"))
    with pytest.raises(DataError, match="not those that it began with") as raised:
        api.train(resume=str(tmp_path / "run"))
    assert raised.value.render().count("= note: ") == 1
    assert "= note: the field `x` differs" in raised.value.render()
    table.write_text(good + "1,2,3\n")
    with pytest.raises(DataError, match="not those that it began with") as raised:
        api.train(resume=str(tmp_path / "run"))
    assert "= note: `train` had 13 rows, and has 14" in raised.value.render()
    table.write_text(good.replace("\n", ",z\n"))
    with pytest.raises(DataError, match="not those that it began with") as raised:
        api.train(resume=str(tmp_path / "run"))
    assert "= note: what differs is read by no field" in raised.value.render()
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*") if path.name != ".lock"}
    # The way out that it names: what was learnt, on the new data.
    weights = tmp_path / "run" / "last.safetensors"
    assert f"--weights {weights}`" in raised.value.render()
    api.train(spec, out=tmp_path / "anew", weights=weights, steps=1)
    table.write_text(good)
    # A run finds its data by its own record, wherever its folder lies now.
    shutil.move(tmp_path / "run", tmp_path / "moved")
    assert resumed(tmp_path / "moved") == whole


def test_a_run_that_another_holds_is_left_alone(tmp_path: Path) -> None:
    trained(OWN["tied_autoencoder"], tmp_path / "run", steps=3)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*") if path.name != ".lock"}
    with Run(tmp_path / "run").lock(), pytest.raises(EnvironmentFault, match="is training"):
        api.train(resume=str(tmp_path / "run"))
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*") if path.name != ".lock"}
    resumed(tmp_path / "run")
