"""The codes of diagnostics: those in the code are those in the list."""

from __future__ import annotations

import ast
from pathlib import Path

import netspec
from netspec.diagnostics import CODES

PACKAGE = Path(netspec.__file__).parent
CALLS = {"error", "warning", "Diagnostic", "data_error", "environment_fault", "_tell", "_stop"}


def written() -> set[str]:
    """Every text in the package that is a code, and the first argument of whatever makes diagnostics."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name == "diagnostics.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in CODES:
                found.add(node.value)
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in CALLS and isinstance(node.args[0].value, str) and "-" in node.args[0].value:
                    found.add(node.args[0].value)
    return found


def test_every_code_is_listed_and_used() -> None:
    assert written() == set(CODES)
