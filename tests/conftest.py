"""What all tests share: golden files, rewritten by ``pytest --update-golden``, and one folder of compiled kernels."""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Each run takes the same examples, so that what fails is due to the change at hand; another profile seeks new ones.
# How long an example takes is a matter of what else the machine does.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None)
settings.load_profile("same")

CHECKOUT = Path(__file__).parents[1]

# What decides the content of the cache; its own keys see a change of kernels, but not of how data are decoded.
CACHED = ("compiler/codegen", "compiler/formula", "compiler/kernels", "data")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Write golden files instead of comparing with them.")
    parser.addoption("--long", action="store_true", help="Run trainings of more than ten minutes, too.")


def pytest_configure(config: pytest.Config) -> None:
    """Let all tests, all workers and the programs that they start share one cache, apart from the user's own.

    It outlives the run, since kernels take longer to compile than most tests to run; tests of an empty cache make one.
    """
    digest = hashlib.sha256()
    for folder in CACHED:
        for path in sorted((CHECKOUT / "netspec" / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    os.environ["NETSPEC_CACHE_DIR"] = str(
        Path(tempfile.gettempdir()) / f"netspec-tests-{user}" / digest.hexdigest()[:16]
    )
    # Workers of pytest-xdist take the processors already; a pool of NumPy's own in each would only fight for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A shell starts what it puts into the background with SIGINT ignored, and children inherit that: tests of Ctrl-C
    # would wait for ever. A handler is not inherited, so children begin with the default.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without NETSPEC_DATA skip what reads real data, or fail in CI; fail where it names a folder that is not there.

    Without `--long` skip the longest trainings; what they came to stands in docs/results.md.
    """
    if item.get_closest_marker("long") and not item.config.getoption("--long"):
        pytest.skip("trains for more than ten minutes: --long")
    if item.get_closest_marker("data"):
        named = os.environ.get("NETSPEC_DATA")
        if not named and "CI" not in os.environ:
            pytest.skip("NETSPEC_DATA names no folder of real data")
        assert named, "NETSPEC_DATA is not set, and in CI the tests on real data must run"
        assert Path(named).is_dir(), f"NETSPEC_DATA is {named}, which is no folder"
