"""A stand-in for `netspec.api`, so that these tests see the command line alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

import netspec

Run = Callable[..., Result]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An empty api; a test gives it the functions that its command calls."""
    fake = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "netspec.api", fake)
    monkeypatch.setattr(netspec, "api", fake, raising=False)
    return fake


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `netspec` in an empty folder that holds one spec, `digits.yaml`."""
    from netspec.cli.main import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETSPEC_RUNS", str(tmp_path / "runs"))
    (tmp_path / "digits.yaml").write_text("netspec: 1\n")

    def invoke(*arguments: str | Path, input_: str | None = None) -> Result:
        words: Sequence[str] = [str(word) for word in arguments]
        return CliRunner().invoke(cli, words, input=input_, prog_name="netspec")

    return invoke
