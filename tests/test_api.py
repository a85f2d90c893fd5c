"""What `netspec.api` promises: predictions in the users' own words and units, measures, checked gradients."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.diagnostics import DataError, NetspecError, SpecError
from netspec.train.engine import Engine

SPECS = Path(__file__).parents[1] / "specs"
LESS_COMMON = sorted((Path(__file__).parent / "train" / "specs").glob("*.yaml"))
ORIGINS = ("usa", "europe", "japan")

REGRESSION = """\
netspec: 1
data:
  source: {csv: {path: cars.csv}}
  fields:
    x: {number: [weight, power, "weight / power"]}
    economy: {number: {of: mpg, standardize: true}}
  standardize: true
  split: {validation: 0.2, test: 10}
network: {inputs: {x: [3]}, layers: [{dense: {units: 16, activation: tanh}}, {dense: {units: 1, name: guess}}]}
loss: {mse: {target: economy}}
metrics: [rmse]
optimizer: {adam: {lr: 0.02}}
train: {epochs: 150, batch: 8, seed: 4}
expect: {test: {rmse: "<= 4"}}
"""

CLASSIFICATION = """\
netspec: 1
data:
  source: {csv: {path: cars.csv}}
  fields: {x: {number: [weight, power, mpg]}, origin: {category: origin}}
  standardize: true
  split: {test: 10, stratify: origin}
network: {inputs: {x: [3]}, layers: [{dense: {units: 16, activation: relu}}, {dense: {units: 3, name: guess}}]}
loss: cross_entropy
metrics: [accuracy, confusion_matrix]
optimizer: {adam: {lr: 0.02}}
train: {epochs: 150, batch: 8}
expect: {test: {accuracy: ">= 0.9"}, train: {accuracy: ">= 0.95"}}
"""


@pytest.fixture(scope="module")
def cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table whose columns hang together, two specs over it, and a run of each."""
    folder, rng = tmp_path_factory.mktemp("cars"), random.Random(1)
    lines = ["name,weight,power,origin,mpg"]
    for i in range(80):
        origin, weight, power = rng.choice(ORIGINS), rng.uniform(1500, 4500), rng.uniform(50, 200)
        mpg = 60 - 0.008 * weight - 0.05 * power + {"usa": 0, "europe": 2, "japan": 5}[origin]
        lines.append(f"car {i},{weight:.0f},{power:.1f},{origin},{mpg:.2f}")
    (folder / "cars.csv").write_text("\n".join(lines) + "\n")
    (folder / "regression.yaml").write_text(REGRESSION)
    (folder / "classification.yaml").write_text(CLASSIFICATION)
    for name in ("regression", "classification"):
        api.train(folder / f"{name}.yaml", out=folder / name)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    header, *lines = [line.split(",") for line in path.read_text().splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]


# --- predict ---


def test_a_standardized_target_comes_back_in_its_own_units(cars: Path) -> None:
    table = rows_of(cars / "cars.csv")
    predicted = api.predict(cars / "regression", cars / "cars.csv")
    assert predicted.run == cars / "regression"
    assert [list(row) for row in predicted.rows] == [["economy"]] * len(table)
    errors = [row["economy"] - float(given["mpg"]) for row, given in zip(predicted.rows, table, strict=True)]
    assert float(np.sqrt(np.mean(np.square(errors)))) < 4


def test_measures_of_a_standardized_target_are_in_its_own_units(cars: Path) -> None:
    table = rows_of(cars / "cars.csv")
    predicted = api.predict(cars / "regression", cars / "cars.csv").rows
    squares = [(row["economy"] - float(given["mpg"])) ** 2 for row, given in zip(predicted, table, strict=True)]
    measured = api.evaluate(cars / "regression").splits
    counts = {split: facts["rows"] for split, facts in measured.items()}
    assert counts == {"train": 54, "validation": 16, "test": 10}
    whole = sum(facts["rows"] * facts["metrics"]["rmse"] ** 2 for facts in measured.values())
    assert whole == pytest.approx(sum(squares), rel=1e-3)


def test_a_category_comes_back_by_name_with_probabilities(cars: Path) -> None:
    table = rows_of(cars / "cars.csv")
    predicted = api.predict(cars / "classification", cars / "cars.csv").rows
    names = [f"origin={name}" for name in sorted(ORIGINS)]
    for row in predicted:
        assert list(row) == ["origin", *names]
        assert sum(row[name] for name in names) == pytest.approx(1, abs=1e-6)
        assert row[f"origin={row['origin']}"] == max(row[name] for name in names)
    evaluated = api.evaluate(cars / "classification")
    measured = evaluated.splits
    assert evaluated.summary()["classes"] == {"confusion_matrix": sorted(ORIGINS)}
    matrix = sum(np.array(facts["tables"]["confusion_matrix"]) for facts in measured.values())
    decided = [(given["origin"], row["origin"]) for row, given in zip(predicted, table, strict=True)]
    assert matrix.tolist() == [[decided.count((i, j)) for j in sorted(ORIGINS)] for i in sorted(ORIGINS)]
    right = sum(row["origin"] == given["origin"] for row, given in zip(predicted, table, strict=True))
    assert right == round(sum(facts["rows"] * facts["metrics"]["accuracy"] for facts in measured.values()))


def csv_columns(folder: Path, rows: Sequence[Sequence[float]]) -> Path:
    path = folder / "rows.csv"
    path.write_text("power,unused,weight\n" + "".join(f"{power},abc,{weight}\n" for weight, power, _ in rows))
    return path


def csv_own(folder: Path, rows: Sequence[Sequence[float]]) -> Path:
    path = folder / "own.csv"
    path.write_text("x.0,x.1,x.2\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    return path


def json_columns(folder: Path, rows: Sequence[Sequence[float]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"weight": row[0], "power": row[1]}) + "\n" for row in rows))
    return path


def json_lists(folder: Path, rows: Sequence[Sequence[float]]) -> Path:
    path = folder / "lists.jsonl"
    path.write_text("".join(json.dumps(list(row)) + "\n" for row in rows))
    return path


def npz_own(folder: Path, rows: Sequence[Sequence[float]]) -> Path:
    path = folder / "own.npz"
    np.savez(path, x=np.array(rows))
    return path


@pytest.mark.parametrize("write", [csv_columns, csv_own, json_columns, json_lists, npz_own])
def test_rows_come_in_many_forms(
    write: Callable[[Path, Sequence[Sequence[float]]], Path], cars: Path, tmp_path: Path
) -> None:
    rows = [(weight, power, weight / power) for weight, power in ((2000.0, 100.0), (4000.0, 160.0), (1800.0, 90.0))]
    expected = api.predict(cars / "regression", [{"weight": row[0], "power": row[1]} for row in rows]).rows
    assert len(expected) == 3
    assert expected[0] != expected[1]
    assert api.predict(cars / "regression", write(tmp_path, rows)).rows == expected


def test_a_row_alone_and_among_many_gives_the_same_bits(cars: Path) -> None:
    many = rows_of(cars / "cars.csv") * 5
    given = [{"weight": float(row["weight"]), "power": float(row["power"])} for row in many]
    whole = api.predict(cars / "regression", given).rows
    assert whole[0] == api.predict(cars / "regression", given[:1]).rows[0]
    assert whole[300:317] == api.predict(cars / "regression", given[300:317], threads=2).rows


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("a.csv", "weight,powr\n1,2\n", "unknown-column", "no column `power` in a.csv"),
        ("a.csv", "weight,power\n1,abc\n", "text-in-number", "line 2, column `power`: `abc`"),
        ("a.csv", "weight,power\n1,2\n1,\n", "missing-value", "line 3, column `power`"),
        ("a.csv", "weight,power\n", "no-rows", "no rows"),
        ("a.csv", "", "", ""),
        ("a.csv", "weight,power\n1,2,3\n", "ragged-row", "line 2"),
        ("a.jsonl", "[1, 2]\n", "wrong-shape", "[3]"),
        ("a.jsonl", "{\n", "bad-json", "line 1"),
        ("a.jsonl", '{"x": [1, 2, NaN]}\n', "", "line 1"),
        ("a.npz", "no archive", "wrong-magic", "a.npz"),
        ("a.xyz", "weight,power\n1,2\n", "unknown-format", ".csv"),
    ],
)
def test_rows_that_do_not_fit_are_told(name: str, text: str, code: str, words: str, cars: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as raised:
        api.predict(cars / "regression", tmp_path / name)
    assert words in raised.value.render()
    assert not code or raised.value.diagnostics[0].code == code


def test_several_outputs_are_told_apart(tmp_path: Path) -> None:
    spec = Path(__file__).parent / "train" / "specs" / "shared_towers.yaml"
    api.train(spec, out=tmp_path / "run")
    (row,) = api.predict(tmp_path / "run", [{"left": [0.1, 0.2, 0.3], "right": [0.9, 0.1, 0.4]}]).rows
    assert list(row) == ["amount", "side"]
    assert 0 < row["side"] < 1, "a probability, for the loss takes logits"


def test_a_single_unit_tells_two_classes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,kind\n" + "".join(f"{i},{'low' if i < 10 else 'high'}\n" for i in range(20)))
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "netspec: 1\n"
        "data: {source: {csv: {path: a.csv}}, standardize: true,\n"
        "  fields: {x: {number: a}, kind: {category: {of: kind, classes: [low, high]}}}}\n"
        "network: {inputs: {x: [1]}, layers: [{dense: 1}]}\n"
        "loss: binary_cross_entropy\nmetrics: [accuracy]\noptimizer: {sgd: 1.0}\n"
        "train: {epochs: 100, batch: full}\nexpect: {train: {accuracy: '>= 0.95'}}\n"
    )
    api.train(spec, out=tmp_path / "run")
    assert api.evaluate(tmp_path / "run", check=True).passed
    low, high = api.predict(tmp_path / "run", [{"a": 1.0}, {"a": 18.0}]).rows
    assert (low["kind"], high["kind"]) == ("low", "high")
    assert low["kind=low"] + low["kind=high"] == pytest.approx(1)


# --- evaluate ---


def test_a_spec_is_measured_as_initialised(cars: Path) -> None:
    spec = cars / "classification.yaml"
    measured = api.evaluate(spec)
    assert measured.name == str(spec)
    assert {split: facts["rows"] for split, facts in measured.splits.items()} == {"train": 70, "test": 10}
    assert measured.expect == ()
    checked = api.evaluate(spec, check=True)
    assert checked.splits == measured.splits
    assert not checked.passed, "nothing is learnt yet"
    assert {held["verdict"] for held in checked.expect} <= {"ok", "broken"}


def test_any_number_of_threads_measures_the_same_bits(cars: Path) -> None:
    for target in (cars / "regression", cars / "classification", SPECS / "digits.yaml"):
        first = api.evaluate(target, threads=1)
        assert api.evaluate(target, threads=2).splits == first.splits
        assert api.evaluate(target, threads=3).splits == first.splits


def test_without_a_loss_there_is_none_to_tell(cars: Path) -> None:
    spec = cars / "lossless.yaml"
    spec.write_text(CLASSIFICATION.replace("loss: cross_entropy\n", ""))
    assert api.evaluate(spec).splits["test"].keys() == {"rows", "metrics", "tables"}


def test_expectations_that_do_not_hold(cars: Path, tmp_path: Path) -> None:
    text = (SPECS / "backprop_example.yaml").read_text().replace("0.682019", "0.683")
    (tmp_path / "wrong.yaml").write_text(text)
    api.train(tmp_path / "wrong.yaml", out=tmp_path / "run")
    held = api.evaluate(tmp_path / "run", check=True).expect
    assert [line["verdict"] for line in held if line["what"].startswith("example")] == ["ok", "broken"]
    text = CLASSIFICATION.replace("test: {accuracy", "validation: {accuracy")
    (cars / "unmeasured.yaml").write_text(text)
    held = {line["what"]: line for line in api.evaluate(cars / "unmeasured.yaml", check=True).expect}
    assert held["validation.accuracy"]["actual"] == "not measured"
    assert held["validation.accuracy"]["verdict"] == "broken"


def test_static_expectations_are_faults_of_the_spec(tmp_path: Path) -> None:
    text = (SPECS / "xor.yaml").read_text().replace("parameters: 9", "parameters: 10")
    (tmp_path / "wrong.yaml").write_text(text)
    for command in (api.train, api.compile, api.gradcheck, api.evaluate):
        with pytest.raises(SpecError, match="parameters"):
            command(tmp_path / "wrong.yaml")


# --- gradcheck ---


@pytest.mark.parametrize("spec", LESS_COMMON, ids=lambda path: path.stem)
def test_gradients_of_less_common_networks(spec: Path) -> None:
    checked = api.gradcheck(spec)
    assert checked.passed, checked.summary()
    assert max(row.error for row in checked.rows) < 1e-5


def test_units_on_their_kinks_raise_no_alarm(tmp_path: Path) -> None:
    """At the row of zeros a unit without bias is neither on nor off, and the penalty of a bias of 0 has no slope."""
    text = (SPECS / "xor.yaml").read_text().replace("sigmoid}", "relu, regularize: {l1: 0.01}}", 1)
    (tmp_path / "kinks.yaml").write_text(text)
    checked = api.gradcheck(tmp_path / "kinks.yaml")
    assert checked.passed, checked.summary()


@pytest.mark.parametrize("fault", [1e-3, -1.0, float("nan"), float("inf")])
def test_a_wrong_gradient_is_caught(fault: float, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = Engine.gradient

    def spoilt(engine: Engine, rows: Any) -> dict[str, Any]:
        found = gradient(engine, rows)
        kernel = found["dense_1.kernel"]
        kernel.flat[np.abs(kernel).argmax()] *= 1 + fault
        return found

    monkeypatch.setattr(Engine, "gradient", spoilt)
    checked = api.gradcheck(SPECS / "digits.yaml")
    assert not checked.passed
    assert [row.name for row in checked.rows if not row.passed] == ["dense_1.kernel"]


def test_a_wrong_rule_is_caught_where_no_element_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4,096 weights 16 are moved by themselves, and all together: what kernel and graph get wrong alike shows."""
    from netspec.train import gradients

    gradient, interpreted, at = Engine.gradient, gradients.interpret, "dense_1.kernel"

    def spoil(array: Any) -> Any:
        array.flat[np.abs(array).argmax()] = 0
        return array

    def spoilt(engine: Engine, rows: Any) -> dict[str, Any]:
        found = gradient(engine, rows)
        return {**found, at: spoil(found[at])}

    def spoilt_too(*given: Any) -> dict[str, Any]:
        found = interpreted(*given)
        return {**found, f"gradient.{at}": spoil(found[f"gradient.{at}"])}

    monkeypatch.setattr(Engine, "gradient", spoilt)
    monkeypatch.setattr(gradients, "interpret", spoilt_too)
    monkeypatch.setattr(gradients, "_picked", lambda *_: [])
    checked = api.gradcheck(SPECS / "digits.yaml")
    assert [row.name for row in checked.rows if not row.passed] == [at]


def test_a_unit_that_crosses_its_kink_on_the_way_raises_no_alarm() -> None:
    """Its net input lies closer to the kink than the least step by which a weight is moved."""
    moved = np.float32(0.5 + np.random.default_rng(0).uniform(-0.01, 0.01))  # what the check begins with
    kink = float(np.nextafter(moved, np.float32(0)))
    checked = api.gradcheck(
        "netspec: 1\nname: near\ndata: {source: {rows: [{x: [1], y: [1]}]}}\nloss: mse\n"
        f"activations: {{bent: '3 * max(x, {kink!r})'}}\n"
        "network: {inputs: {x: [1]}, layers: [{dense: {units: 1, bias: false, activation: bent, init: 0.5}}]}\n"
    )
    assert checked.passed, checked.summary()


def test_a_wrong_gradient_is_caught_at_a_kink(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies between the slopes ahead and behind, of which only one is right."""
    moved = np.float32(0.5 + np.random.default_rng(0).uniform(-0.01, 0.01))  # what the check begins with
    gradient, kink = Engine.gradient, float(np.nextafter(moved, np.float32(0)))

    def smaller(engine: Engine, rows: Any) -> dict[str, Any]:
        return {key: 0.9 * array for key, array in gradient(engine, rows).items()}

    monkeypatch.setattr(Engine, "gradient", smaller)
    checked = api.gradcheck(
        "netspec: 1\nname: near\ndata: {source: {rows: [{x: [1], y: [1]}]}}\nloss: mse\n"
        f"activations: {{bent: '3 * max(x, {kink!r})'}}\n"
        "network: {inputs: {x: [1]}, layers: [{dense: {units: 1, bias: false, activation: bent, init: 0.5}}]}\n"
    )
    assert [row.passed for row in checked.rows] == [False]


def test_gradients_need_a_loss(cars: Path) -> None:
    spec = cars / "gradientless.yaml"
    spec.write_text(CLASSIFICATION.replace("loss: cross_entropy\n", ""))
    with pytest.raises(NetspecError, match="no gradient"):
        api.gradcheck(spec)
