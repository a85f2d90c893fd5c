"""What the tests of the data floor share: a cache of their own, and real data where NETSPEC_DATA names them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.diagnostics import NetspecError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def real_data() -> Path:
    """The folder of public data sets; a file that is missing in it fails the test, but no folder at all skips it."""
    if "NETSPEC_DATA" not in os.environ:
        pytest.skip("NETSPEC_DATA is not set")
    return Path(os.environ["NETSPEC_DATA"])


def fault(action: Callable[[], object]) -> tuple[str, str]:
    """Code and whole text of the fault that an action raises."""
    with pytest.raises(NetspecError) as raised:
        action()
    return raised.value.diagnostics[0].code, raised.value.render()


@pytest.fixture(name="fault")
def fault_fixture() -> Callable[[Callable[[], object]], tuple[str, str]]:
    return fault
