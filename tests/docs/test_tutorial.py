"""The tutorial's commands are run, page by page, and print what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What differs from machine to machine and from run to run; a page says `...` in its place.
VARIES = (
    (re.compile(r" [\d.,]+ (?:[kMG] )?samples/s"), " ... samples/s"),
    (re.compile(r", [\d.,]+ (?:s|min)\)"), ", ... s)"),
    (re.compile(r"[\d.,]+ [kMG]?B of memory"), "... MB of memory"),
    (re.compile(r", \d+ threads?"), ", ... threads"),
)
ONCE = re.compile(r"^compiling \d+ kernels?, first time only$")


@dataclass(frozen=True)
class Command:
    """A command of a session, and the lines that the page shows of its output; one may be `...`."""

    line: str
    shown: list[str]

    def agrees(self, lines: list[str]) -> bool:
        """Whether it printed ``lines``, as far as the page shows them."""
        return self.renewed(lines) == self.shown

    def renewed(self, lines: list[str]) -> list[str]:
        """As much of ``lines`` as the page shows."""
        printed = steady(lines)
        if "..." not in self.shown:
            return printed
        before = self.shown.index("...")
        after = len(self.shown) - before - 1
        return [*printed[:before], "...", *printed[max(len(printed) - after, before) :]]


def steady(lines: list[str]) -> list[str]:
    """Lines with what is the same everywhere."""
    kept = []
    for line in lines:
        if not ONCE.match(line):
            for pattern, put in VARIES:
                line = pattern.sub(put, line)  # noqa: PLW2901  one pattern after the other
            kept.append(line.rstrip())
    return kept


def commands(session: str) -> list[Command]:
    found: list[Command] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], []))
        else:
            found[-1].shown.append(line)
    return found


def shell(command: str, folder: Path) -> list[str]:
    """What a command prints, to both streams, in the order of time."""
    environment = {name: value for name, value in os.environ.items() if name != "NETSPEC_RUNS"}
    environment |= {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, text=True, encoding="utf-8", timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return [line.rstrip() for line in done.stdout.splitlines()]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the specs and the program of this checkout, and no runs."""
    (tmp_path / "specs").symlink_to(ROOT / "specs", target_is_directory=True)
    program = tmp_path / "bin" / "netspec"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netspec "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


def marked(page: Path) -> object:
    return pytest.param(page, id=page.stem, marks=[pytest.mark.data, pytest.mark.slow] * (page.stem == "mnist"))


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_commands_print_what_the_page_shows(page: Path, checkout: Path, request: pytest.FixtureRequest) -> None:
    text = page.read_text(encoding="utf-8")
    sessions = [(found[1], commands(found[1])) for found in SESSION.finditer(text)]
    assert sessions, "a page of the tutorial is tried out"
    for session, steps in sessions:
        printed = [shell(step.line, checkout) for step in steps]
        if request.config.getoption("--update-golden") and not all(map(Command.agrees, steps, printed)):
            pairs = zip(steps, printed, strict=True)
            renewed = [line for step, lines in pairs for line in (f"$ {step.line}", *step.renewed(lines))]
            text = text.replace(session, "\n".join([*renewed, ""]))
            page.write_text(text, encoding="utf-8")
            continue
        for step, lines in zip(steps, printed, strict=True):
            assert step.agrees(lines), f"`{step.line}` printed\n" + "\n".join(lines)


SCRIPTS = [
    pytest.param(found[1], id=page.stem)
    for page in PAGES
    for found in PYTHON.finditer(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_python_runs(script: str, checkout: Path) -> None:
    (checkout / "script.py").write_text(script, encoding="utf-8")
    assert shell(f'"{sys.executable}" script.py && echo ran', checkout)[-1] == "ran"
