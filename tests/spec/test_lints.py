"""Lints: each finds what it is about and nothing else, and each can be turned off."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec import api
from netspec.diagnostics import CODES, WARNINGS, Diagnostic
from netspec.memory import Room
from netspec.spec.lints import LINTS, Lint, more_memory

NAMES = [lint.code for lint in LINTS]


@pytest.fixture(autouse=True)
def _small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 GB, whatever the test runs on."""
    monkeypatch.setattr(more_memory, "room", lambda: Room(1 << 36, "this machine has"))


def told(path: Path) -> list[Diagnostic]:
    (checked,) = api.validate([path])
    return list(checked.diagnostics)


def spec(folder: Path, text: str, name: str = "spec.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("lint", LINTS, ids=NAMES)
def test_bad_example_has_the_lint_alone_and_good_none(lint: Lint, tmp_path: Path) -> None:
    found = told(spec(tmp_path, lint.bad))
    assert [d.code for d in found] == [lint.code]
    assert found[0].span is not None
    assert found[0].severity == "warning"
    assert told(spec(tmp_path, lint.good)) == []


@pytest.mark.parametrize("lint", LINTS, ids=NAMES)
def test_every_way_to_turn_a_lint_off(lint: Lint, tmp_path: Path) -> None:
    (found,) = told(spec(tmp_path, lint.bad))
    assert found.span is not None
    assert told(spec(tmp_path, f"{lint.bad}lint: {{ignore: [{lint.code}]}}\n")) == []
    lines = lint.bad.splitlines()
    lines[found.span.line - 1] += f"  # netspec: ignore[{lint.code}]"
    assert told(spec(tmp_path, "\n".join(lines))) == []
    spec(tmp_path, f'[tool.netspec.lint]\nignore = ["{lint.code}"]\n', "pyproject.toml")
    assert told(spec(tmp_path, lint.bad, "deep/down/spec.yaml")) == []


def test_lints_are_documented() -> None:
    for lint in LINTS:
        assert CODES[lint.code] == lint.meaning
        assert lint.code in WARNINGS
        assert lint.why.endswith(".")


def test_settings_by_file(tmp_path: Path) -> None:
    lint = next(lint for lint in LINTS if lint.code == "no-seed")
    spec(tmp_path, '[lint.per-file-ignores]\n"drafts/*" = ["no-seed"]\n', "netspec.toml")
    assert told(spec(tmp_path, lint.bad, "drafts/a.yaml")) == []
    assert [d.code for d in told(spec(tmp_path, lint.bad, "a.yaml"))] == ["no-seed"]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("[lint\n", "1:6", "this is not TOML"),
        ('[lint]\nignored = ["no-seed"]\n', "2:1", "`lint` has no setting `ignored`"),
        ('[lint]\nignore = ["no-sed"]\n', "2:12", "there is no warning `no-sed`"),
        ('[lint]\nignore = "no-seed"\n', "2:1", "`ignore` takes a list"),
        ('[lint]\nignore = ["shape-mismatch"]\n', "2:12", "only warnings can be ignored"),
        ("[lints]\n", "1:2", "a project has no setting `lints`"),
    ],
)
def test_wrong_settings_are_told(text: str, place: str, message: str, tmp_path: Path) -> None:
    spec(tmp_path, text, "netspec.toml")
    (found,) = [d for d in told(spec(tmp_path, LINTS[0].good)) if d.code == "bad-config"]
    assert message in found.message
    assert str(found.span).endswith(f"netspec.toml:{place}")


def test_wrong_comment_is_told(tmp_path: Path) -> None:
    text = LINTS[0].good.replace("netspec: 1", "netspec: 1  # netspec: ignore[no-sed]", 1)
    text += "name: a   # netspec: ignore\n"
    found = told(spec(tmp_path, text))
    assert [(d.code, d.span.line, d.span.column) for d in found if d.span] == [
        ("unknown-code", 1, 13),
        ("unknown-code", text.count("\n"), 11),
    ]
    assert "no-seed" in found[0].helps[0]


def test_ignoring_an_error_changes_nothing(tmp_path: Path) -> None:
    text = "netspec: 1\nnetwork: {inputs: {x: [4]}, layers: [{dens: 3}]}  # netspec: ignore[unknown-kind]\n"
    assert "unknown-kind" in [d.code for d in told(spec(tmp_path, text))]


def test_lints_wait_for_a_spec_without_faults(tmp_path: Path) -> None:
    text = next(lint for lint in LINTS if lint.code == "no-seed").bad + "nmae: a\n"
    assert [d.code for d in told(spec(tmp_path, text))] == ["unknown-key"]


NETWORK = "netspec: 1\nnetwork:\n  inputs: {{x: [{0}]}}\n  layers: {1}\n"
TRAINED = """\
netspec: 1
data: {{source: {{sklearn: digits}}}}
network:
  inputs: {{image: [8, 8, 1]}}
  layers: [flatten, {0}, {{dense: 10}}]
loss: cross_entropy
optimizer: {{adam: {{lr: 1e-3}}}}
train: {{seed: 1}}
"""


@pytest.mark.parametrize(
    "text",
    [
        NETWORK.format(64, "[{dense: 8}, {dense: {units: 64, activation: relu}}]"),  # a code
        NETWORK.format(8, "[{dense: {units: 16, name: a}}, {dense: {units: 16, from: a}}, {add: [a, dense_2]}]"),
        NETWORK.format(8, "[{dense: 16}, relu, {dense: 4}]"),
        NETWORK.format(8, "[{dense: {units: 16, freeze: true}}, {dense: 4}]"),
        NETWORK.format(8, "[{dense: 16}, batch_norm, {dense: 4}]").replace(
            "dense: 16", "dense: {units: 16, bias: false}"
        ),
        TRAINED.format("{dense: {units: 16, activation: sigmoid, repeat: 3}}"),
        TRAINED.format("{dense: {units: 16, activation: tanh, repeat: 9}}"),
        TRAINED.format("{dense: {units: 16, activation: relu}}, {dropout: 0.5}"),
    ],
    ids=range(8),
)
def test_what_is_meant_is_left_in_peace(text: str, tmp_path: Path) -> None:
    assert told(spec(tmp_path, text)) == []


def test_definitions_of_included_files_serve_others(tmp_path: Path) -> None:
    spec(tmp_path, "vars: {n: 3}\nblocks: {two: {layers: [{dense: 2}]}}\n", "common.yaml")
    assert told(spec(tmp_path, "netspec: 1\ninclude: common.yaml\n" + LINTS[0].good.partition("\n")[2])) == []
