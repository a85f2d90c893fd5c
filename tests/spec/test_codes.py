"""The codes of diagnostics: those in the code are those in the list, and the page of the docs has them all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import netspec
from netspec.diagnostics import CODES

PACKAGE = Path(netspec.__file__).parent
PAGE = PACKAGE.parent / "docs" / "diagnostics.md"
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


def test_page_lists_every_code(request: pytest.FixtureRequest) -> None:
    rows = "".join(f"| `{code}` | {meaning} |\n" for code, meaning in sorted(CODES.items()))
    head = "# Diagnostics\n\nEvery fault that netspec tells carries one of these codes.\n\n"
    text = f"{head}| code | meaning |\n| --- | --- |\n{rows}"
    if request.config.getoption("--update-golden"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "run pytest with --update-golden"
