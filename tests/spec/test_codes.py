"""The codes of diagnostics: those in the code are those in the list."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import netspec
from netspec.diagnostics import CODES
from netspec.spec.lints import LINTS

PACKAGE = Path(netspec.__file__).parent
ERR = Path(__file__).parents[1] / "specs" / "err"
CALLS = {"error", "warning", "Diagnostic", "data_error", "environment_fault", "_tell", "_stop"}


def written(folder: Path = PACKAGE) -> set[str]:
    """Every text in a folder of the package that is a code, and the first argument of whatever makes diagnostics."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                path.name != "diagnostics.py"
                and isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value in CODES
            ):
                found.add(node.value)
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in CALLS and isinstance(node.args[0].value, str) and "-" in node.args[0].value:
                    found.add(node.args[0].value)
    return found


def test_every_code_is_listed_and_used() -> None:
    assert written() == set(CODES)


# What no file of a spec can show: it stands on the command line, depends on the machine, or is told by `fmt`.
ELSEWHERE = {"bad-override", "cannot-format", "out-of-memory"}


def test_every_code_of_checking_has_a_golden_file() -> None:
    """A bad spec among those of tests/specs/err shows each; lints have examples of their own."""
    goldens = "\n".join(path.read_text(encoding="utf-8") for path in ERR.rglob("*.out"))
    shown = set(re.findall(r" (?:error|warning)\[([a-z0-9-]+)\]:", goldens))
    codes = written(PACKAGE / "spec") - {lint.code for lint in LINTS} - ELSEWHERE
    assert codes - shown == set()
    assert len(list(ERR.rglob("*.yaml"))) >= 100
