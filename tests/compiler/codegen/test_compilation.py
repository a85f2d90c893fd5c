"""Kernels that several processes compile: the same code as from one, whatever becomes of the others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from netspec.compiler.codegen import compilation, folder, objects
from netspec.compiler.codegen.translation import translated
from netspec.compiler.kernels import processor
from netspec.compiler.kernels.kernel import Kernel


def setter(value: int) -> Kernel:
    """A kernel that writes a constant."""

    def build() -> Callable[..., None]:
        def put(args, part, parts, thread):  # type: ignore[no-untyped-def]
            args[0] = value

        return put

    return Kernel("set", f"test of compilation: set {value}", build)


TRANSLATED = lru_cache(translated)
KERNELS = {f"set_{value}": setter(value) for value in range(10)}


@pytest.fixture(autouse=True)
def _translated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba numbers what it translates, so two translations of one kernel differ by a name."""
    monkeypatch.setattr(compilation, "translated", TRANSLATED)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes that a compilation started, of which none may be left."""
    found: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def recorded(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        found.append(start(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(subprocess, "Popen", recorded)
    monkeypatch.setattr(processor, "processors", lambda: 3)
    yield found
    assert all(process.returncode is not None for process in found)


def alone(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What this process makes of the kernels by itself."""
    with monkeypatch.context() as patched:
        patched.setattr(processor, "processors", lambda: 1)
        return dict(compilation.compile_kernels(KERNELS))


def test_the_code_is_the_same_for_any_number_of_processes(
    started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = alone(monkeypatch)
    assert not started
    assert dict(compilation.compile_kernels(KERNELS)) == expected
    assert len(started) == 2


def test_the_others_do_take_part(started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = alone(monkeypatch)
    monkeypatch.setattr(Future, "cancel", lambda future: False)  # what was handed on stays with them
    monkeypatch.setattr(compilation, "machine_code", None)
    assert dict(compilation.compile_kernels(KERNELS)) == expected


@pytest.mark.parametrize("server", ["raise SystemExit", "import os; os.abort()", "print('no answer')"])
def test_what_another_process_fails_at_is_done_here(
    started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setattr(compilation, "SERVER", server)
    assert dict(compilation.compile_kernels(KERNELS)) == alone(monkeypatch)
    assert len(started) == 2


def test_no_other_process_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processor, "processors", lambda: 3)
    monkeypatch.setattr(subprocess, "Popen", refused)
    assert dict(compilation.compile_kernels(KERNELS)) == alone(monkeypatch)


def test_an_interrupted_compilation_leaves_no_process_and_keeps_what_is_ready(
    started: list[subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(objects, "_loaded", {})
    folder._private_folder.cache_clear()
    with pytest.raises(KeyboardInterrupt):
        objects.load(KERNELS.values(), interrupt)
    assert started
    assert len(list((tmp_path / "cache" / "kernels").glob("*.o"))) == 2
    folder._private_folder.cache_clear()


def test_what_lies_in_the_working_folder_is_not_imported(
    started: list[subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pickle", "llvmlite", "netspec"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert len(dict(compilation.compile_kernels(KERNELS))) == len(KERNELS)
    assert started
    assert not (tmp_path / "imported").exists()
