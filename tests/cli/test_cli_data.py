"""`netspec data`: lists, previews, and faults that come after what can be seen of the data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

Run = Callable[..., Result]

SPEC = """netspec: 1
data:
  source: {csv: cars.csv}
  fields: {x: {number: {of: [weight, "weight / power"], missing: RULE}}, origin: {category: origin}}
  split: {test: 1}
network: {inputs: {x: [2]}, layers: [{dense: 2}]}
loss: cross_entropy
"""
CARS = "weight,power,origin,name\n3504,130,usa,alpha\n2000,50,japan,beta\n1800,,usa,gamma\n1900,60,usa,delta\n"


@pytest.fixture
def cars(run: Run, tmp_path: Path) -> Run:
    """The command in a folder with a table and a spec."""
    (tmp_path / "cars.csv").write_text(CARS)
    (tmp_path / "cars.yaml").write_text(SPEC.replace("RULE", "mean"))
    return run


def test_what_is_known(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path))
    done = run("data")
    lines = {line[:22].strip(): line for line in done.stdout.splitlines()}
    assert "x [4], label of 3 classes" in lines["sklearn: iris"]
    assert lines["mnist"].split("  ")[-1].strip() == "to be fetched: 11.6 MB, CC BY-SA 3.0"
    assert ".parquet" in done.stderr
    found = json.loads(run("data", "--json").stdout)
    assert [known["name"] for known in found["data_sets"]] == list(lines)[1:]


def test_an_absent_set_is_described(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path))
    done = run("data", "mnist")
    assert done.exit_code == 0
    assert "sha256 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in done.stdout
    assert "netspec data --fetch mnist" in done.stderr
    assert json.loads(run("data", "mnist", "--json").stdout)["origin"] == "absent"


@pytest.mark.parametrize("arguments", [[], ["mnist"], ["iris"]], ids=" ".join)
def test_what_is_known_fits_80_columns(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("netspec.cli.streams.width_of", lambda _: 80)
    done = run("data", *arguments)
    assert done.exit_code == 0
    assert max(map(len, (done.stdout + done.stderr).splitlines())) <= 80


def test_a_set_that_comes_along(run: Run) -> None:
    done = run("data", "iris")
    assert "setosa 50, versicolor 50, virginica 50" in done.stdout
    assert run("data", "--fetch", "iris").stdout == "sklearn: iris comes with netspec\n"
    columns = json.loads(run("data", "iris", "--json").stdout)["columns"]
    assert columns["x"]["parts"]["2"]["max"] == pytest.approx(6.9)
    assert columns["label"]["counts"] == {"setosa": 50, "versicolor": 50, "virginica": 50}


def test_columns_and_fields_of_a_spec(cars: Run) -> None:
    done = cars("data", "cars.yaml")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:10] == [
        "cars.yaml",
        "rows     train 3, test 1",
        "",
        "column  type    missing    min    max   mean  values",
        "weight  number        0  1,800  3,504  2,301  3,504, 2,000, 1,800",
        "power   number        1     50    130     80  130, 50, missing",
        "origin  text          0                       usa 3, japan 1",
        "name    text          0                       alpha, beta, gamma and 1 more",
        "",
        "field             use     type        missing     min    max    mean  values",
    ]
    assert "  weight / power" in done.stdout
    assert done.stdout.splitlines()[-1].split()[:3] == ["origin", "target", "category"]
    found = json.loads(cars("data", "cars.yaml", "--json").stdout)
    assert found["rows"] == {"train": 3, "test": 1}
    assert found["columns"]["power"] == {
        "type": "number", "shape": [], "missing": 1, "min": 50.0, "max": 130.0, "mean": 80.0,
        "first": [130.0, 50.0, None],
    }  # fmt: skip
    assert {name: field["role"] for name, field in found["fields"].items()} == {"x": "input", "origin": "target"}


def test_a_fault_comes_after_the_columns(cars: Run, tmp_path: Path) -> None:
    (tmp_path / "cars.yaml").write_text(SPEC.replace("RULE", "error"))
    done = cars("data", "cars.yaml")
    assert done.exit_code == 1
    assert "power   number        1" in done.stdout
    assert "field" not in done.stdout
    assert "cars.yaml:4:12: error[missing-value]: cars.csv, line 4, column `power`: no value" in done.stderr
    (tmp_path / "cars.csv").unlink()
    done = cars("data", "cars.yaml")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "error[missing-file]" in done.stderr


def test_a_file_without_a_spec(cars: Run, tmp_path: Path) -> None:
    assert "usa 3, japan 1" in cars("data", "cars.csv").stdout
    np.savez(tmp_path / "a.npz", x=np.ones((5, 20)), y=np.arange(5))
    done = cars("data", "a.npz")
    assert done.stdout.splitlines()[-2].split() == ["x", "number", "[20]", "0", "1", "1", "1"]


def test_faults_of_the_rest_of_a_spec_do_not_matter(cars: Run, tmp_path: Path) -> None:
    (tmp_path / "cars.yaml").write_text(SPEC.replace("RULE", "mean").replace("dense: 2", "dnse: 2"))
    assert "usa 3, japan 1" in cars("data", "cars.yaml").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fetch"], "needs the name of a data set"),
        (["--fetch", "digits.yaml"], "takes the name of a data set"),
        (["--fetch", "mnist", "--offline"], "exclude each other"),
        (["digts.yaml"], "did you mean `digits.yaml`?"),
        (["irs"], "did you mean `iris`?"),
    ],
)
def test_usage(run: Run, arguments: list[str], words: str) -> None:
    done = run("data", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_spec_without_data(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("netspec: 1\nnetwork: {inputs: {x: [2]}, layers: [{dense: 2}]}\n")
    done = run("data", "bare.yaml")
    assert done.exit_code == 1
    assert "there are no data to look at" in done.stderr


def test_a_folder_of_pictures(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path / "cache"))
    for label in ("cat", "dog"):
        (tmp_path / "iris" / label).mkdir(parents=True)
        image.new("L", (5, 4), 7).save(tmp_path / "iris" / label / "1.png")
    done = run("data", "./iris")
    assert done.exit_code == 0
    assert "image [4, 5, 1]" in done.stdout
    assert done.stdout.splitlines()[-1].split()[-2:] == ["cat,", "dog"]
    assert "setosa" in run("data", "sklearn: iris").stdout


def test_a_set_that_no_server_offers(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path))
    done = run("data", "cifar10")
    assert done.exit_code == 0
    assert "not here: 62.2 MB" in done.stdout
    assert f"next  put train.zip, test.zip into {tmp_path / 'data' / 'cifar10'}: they are made of" in done.stderr
    assert "or set NETSPEC_DATA to a folder that holds them in `cifar10/`" in done.stderr
    assert "--fetch" not in done.stderr
    done = run("data", "--fetch", "cifar10")
    assert done.exit_code == 4
    assert "data-absent" in done.stderr


TAGGED = """netspec: 1
data:
  source: {conll: {path: s.txt, columns: [word, entity]}}
  fields:
    words: {tokens: {of: word, lower: true}}
    chars: {tokens: {of: word, unit: character}}
    tags: {tokens: {of: entity, scheme: iobes}}
network:
  inputs: {words: [T], chars: [T, C]}
  output: [a, b]
  layers: [{dropout: {rate: 0.1, from: words, name: a}}, {dropout: {rate: 0.1, from: chars, name: b}}]
"""


@pytest.mark.parametrize("width", [80, 120])
def test_text_is_shown_by_its_tokens_and_lengths(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    (tmp_path / "s.yaml").write_text(TAGGED)
    (tmp_path / "s.txt").write_text("The O\nRiver B-LOC\nThames I-LOC\n\nthe O\nend O\n\n" * 3)
    monkeypatch.setattr("netspec.cli.streams.width_of", lambda stream: width)
    done = run("data", "s.yaml")
    assert max(map(len, done.stdout.splitlines())) <= width
    lines = {line[:8].strip(): " ".join(line.split()) for line in done.stdout.splitlines()}
    assert lines["word"].startswith("word word [T] 0 The 3, River 3, Thames 3")
    assert lines["words"].startswith("words input index [T] of 5 0 the 6, ")
    assert lines["chars"].startswith("chars input index [T, Letters] of ")
    assert lines["tags"].startswith("tags index [T] of 5 0 O 9, B-LOC")
    assert lines["length"] == "length 0 2 3 2.5 3, 2, 3"
    fields = json.loads(run("data", "s.yaml", "--json").stdout)["fields"]
    assert fields["chars"]["first"][0] == "The River Thames"
    assert fields["words"]["lengths"]["max"] == 3
