"""What `show`, `validate`, `evaluate`, `predict` and `gradcheck` print, on narrow and wide terminals and in pipes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from netspec.cli.commands.show import describe
from netspec.cli.specfiles import find_specs
from netspec.cli.table import Column, duration, measure, table
from netspec.diagnostics import Diagnostic

Run = Callable[..., Result]

LAYERS = [
    ("flatten_1", "flatten", [64], 0, 0, 9),
    ("a_layer_with_quite_a_long_name_that_someone_chose", "dense", [1024], 803840, 802816, 12),
    ("stage1.3.main", "conv2d", [128, 128, 512], 1180160, 19327352832, 104),
    ("embedding_1", "embedding", ["T", 25], None, 0, 105),
]
SHOWN: dict[str, Any] = {
    "parameters": None,
    "parameters_formula": "25*|chars| + 231100",
    "frozen": 1024,
    "macs": 19328155648,
    "peak_bytes": {
        "train": {"bytes": 123456789, "batch": 64, "threads": 2},
        "predict": {"bytes": 2048, "batch": 1, "threads": 1},
    },
    "layers": [
        dict(zip(("name", "kind", "output", "parameters", "macs", "line"), layer, strict=True)) for layer in LAYERS
    ],
}


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_layers_fits_the_terminal(width: int) -> None:
    text = describe(SHOWN, width)
    assert max(map(len, text.splitlines())) <= width
    assert "19,327,352,832" in text
    assert "25*|chars| + 231100" in text
    assert "123.5 MB of memory (batch 64, 2 threads)" in text
    assert "2.0 kB of memory (batch 1, 1 thread)" in text


def test_a_pipe_gets_whole_names_and_no_blanks_at_line_ends() -> None:
    text = describe(SHOWN, None)
    assert "a_layer_with_quite_a_long_name_that_someone_chose" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_numbers_end_below_each_other() -> None:
    lines = table([Column("name"), Column("n", "right")], [["a", "1"], ["long", "1,000"]]).splitlines()
    assert lines == ["name      n", "a         1", "long  1,000"]


def test_a_table_that_cannot_shrink_is_left_whole() -> None:
    assert table([Column("a")], [["x" * 30]], 10).splitlines()[1] == "x" * 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(0.44), "0.4 s"),
        (duration(59.9), "1 min 0 s"),
        (duration(7260), "2 h 1 min"),
        (measure(0.97777), "0.9778"),
        (measure(0), "0.0000"),
        (measure(1e-7), "1.000e-07"),
        (measure(None), "not finite"),
    ],
)
def test_quantities_are_short(text: str, expected: str) -> None:
    assert text == expected


def test_show_prints_the_table_json_or_what_was_compiled(run: Run, api: SimpleNamespace) -> None:
    asked: list[tuple[Any, ...]] = []

    def compile_(spec: Path, *, overrides: tuple[str, ...], threads: int | None) -> SimpleNamespace:
        asked.append((spec, overrides, threads))
        return SimpleNamespace(summary=lambda: SHOWN, emit=lambda what, after: f"{what} after {after}\n")

    api.compile = compile_
    assert "multiply-adds" in run("show", "digits.yaml").stdout
    assert json.loads(run("show", "digits.yaml", "--json", "--threads", "3").stdout)["version"] == 1
    assert run("show", "digits.yaml", "--emit", "graph", "--after", "fuse").stdout == "graph after fuse\n"
    assert asked[1] == (Path("digits.yaml"), (), 3)
    assert run("show", "digits.yaml", "--after", "fuse").exit_code == 2
    assert run("show", "digits.yaml", "--emit", "graph", "--json").exit_code == 2


def _checked(name: str, *faults: Diagnostic) -> SimpleNamespace:
    return SimpleNamespace(name=name, diagnostics=faults, sources={}, waiting=(), seconds=0.0, data=None)


def test_validate_reads_files_folders_and_standard_input(run: Run, api: SimpleNamespace, tmp_path: Path) -> None:
    asked: list[tuple[Any, ...]] = []

    def validate(paths: list[str], *, stdin: str, **options: Any) -> list[SimpleNamespace]:
        asked.append((paths, stdin))
        return [_checked(path) for path in paths]

    api.validate = validate
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.yml").write_text("---\nnetspec: 1\n")
    (tmp_path / "sub" / "compose.yaml").write_text("services: {}\n")
    (tmp_path / "runs" / "a-0001").mkdir(parents=True)
    (tmp_path / "runs" / "a-0001" / "run.json").write_text("{}")
    (tmp_path / "runs" / "a-0001" / "spec.yaml").write_text("netspec: 1\n")
    done = run("validate", ".", "digits.yaml", "-", input_="netspec: 1\n")
    assert done.exit_code == 0
    assert asked == [(["digits.yaml", str(Path("sub/more.yml")), "-"], "netspec: 1\n")]
    assert done.stdout.splitlines() == ["digits.yaml: ok", f"{Path('sub/more.yml')}: ok", "-: ok"]
    assert done.stderr == "3 specs checked, all well; 1 other YAML file skipped (first key is not `netspec`)\n"


def test_validate_prints_faults_beside_the_verdicts(run: Run, api: SimpleNamespace) -> None:
    faults = Diagnostic("shape-mismatch", "no fit"), Diagnostic("hides-built-in", "relu", severity="warning")
    api.validate = lambda paths, **options: [_checked(path, *faults) for path in paths]
    done = run("validate", "digits.yaml")
    assert done.exit_code == 1
    assert done.stdout == "digits.yaml: 1 error, 1 warning\n"
    assert "error[shape-mismatch]: no fit" in done.stderr
    assert "1 wrong" in done.stderr
    api.validate = lambda paths, **options: [_checked(path, faults[1]) for path in paths]
    assert run("validate", "digits.yaml").exit_code == 0


def test_validate_of_nothing_is_usage(run: Run, api: SimpleNamespace, tmp_path: Path) -> None:
    assert run("validate").exit_code == 2
    assert run("validate", "none.yaml").exit_code == 2
    api.validate = lambda paths, **options: []
    (tmp_path / "empty").mkdir()
    assert "no spec found" in run("validate", "empty").stderr


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("netspec: 1", True),
        ("\ufeffnetspec: 1", True),
        ("# comment\r\n\r\n---\r\nnetspec: 1\r\n", True),
        ("%YAML 1.2\n--- # doc\nnetspec : 1", True),
        ("{netspec: 1}", True),
        ("--- {\n 'netspec': 1}", True),
        ('"netspec": 1', True),
        ("name: x\nnetspec: 1", False),
        ("netspecs: 1", False),
        ("- netspec: 1", False),
        ("", False),
        ("\n" * 20000, False),
        ("\x00\xff", False),
    ],
)
def test_specs_are_told_by_their_first_key(tmp_path: Path, text: str, is_one: bool) -> None:
    (tmp_path / "a.yaml").write_bytes(text.encode())
    found = find_specs(tmp_path)
    assert [path.name for path in (found.specs if is_one else found.others)] == ["a.yaml"]


def test_evaluate_tabulates_splits_and_holds_expectations(run: Run, api: SimpleNamespace) -> None:
    facts = {
        "splits": {
            "train": {"rows": 1437, "loss": 0.01, "metrics": {"accuracy": 1.0}},
            "test": {"rows": 360, "loss": None, "metrics": {"accuracy": 0.975}},
        },
        "expect": [{"what": "test accuracy", "expected": ">= 0.99", "actual": 0.975, "verdict": "BROKEN"}],
    }
    api.evaluate = lambda target, **options: SimpleNamespace(
        name="digits-0001", summary=lambda: facts, passed=not options["check"], expect=facts["expect"], held=()
    )
    done = run("evaluate", "@last")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:3] == [
        "split   rows        loss  accuracy",
        "train  1,437      0.0100    1.0000",
        "test     360  not finite    0.9750",
    ]
    assert ">= 0.99" in done.stdout
    assert run("evaluate", "@last", "--check").exit_code == 1
    assert json.loads(run("evaluate", "@last", "--json").stdout)["version"] == 1


def test_a_check_that_holds_nothing_says_so_in_json_too(run: Run, api: SimpleNamespace) -> None:
    api.evaluate = lambda target, **options: SimpleNamespace(
        name="digits-0001", summary=lambda: {"splits": {}}, passed=True, expect=(), held=()
    )
    facts = json.loads(run("evaluate", "@last", "--check", "--json").stdout)
    assert (facts["expect"], facts["passed"]) == ([], True)
    assert "passed" not in json.loads(run("evaluate", "@last", "--json").stdout)


def test_predict_prints_csv_or_json(run: Run, api: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n")
    rows = [{"class": 'a "b", c', "p": 0.9831768870353699}, {"class": "d", "p": float("nan")}]
    api.predict = lambda name, path, threads, resize: SimpleNamespace(run=Path(name), rows=rows)
    assert run("predict", "@last", "in.csv").stdout == 'class,p\n"a ""b"", c",0.983176887\nd,nan\n'
    facts = json.loads(run("predict", "@last", "in.csv", "--json").stdout)
    assert facts["predictions"] == [rows[0], {"class": "d", "p": None}]
    assert facts["not_finite"] == {"predictions.1.p": "nan"}
    assert run("predict", "@last", "none.csv").exit_code == 2


def test_predict_prints_a_line_for_each_step_of_sequences(run: Run, api: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "in.txt").touch()
    rows: list[dict[str, Any]] = [
        {"words": ["a", ","], "tags": ["O", "B-X"], "p": [0.5, 1.0]},
        {"words": ["b"], "tags": ["O"], "p": [1.0]},
    ]
    api.predict = lambda name, path, threads, resize: SimpleNamespace(run=Path(name), rows=rows)
    assert run("predict", "@last", "in.txt").stdout == 'row,words,tags,p\n1,a,O,0.5\n1,",",B-X,1\n2,b,O,1\n'
    rows[1]["p"] = [1.0, 2.0]  # what does not go by the same steps stays in one cell
    assert run("predict", "@last", "in.txt").stdout.splitlines()[2] == '"[""b""]","[""O""]","[1.0, 2.0]"'


def test_gradcheck_names_the_wrong_weight(run: Run, api: SimpleNamespace) -> None:
    rows = [
        SimpleNamespace(name="dense_1.kernel", shape=(2, 2), error=1.3e-7, passed=True),
        SimpleNamespace(name="dense_1.bias", shape=(2,), error=0.5, passed=False),
    ]
    result = SimpleNamespace(rows=rows, passed=False, limit=1e-4, summary=lambda: {"passed": False})
    api.gradcheck = lambda spec, overrides: result
    done = run("gradcheck", "digits.yaml")
    assert done.exit_code == 1
    assert "dense_1.bias    [2]     5.0e-01  WRONG" in done.stdout
    assert "1e-04" in done.stderr
    assert json.loads(run("gradcheck", "digits.yaml", "--json").stdout)["passed"] is False
