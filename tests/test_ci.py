"""What others build netspec into their checks with: the hook of pre-commit, the action, examples on `docs/ci.md`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

CHECKOUT = Path(__file__).parents[1]
PAGE = (CHECKOUT / "docs" / "ci.md").read_text("utf-8")

SOUND = "netspec: 1\nnetwork: {inputs: {x: [2]}, layers: [{dense: 1}]}\n"
FAULTY = "netspec: 1\nnetwork: {inputs: {x: [2]}, layers: [{dense: {unts: 1}}]}\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where `netspec` is this checkout, and git has nobody's settings."""
    scripts = tmp_path / "bin"
    scripts.mkdir()
    (scripts / "netspec").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netspec "$@"\n')
    (scripts / "netspec").chmod(0o755)
    who = {f"GIT_{role}_{what}": "test@test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "PRE_COMMIT")) and name != "CI"
    }
    path = os.pathsep.join([str(scripts), str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {
        "PATH": path,
        "PYTHONPATH": str(CHECKOUT),
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
        "HOME": str(tmp_path),
    }
    return {**kept, **who, **own, "GIT_CONFIG_NOSYSTEM": "1"}


def ran(
    words: list[str], folder: Path, environment: Mapping[str, str], code: int | None = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


def repository(folder: Path, environment: Mapping[str, str], files: Mapping[str, str]) -> None:
    """A repository whose first commit is ``files``."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    ran(["git", "init", "--quiet", "--initial-branch=main"], folder, environment)
    ran(["git", "add", "--all"], folder, environment)
    ran(["git", "commit", "--quiet", "--no-verify", "--message=first"], folder, environment)


# --- pre-commit ---


def test_the_hook_stops_a_commit_with_a_faulty_spec(tmp_path: Path, environment: dict[str, str]) -> None:
    """By the program itself; only that netspec is installed already, which would take minutes here, is changed."""
    hooks = (CHECKOUT / ".pre-commit-hooks.yaml").read_text("utf-8")
    (hook,) = yaml.safe_load(hooks)
    assert (hook["language"], hook["args"]) == ("python", ["."])
    repository(
        tmp_path / "hooks",
        environment,
        {".pre-commit-hooks.yaml": hooks.replace("language: python", "language: system")},
    )
    revision = ran(["git", "rev-parse", "HEAD"], tmp_path / "hooks", environment).stdout.strip()
    chosen = {"repos": [{"repo": str(tmp_path / "hooks"), "rev": revision, "hooks": [{"id": "netspec-validate"}]}]}
    files = {".pre-commit-config.yaml": json.dumps(chosen), "specs/a.yaml": SOUND, "compose.yaml": "services: {}\n"}
    user = tmp_path / "user"
    repository(user, environment, files)
    pre_commit = [sys.executable, "-m", "pre_commit"]
    ran([*pre_commit, "install"], user, environment)

    (user / "specs" / "b.yaml").write_text(FAULTY)
    ran(["git", "add", "."], user, environment)
    done = ran(["git", "commit", "-m", "faulty"], user, environment, code=1)
    column = FAULTY.splitlines()[1].index("unts") + 1
    assert f"specs/b.yaml:2:{column}: error[unknown-key]" in done.stdout + done.stderr
    (user / "specs" / "b.yaml").write_text(SOUND)
    ran(["git", "add", "."], user, environment)
    done = ran(["git", "commit", "-m", "sound"], user, environment)
    assert "netspec validate" in done.stdout + done.stderr


# --- the action ---


def the_action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "action.yml").read_text("utf-8"))
    return found


def run_action(
    inputs: Mapping[str, str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """The last step of the action, as GitHub's runner would start it."""
    action = the_action()
    values = {name: str(given.get("default", "")) for name, given in action["inputs"].items()} | dict(inputs)
    step = action["runs"]["steps"][-1]
    variables = {
        name: values[re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", text)[1]]  # type: ignore[index]
        for name, text in step["env"].items()
    }
    bash = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    return ran(bash, folder, {**environment, **variables}, code=None)


@pytest.mark.skipif(shutil.which("bash") is None, reason="GitHub's runners have bash")
def test_the_action_annotates_and_writes_files(tmp_path: Path, environment: dict[str, str]) -> None:
    there = tmp_path / "there"
    repository(there, environment, {"specs/my a.yaml": FAULTY, "other/b.yaml": SOUND, "other/c.yaml": "a: 1\n"})
    inputs = {"paths": "specs/\nother/b*.yaml\n", "sarif": "out.sarif", "junit": "out.xml"}
    done = run_action(inputs, there, environment)
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=specs/my a.yaml,line=2,")
    assert len(json.loads((there / "out.sarif").read_text())["runs"][0]["results"]) == 1
    assert ET.parse(there / "out.xml").getroot()[0].attrib["tests"] == "2"
    assert run_action({**inputs, "ignore": "unknown"}, there, environment).returncode == 0
    assert run_action({"paths": "other", "strict": "true"}, there, environment).returncode == 1
    assert run_action({"paths": "other", "select": "nonsense"}, there, environment).returncode == 2
    hostile = run_action({"paths": '"; touch broken; $(touch broken) `touch broken`'}, there, environment)
    assert hostile.returncode == 2
    assert not (there / "broken").exists()


def test_every_input_of_the_action_is_described() -> None:
    action = the_action()
    for name, given in action["inputs"].items():
        assert given["description"].endswith("."), name
        assert f"`{name}`" in PAGE or f"{name}: " in PAGE, name


# --- the examples ---


def examples(section: str) -> str:
    """The text of an example in a section of the page."""
    (here,) = (part for part in PAGE.split("\n## ") if part.startswith(f"{section}\n"))
    return here.partition("```text\n")[2].partition("```")[0]


@pytest.mark.parametrize(("section", "schema"), [("GitHub", "vendor.github-workflows"), ("GitLab", "vendor.gitlab-ci")])
def test_examples_are_valid(section: str, schema: str, tmp_path: Path) -> None:
    example = tmp_path / "example.yml"
    example.write_text(examples(section))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    ran([*check, schema, str(example)], tmp_path, os.environ)
    ran([*check, "vendor.github-actions", str(CHECKOUT / "action.yml")], tmp_path, os.environ)


def test_the_examples_use_what_there_is() -> None:
    (step,) = (s for s in yaml.safe_load(examples("GitHub"))["jobs"]["validate"]["steps"] if "netspec" in s["uses"])
    assert step["with"].keys() <= the_action()["inputs"].keys()
    (hook,) = yaml.safe_load(examples("pre-commit"))["repos"][0]["hooks"]
    assert hook["id"] == yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text("utf-8"))[0]["id"]
