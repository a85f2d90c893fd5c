"""The files of a run, their keys, the exit codes and the streams, as users and their programs may rely on them."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import pytest
from trainings import CHECKOUT, OWN_SPECS, netspec, printed

from netspec import api
from netspec.diagnostics import ChoiceError, SpecError
from netspec.runs.checkpoint import load_weights

DIGITS = CHECKOUT / "specs" / "digits.yaml"
XOR = CHECKOUT / "specs" / "xor.yaml"
OWN = {path.stem: path for path in OWN_SPECS}

FILES = {
    "run.json",
    "source",
    "spec.yaml",
    "fitted.safetensors",
    "fitted.json",
    "state.safetensors",
    "best.safetensors",
    "last.safetensors",
    "metrics.jsonl",
    "summary.json",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with validation and test."""
    folder = tmp_path_factory.mktemp("contract") / "run"
    api.train(OWN["dropout_remainder"], out=folder, overrides=("train.epochs=3", "train.seed=9"))
    return folder


def test_the_files(run: Path) -> None:
    assert {path.name for path in run.iterdir() if not path.name.startswith(".")} == FILES
    assert (run / "source" / "dropout_remainder.yaml").read_bytes() == OWN["dropout_remainder"].read_bytes()


def test_the_record(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["version"] == 1
    assert record["overrides"] == ["train.epochs=3", "train.seed=9"]
    assert record["base"] == str(OWN["dropout_remainder"].parent)
    assert record["seed"] == 9
    assert record["status"] == "finished"
    assert len(record["fingerprint"]) == 64
    assert {"arguments", "processor", "versions", "system"} <= record.keys()
    assert {"netspec", "python", "numpy", "numba", "llvmlite"} <= record["versions"].keys()


def test_the_metrics(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    expected = {"version", "epoch", "step", "split", "loss", "metrics", "lr", "seconds", "samples_per_second", "time"}
    assert all(line.keys() == expected for line in lines)
    assert [(line["epoch"], line["split"]) for line in lines] == [
        (epoch, split) for epoch in (1, 2, 3) for split in ("train", "validation")
    ]
    for line in lines:
        assert line["version"] == 1
        assert line["metrics"].keys() == {"accuracy"}
        assert line["lr"] == 0.05
        assert line["time"].endswith("Z")
        datetime.fromisoformat(line["time"])


def test_the_summary(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert {"version", "run", "status", "epochs", "seconds", "best", "test"} <= summary.keys()
    assert (summary["version"], summary["status"], summary["epochs"]) == (1, "finished", 3)
    assert {"epoch", "split", "metrics"} <= summary["best"].keys()
    assert summary["best"]["split"] == "validation"
    assert summary["test"].keys() == {"loss", "accuracy"}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    validated = {line["epoch"]: line["loss"] for line in lines if line["split"] == "validation"}
    assert summary["best"]["epoch"] == min(validated, key=validated.__getitem__)
    assert summary["best"]["metrics"]["loss"] == min(validated.values())
    # Test and evaluate measure the best weights.
    evaluated = api.evaluate(run).splits
    assert summary["test"] == {"loss": evaluated["test"]["loss"], **evaluated["test"]["metrics"]}
    assert summary["best"]["metrics"] == {
        "loss": evaluated["validation"]["loss"],
        **evaluated["validation"]["metrics"],
    }
    assert load_weights(run / "best.safetensors").step == summary["best"]["step"]
    assert api.evaluate(run, only=["test"]).splits == {"test": evaluated["test"]}
    with pytest.raises(ChoiceError, match="no split `tests`"):
        api.evaluate(run, only=["tests"])


def test_without_validation_the_last_epoch_is_the_best(tmp_path: Path) -> None:
    summary = api.train(OWN["tied_autoencoder"], out=tmp_path / "run").summary
    assert (summary["best"]["epoch"], summary["best"]["split"]) == (5, "train")
    assert summary["test"] is None
    best, last = (load_weights(tmp_path / "run" / f"{name}.safetensors") for name in ("best", "last"))
    assert best.content == last.content


def test_streams_of_train(tmp_path: Path) -> None:
    done = netspec("train", DIGITS, "--set", "train.epochs=2", "--out", "run", cwd=tmp_path)
    assert done.stdout.startswith("last   epoch 2: train loss ")
    assert "run    run (finished after 2 epochs" in done.stdout
    assert "next   netspec predict run INPUT" in done.stdout
    assert len([line for line in done.stderr.splitlines() if line.startswith("epoch ")]) == 2
    assert netspec("train", DIGITS, "--steps", "2", "--out", "quiet", "--quiet", cwd=tmp_path).stdout == ""


def test_json_is_the_summary_and_the_last_word_on_stdout(tmp_path: Path) -> None:
    done = netspec("train", DIGITS, "--set", "train.epochs=1", "--json", "--out", "run", cwd=tmp_path)
    assert done.stdout.count("\n") == 1
    assert printed(done) == json.loads((tmp_path / "run" / "summary.json").read_text())
    assert "epoch" in done.stderr


def test_folders_are_numbered_and_found_again(tmp_path: Path) -> None:
    runs = {"NETSPEC_RUNS": str(tmp_path / "elsewhere")}
    for _ in range(2):
        netspec("train", XOR, "--steps", "5", "--quiet", cwd=tmp_path, **runs)
    made = sorted(path.name for path in (tmp_path / "elsewhere").iterdir() if path.is_dir())
    assert made == ["xor-0001", "xor-0002"]
    for name in ("@last", "xor", "xor-0002"):
        facts = printed(netspec("evaluate", name, "--json", cwd=tmp_path, **runs))
        assert (facts["version"], facts["name"]) == (1, "xor-0002")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("train", "absent.yaml"), 2, "absent.yaml"),
        (("train", XOR, "--set", "train.epoch=3"), 1, "error[unknown-key]"),
        (("train", XOR, "--set", "loss=[]", "--set", "metrics=[]"), 1, "error["),
        (("train", XOR, "--out", "full"), 2, "error[folder-not-empty]"),
        (("train", XOR, "--out", "file"), 2, "error[folder-not-empty]"),
        (("train", XOR, "--weights", "file"), 1, "error[damaged-file]"),
        (("train", XOR, "--set", "train.select={metric: accuracy}"), 1, "error[unknown-split]"),
        (("train", XOR, "--set", "train.early_stop={patience: 2}"), 1, "error[unknown-split]"),
        (("train", "--resume", "xor-0007"), 2, "error[unknown-run]"),
        (("train", "--resume", "full"), 2, "error[unknown-run]"),
        (("train", XOR, "--resume", "full"), 2, "leave out SPEC"),
        (("evaluate", "absent.yaml"), 1, "absent.yaml"),
        (("evaluate", "absent"), 2, "error[unknown-run]"),
        (("predict", "absent", "file"), 2, "error[unknown-run]"),
    ],
)
def test_what_a_user_gets_wrong(arguments: tuple[str, ...], code: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "file").write_text("no weights\n")
    done = netspec(*arguments, code=code, cwd=tmp_path, NETSPEC_RUNS=str(tmp_path / "runs"))
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal-error" not in done.stderr
    assert not (tmp_path / "runs").exists(), "what cannot be trained leaves no folder behind"


@pytest.mark.parametrize("key", ["loss", "optimizer", "data"])
def test_a_spec_that_cannot_train_says_what_is_missing(key: str, tmp_path: Path) -> None:
    lines = OWN["tied_autoencoder"].read_text().splitlines(keepends=True)
    spec = tmp_path / "part.yaml"
    starts = [i for i, line in enumerate(lines) if line.startswith(f"{key}:")]
    end = next(i for i in range(starts[0] + 1, len(lines)) if not lines[i].startswith(" "))
    spec.write_text("".join(lines[: starts[0]] + lines[end:]))
    done = netspec("train", spec, "--out", "run", code=1, cwd=tmp_path)
    assert "error[missing-key]" in done.stderr
    assert f"`{key}`" in done.stderr
    assert not (tmp_path / "run").exists()


def test_odd_amounts_of_work(tmp_path: Path) -> None:
    # A batch of more rows than there are is a slip of the pen; no epoch at all is the network as initialised.
    with pytest.raises(SpecError, match="has 150 rows"):
        api.train(OWN["tied_autoencoder"], out=tmp_path / "more", overrides=("train.batch=5000",))
    assert not (tmp_path / "more").exists()
    none = api.train(OWN["tied_autoencoder"], out=tmp_path / "none", overrides=("train.epochs=0",))
    assert (none.status, none.summary["epochs"], none.summary["best"]) == ("finished", 0, None)
    measured = api.evaluate(tmp_path / "none").splits
    assert measured == api.evaluate(OWN["tied_autoencoder"]).splits


def test_expectations_are_shown_as_the_spec_writes_them(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(XOR.read_text(encoding="utf-8").replace("parameters: 9", 'parameters: "< 4000"'))
    rows = [line.split() for line in netspec("evaluate", spec, "--check", code=1, cwd=tmp_path).stdout.splitlines()]
    assert ["parameters", "<", "4000", "9", "ok"] in rows
    assert ["train.accuracy", "==", "1"] in [row[:3] for row in rows]


def test_max_seconds(tmp_path: Path) -> None:
    endless = ("train.epochs=1000000000",)
    done = api.train(OWN["tied_autoencoder"], out=tmp_path / "run", overrides=endless, max_seconds=0.2)
    assert done.status == "stopped"
    assert done.summary["seconds"] < 10


def test_weights_of_another_run(tmp_path: Path) -> None:
    api.train(OWN["tied_autoencoder"], out=tmp_path / "first")
    begun = api.train(
        OWN["tied_autoencoder"], out=tmp_path / "second", weights=tmp_path / "first" / "last.safetensors", steps=1
    )
    assert begun.summary["status"] == "stopped"
    first = [json.loads(line) for line in (tmp_path / "first" / "metrics.jsonl").read_text().splitlines()]
    api.train(resume=str(tmp_path / "second"))
    second = [json.loads(line) for line in (tmp_path / "second" / "metrics.jsonl").read_text().splitlines()]
    assert second[0]["loss"] < first[-1]["loss"]
    done = netspec(
        "train",
        DIGITS,
        "--weights",
        tmp_path / "first" / "last.safetensors",
        code=1,
        cwd=tmp_path,
    )
    assert "error[wrong-weights]" in done.stderr


def test_predict_prints_csv(run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    header = ",".join(f"x.{i}" for i in range(13))
    rows.write_text(f"{header}\n" + "\n".join(",".join(str(i + j) for i in range(13)) for j in range(3)) + "\n")
    done = netspec("predict", run, rows, cwd=tmp_path)
    table = list(csv.DictReader(done.stdout.splitlines()))
    assert list(table[0]) == ["label", "label=class_0", "label=class_1", "label=class_2"]
    assert len(table) == 3
    assert done.stderr == ""
    facts = printed(netspec("predict", run, rows, "--json", cwd=tmp_path))
    assert facts["version"] == 1
    for shown, exact in zip(table, facts["predictions"], strict=True):
        assert shown["label"] == exact["label"]
        assert sum(exact[name] for name in exact if "=" in name) == pytest.approx(1, abs=1e-6)
        assert float(shown["label=class_1"]) == pytest.approx(exact["label=class_1"], rel=1e-8)
