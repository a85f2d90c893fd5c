"""`validate --data`: what is wrong and what is doubtful in the data themselves, and a summary of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netspec import api
from netspec.cli.main import cli

SPEC = """\
netspec: 1
data:
  source: {{csv: {{path: {path}}}}}
  fields: {{x: {{number: [a, b]}}, y: {{category: kind}}}}
  split: {split}
network: {{inputs: {{x: [2]}}, layers: [{{dense: 2}}]}}
loss: cross_entropy
optimizer: {{sgd: 0.1}}
train: {{seed: 1, batch: 2}}
"""


def spec(folder: Path, rows: list[str], *, path: str = "rows.csv", split: str = "{test: 0.5}") -> Path:
    (folder / "rows.csv").write_text("a,b,kind\n" + "\n".join(rows) + "\n")
    (folder / "spec.yaml").write_text(SPEC.format(path=path, split=split))
    return folder / "spec.yaml"


def examined(path: Path) -> api.Validated:
    (checked,) = api.validate([path], data=True)
    return checked


ROWS = [f"{i},{i * i},{'pq'[i % 2]}" for i in range(40)]


def test_sound_data_have_a_summary_and_no_warning(tmp_path: Path) -> None:
    checked = examined(spec(tmp_path, ROWS))
    assert checked.diagnostics == ()
    assert checked.data is not None
    facts = checked.data.summary()
    assert facts["rows"] == {"train": 20, "test": 20}
    assert facts["columns"]["b"]["max"] == 1521
    assert facts["columns"]["kind"]["counts"] == {"p": 20, "q": 20}
    assert sum(facts["classes"]["y"]["train"].values()) == 20
    assert facts["shared_with_train"] == {"test": 0}


def test_rows_that_stand_in_two_splits_are_told(tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("a,b,kind\n" + "\n".join(ROWS[:10]) + "\n")
    path = spec(tmp_path, ROWS, path="{train: rows.csv, test: twice.csv}", split="{validation: 2}")
    (found,) = examined(path).diagnostics
    assert (found.code, found.severity, found.span and found.span.line) == ("rows-in-two-splits", "warning", 5)
    assert "of the 10 rows of `test`" in found.message


def test_equal_words_are_no_leak(tmp_path: Path) -> None:
    path = spec(tmp_path, ["1,2,p", "1,2,q"] * 20)
    text = path.read_text().replace("{number: [a, b]}", "{tokens: {of: kind, unit: character}}")
    path.write_text(
        text.replace("x: [2]", "x: [T]").replace("[{dense: 2}]", "[one_hot, {lstm: {units: 2, output: last}}]")
    )
    assert [d.code for d in examined(path).diagnostics] == []


def test_class_that_no_row_trains_is_told(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("a,b,kind\n100,3,q\n")
    path = spec(
        tmp_path,
        [row.replace("q", "p") for row in ROWS],
        path="{train: rows.csv, test: test.csv}",
        split="{validation: 2}",
    )
    path.write_text(path.read_text().replace("{category: kind}", "{category: {of: kind, classes: [p, q]}}"))
    (found,) = examined(path).diagnostics
    assert found.code == "class-not-trained"
    assert "`q`" in found.message


@pytest.mark.parametrize(
    ("row", "code"), [("1,,p", "missing-value"), ("1,x,p", "text-in-number"), ("1,2", "ragged-row")]
)
def test_faults_of_the_data_are_told_with_the_column_summary(row: str, code: str, tmp_path: Path) -> None:
    checked = examined(spec(tmp_path, [*ROWS, row]))
    assert [d.code for d in checked.diagnostics] == [code]
    assert checked.errors == 1


def test_faults_of_the_spec_are_told_beside_those_of_the_data(tmp_path: Path) -> None:
    path = spec(tmp_path, [*ROWS, "1,,p"])
    path.write_text(path.read_text().replace("dense: 2", "dens: 2"))
    assert {d.code for d in examined(path).diagnostics} == {"missing-value", "unknown-kind"}


def test_lints_know_the_rows_once_data_are_open(tmp_path: Path) -> None:
    path = spec(tmp_path, ROWS)
    path.write_text(
        path.read_text().replace(
            "{dense: 2}",
            "{dense: {units: 5000, activation: relu}}, {dense: {units: 100, activation: relu}}, {dense: 2}",
        )
    )
    assert [d.code for d in examined(path).diagnostics] == ["few-rows"]
    assert [d.code for (c,) in [api.validate([path])] for d in c.diagnostics] == []


def test_warnings_of_data_can_be_turned_off(tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("a,b,kind\n" + "\n".join(ROWS[:10]) + "\n")
    path = spec(tmp_path, ROWS, path="{train: rows.csv, test: twice.csv}", split="{validation: 2}")
    path.write_text(path.read_text() + "lint: {ignore: [rows-in-two-splits]}\n")
    assert examined(path).diagnostics == ()


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], prog_name="netspec")


def test_command_prints_columns_fields_and_classes(tmp_path: Path) -> None:
    result = run("validate", "--data", spec(tmp_path, ROWS))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "rows     train 20, test 20"
    assert any(line.split()[:2] == ["y", "train"] for line in lines)
    assert lines[-1].endswith("spec.yaml: ok")


def test_spec_without_data_is_checked_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("netspec: 1\nnetwork: {inputs: {x: [2]}, layers: [{dense: 2}]}\n")
    assert run("validate", "--data", path).exit_code == 0
