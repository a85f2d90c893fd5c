"""The pages say what is so: every spec on them validates, every command on them exists."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from netspec.catalog.activations import Activation
from netspec.catalog.initializers import Initializer
from netspec.catalog.layers import Layer
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Metric
from netspec.catalog.optimizers import Optimizer
from netspec.catalog.schedules import Schedule
from netspec.data.field import Field
from netspec.data.source import Source
from netspec.declared import Declared
from netspec.spec.check import check

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/-]+\.yaml)\n")
LINK = re.compile(r"\]\(([^)#:]+)\)")

FAMILIES: dict[str, type[Declared]] = {
    "Layers": Layer,
    "Activations": Activation,
    "Losses": Loss,
    "Metrics": Metric,
    "Optimizers": Optimizer,
    "Schedules": Schedule,
    "Initializers": Initializer,
    "Sources of data": Source,
    "Fields of data": Field,
}


def blocks(page: Path) -> list[tuple[int, str]]:
    """The specs on a page, each with its line."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start()) + 2, found[1]) for found in BLOCK.finditer(text)]


CASES = [
    pytest.param(page, line, text, id=f"{page.name}:{line}")
    for page in PAGES
    for line, text in blocks(page)
    if not FILE.match(text)
]


@pytest.mark.parametrize(("page", "line", "text"), CASES)
def test_spec_validates(page: Path, line: int, text: str, tmp_path: Path) -> None:
    for _, other in blocks(page):
        if named := FILE.match(other):
            file = tmp_path / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(other, encoding="utf-8")
    spec = tmp_path / "spec.yaml"
    spec.write_text(text, encoding="utf-8")
    found = check(spec).report.diagnostics
    assert not found, [f"{page.name}, {line - 1} lines further: {d.message} {d.span}" for d in found]


def test_language_shows_many_specs() -> None:
    assert len(blocks(ROOT / "docs" / "language.md")) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_readme_shows_the_spec_that_its_first_command_trains() -> None:
    shown = [text for _, text in blocks(ROOT / "README.md")]
    assert (ROOT / "specs" / "digits.yaml").read_text(encoding="utf-8") in shown


def described(kind: type[Declared]) -> str:
    """One kind as its class documents it."""
    lines = [f"### {kind.kind}", "", inspect.cleandoc(kind.__doc__ or ""), ""]
    for name, field in kind.model_fields.items():
        known = field.get_default(call_default_factory=True)
        shown = "none" if known in (None, ()) else json.dumps(known, default=str)
        default = "required" if field.is_required() else f"default {shown}"
        main = ", the main field" if name == kind.main_field() else ""
        lines.append(f"- `{field.alias or name}` ({default}{main}): {field.description}")
    return "\n".join([*lines, ""] if kind.model_fields else lines)


def test_page_describes_every_kind(request: pytest.FixtureRequest) -> None:
    head = "# Kinds\n\nAll that a spec can name, from the documentation in the code: each kind with its fields.\n"
    parts = [head]
    for title, family in FAMILIES.items():
        parts += [f"## {title}\n", *(described(kind) for _, kind in sorted(family.kinds.items()))]
    text, page = "\n".join(parts), ROOT / "docs" / "kinds.md"
    if request.config.getoption("--update-golden"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text, "run `pytest --update-golden tests/docs`"
