"""What all tests share: golden files, rewritten by ``pytest --update-golden``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Write golden files instead of comparing with them.")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests of real data need the folder that NETSPEC_DATA names: without the name they skip, in CI they fail."""
    if item.get_closest_marker("data") is None:
        return
    named = os.environ.get("NETSPEC_DATA")
    if named is None and "CI" not in os.environ:
        pytest.skip("NETSPEC_DATA is not set")
    if named is None or not Path(named).is_dir():
        pytest.fail(f"NETSPEC_DATA has to name the folder of real data, got {named}", pytrace=False)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)``: hold ``text`` against ``golden/name`` beside the test."""

    def check(name: str, text: str) -> None:
        path = Path(request.path).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text

    return check
