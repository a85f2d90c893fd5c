"""Every fault is explained at its place, all of them at once: one bad spec and its golden output each."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.diagnostics import CODES, LINE_BREAK, Diagnostic, render
from netspec.spec.check import check
from netspec.spec.linting import diagnose

ERR = Path(__file__).parents[1] / "specs" / "err"
SPECS = sorted(path.relative_to(ERR).as_posix() for path in ERR.rglob("*.yaml"))


@pytest.mark.parametrize("name", SPECS)
def test_bad_spec_is_explained(name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(ERR)
    checked = check(Path(name))
    found, report = diagnose(checked), checked.report
    text = "\n".join(render(d, report.sources) for d in found)
    golden = ERR / Path(name).with_suffix(".out")
    if request.config.getoption("--update-golden"):
        golden.write_text(text, encoding="utf-8")
    assert found
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SPECS)
def test_every_place_lies_inside_its_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ERR)
    checked = check(Path(name))
    found, report = diagnose(checked), checked.report
    for d in found:
        assert d.span is not None
        lines = LINE_BREAK.split(report.sources[d.span.file])
        assert 1 <= d.span.line <= len(lines)
        assert 1 <= d.span.column <= len(lines[d.span.line - 1]) + 1


def test_undocumented_code_is_refused() -> None:
    with pytest.raises(ValueError, match="not documented"):
        Diagnostic("no-such-code", "a message")


def test_codes_are_kebab_case_and_explained() -> None:
    for code, meaning in CODES.items():
        assert code == code.lower().replace("_", "-")
        assert meaning.endswith(".")
