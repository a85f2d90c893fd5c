"""The pages say what is so: every spec on them validates, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netspec.data.source import Source
from netspec.spec.check import check

ROOT = Path(__file__).parents[2]
WRITTEN = (page for page in (ROOT / "docs").glob("**/*.md") if page.parent.name != "sources" or page.stem == "index")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *WRITTEN])
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/-]+\.yaml)\n")
LINK = re.compile(r"\]\(([^)#:]+)\)")
GENERATED = {ROOT / "docs" / "sources" / f"{kind}.md" for kind in Source.kinds}
"""Pages that lie there only once the site has been built."""


def blocks(page: Path) -> list[tuple[int, str]]:
    """The specs on a page, each with its line."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start()) + 2, found[1]) for found in BLOCK.finditer(text)]


CASES = [
    pytest.param(page, line, text, id=f"{page.relative_to(ROOT)}:{line}")
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve()
        assert path.exists() or path in GENERATED, target


def test_readme_shows_the_spec_that_its_first_command_trains() -> None:
    shown = [text for _, text in blocks(ROOT / "README.md")]
    assert (ROOT / "specs" / "digits.yaml").read_text(encoding="utf-8") in shown
