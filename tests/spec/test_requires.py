"""`requires` holds the version of netspec to what a spec, and each file it includes, asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.diagnostics import Report
from netspec.spec.check import check
from netspec.spec.requires import check_requires
from netspec.spec.tree import Map
from netspec.spec.yaml import read_text


def faults(requires: str, version: str) -> list[str]:
    report = Report()
    tree = read_text(f"requires: {requires}\n", "a.yaml", report)
    assert isinstance(tree, Map)
    check_requires(tree, report, version)
    return [d.code for d in report.diagnostics]


@pytest.mark.parametrize(
    ("requires", "met", "unmet"),
    [
        ('">=1.2"', ["1.2", "1.2.0", "1.10", "2.0", "1.2.0.dev3"], ["1.1.9", "0.9"]),
        ('">= 1.2, < 2"', ["1.2", "1.99.1"], ["2.0", "2", "1.1"]),
        ('"==1.2"', ["1.2", "1.2.0"], ["1.2.1", "1.20"]),
        ('"!=1.2.3"', ["1.2.4"], ["1.2.3"]),
        ('">1,<=1.5"', ["1.5", "1.0.1"], ["1.0", "1.6"]),
    ],
)
def test_versions_are_compared_number_by_number(requires: str, met: list[str], unmet: list[str]) -> None:
    assert [faults(requires, version) for version in met] == [[]] * len(met)
    assert [faults(requires, version) for version in unmet] == [["unmet-requirement"]] * len(unmet)


@pytest.mark.parametrize("requires", ["1.2", '"1.2"', '">=1.x"', '">=1.2,"', "[1]", '"~=1.2"', '""', "{a: 1}", "true"])
def test_what_is_no_condition_is_told(requires: str) -> None:
    assert faults(requires, "1.2") == ["wrong-type"]


def test_every_file_that_is_included_is_held_to_its_own(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text('requires: ">=99"\ntrain: {epochs: 2}\n')
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        'netspec: 1\nrequires: ">=0.1"\ninclude: common.yaml\nnetwork: {inputs: {x: [2]}, layers: [{dense: 1}]}\n'
    )
    (found,) = check(spec).report.diagnostics
    assert found.code == "unmet-requirement"
    assert found.span is not None
    assert (Path(found.span.file).name, found.span.line) == ("common.yaml", 1)
    assert "netspec>=99" in found.helps[0]
