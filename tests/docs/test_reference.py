"""The reference, which is made from the code: nothing of it is missing, and every example in it validates."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from netspec_docs import kinds, pages, sections

from netspec.catalog.activations import FormulaActivation
from netspec.declared import Declared
from netspec.diagnostics import CODES
from netspec.docstrings import read
from netspec.explanation.families import BY_NAME, COMPARISONS, FAMILIES, Family
from netspec.spec.document import KEYS

DOCS = Path(__file__).parents[2] / "docs"
KINDS = [pytest.param(family, kind, id=f"{family.name}-{kind.kind}") for family in FAMILIES for kind in family.kinds]


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_example_validates(family: Family, kind: type[Declared]) -> None:
    arounds = COMPARISONS.values() if family.name in ("loss", "metric") else [None]
    found = [family.checked(kind, around).report.diagnostics for around in arounds]
    assert any(not diagnostics for diagnostics in found), [d.message for diagnostics in found for d in diagnostics]


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_part_says_what_the_code_knows(family: Family, kind: type[Declared]) -> None:
    text = kinds.body(family, kind)
    for name, field in kind.model_fields.items():
        assert f"`{field.alias or name}`\n: *" in text
        assert str(field.description) in text
    assert "EXAMPLE" not in text
    assert re.search(r"\b(None|Ellipsis|typing)\b", text) is None, "a type of Python on a page for users"


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_docstring_is_whole(family: Family, kind: type[Declared]) -> None:
    told = read(kind)
    assert told.prose
    if family.name in ("loss", "optimizer"):
        assert "$" in told.prose, "it needs its formula"
        assert told.reference, "it needs its paper"
    if family.name == "activation":
        assert "$" in told.prose or issubclass(kind, FormulaActivation), "it needs its formula"
        assert told.reference, "it needs its paper"
    if family.name == "layer":
        assert "Shapes: " in told.prose
    if family.name == "source":
        assert told.example, "a source needs a whole spec as its example"


def raised(kind: type[Declared]) -> set[str]:
    """The codes of faults that the file of a source or field raises."""
    tree = ast.parse(Path(inspect.getfile(kind)).read_text(encoding="utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    named = (call.args[0] for call in calls if call.func.id in ("data_error", "environment_fault"))
    return {code.value for code in named if isinstance(code, ast.Constant)}


@pytest.mark.parametrize("kind", [*BY_NAME["source"].kinds, *BY_NAME["field"].kinds], ids=lambda kind: kind.kind)
def test_faults_of_the_data_are_told(kind: type[Declared]) -> None:
    told = set(read(kind).errors)
    assert told <= set(CODES)
    assert raised(kind) <= told


def test_sections_are_those_of_the_language() -> None:
    headings = re.findall(r"^## (\w+)$", sections.page(), re.MULTILINE)
    assert headings == list(KEYS)


def test_everything_generated_stands_on_a_page() -> None:
    marks = [
        mark
        for page in DOCS.glob("**/*.md")
        for mark in re.findall(r"^<!-- generated: (.*) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert sorted(marks) == sorted(pages.GENERATED)


def test_pages_of_sources_are_written_once(tmp_path: Path) -> None:
    pages.write_sources(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert [file.stem for file in sorted(before)] == [kind.kind for kind in pages.SOURCES.kinds]
    pages.write_sources(tmp_path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before
