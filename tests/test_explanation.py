"""Every code is explained, with a spec that has the fault and no other, and one that has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.diagnostics import CODES
from netspec.explanation.codes import FOLDER, code_page
from netspec.spec.check import check
from netspec.spec.linting import diagnose
from netspec.spec.lints import LINTS

ERR = Path(__file__).parent / "specs" / "err"
SHOWN = [code for code in CODES if code_page(code).bad]


def found(text: str, folder: Path) -> set[str]:
    """The codes that a check of ``text`` gives, as a file of its own."""
    file = folder / "spec.yaml"
    file.write_text(text, encoding="utf-8")
    return {d.code for d in diagnose(check(file))}


def test_every_code_has_its_file_and_every_file_a_code() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(CODES) - {lint.code for lint in LINTS}


@pytest.mark.parametrize("code", SHOWN)
def test_the_bad_spec_has_this_fault_alone(code: str, tmp_path: Path) -> None:
    assert found(code_page(code).bad, tmp_path) == {code}


@pytest.mark.parametrize("code", SHOWN)
def test_the_good_spec_has_none(code: str, tmp_path: Path) -> None:
    assert found(code_page(code).good, tmp_path) == set()


def test_what_a_check_can_find_is_shown_by_a_spec() -> None:
    codes = {d.code for path in ERR.glob("*.yaml") for d in check(path).report.diagnostics}
    assert codes - {"not-utf8"} <= set(SHOWN)  # a page is UTF-8


@pytest.mark.parametrize("code", CODES)
def test_prose_says_more_than_the_list(code: str) -> None:
    page = code_page(code)
    assert len(page.prose) > len(page.meaning)
    assert "```" not in page.prose
