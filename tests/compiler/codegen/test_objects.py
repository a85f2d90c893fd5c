"""The object cache: what is compiled once, what is mended, what is refused."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from netspec.compiler.codegen import folder, objects
from netspec.compiler.kernels.contract import contract_kernel
from netspec.compiler.kernels.driver import driver_kernel
from netspec.compiler.kernels.kernel import Body, Kernel, Operand, Result
from netspec.compiler.kernels.processor import current

ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
ALLOWED = {"memcpy", "memset", "memmove", "sched_yield", "SwitchToThread", "usleep", "Sleep"}
builds: list[str] = []


def setter(value: int) -> Kernel:
    """A kernel that writes a constant."""

    def build() -> Callable[..., None]:
        builds.append(f"set {value}")

        def put(args, part, parts, thread):  # type: ignore[no-untyped-def]
            args[0] = value

        return put

    return Kernel("set", f"test: set {value}", build)


def value_of(kernel: Kernel) -> int:
    word = np.zeros(1, np.int64)
    ENTRY(objects.load([kernel])[kernel])(word.ctypes.data, 0, 1, 0)
    return int(word[0])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, as a new process would find it."""
    builds.clear()
    chosen = tmp_path / "cache"
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(chosen))
    monkeypatch.setattr(objects, "_loaded", {})
    folder._private_folder.cache_clear()
    yield chosen / "kernels"
    folder._private_folder.cache_clear()


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_loaded", {})


def test_a_kernel_is_compiled_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    one, two = setter(1), setter(2)
    addresses = objects.load([one, two, setter(1)], lambda done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (2, 2)]
    assert set(addresses) == {one, two}
    forget(monkeypatch)
    assert [value_of(one), value_of(two)] == [1, 2]
    assert builds == ["set 1", "set 2"]


def test_its_source_lies_beside_it(cache: Path) -> None:
    objects.load([setter(3)])
    (code,), (source,) = cache.glob("*.o"), cache.glob("*.ll")
    assert code.stem == source.stem
    assert source.read_text().startswith("; test: set 3\n")
    assert "define void @" in objects.llvm_text(setter(3))
    assert objects.symbol(setter(3)) in objects.assembly_text(setter(3))


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX")
def test_the_folder_is_private(cache: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    objects.load([setter(4)])
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["empty", "truncated", "changed", "foreign"])
def test_a_damaged_object_is_compiled_again(cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    objects.load([setter(5)])
    (path,) = cache.glob("*.o")
    sound = path.read_bytes()
    middle = len(sound) // 2
    path.write_bytes({
        "empty": b"",
        "truncated": sound[:middle],
        "changed": sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :],
        "foreign": b"something else",
    }[damage])  # fmt: skip
    forget(monkeypatch)
    assert value_of(setter(5)) == 5
    assert builds == ["set 5", "set 5"]
    assert path.read_bytes()[: len(objects.MAGIC)] == objects.MAGIC
    forget(monkeypatch)
    assert value_of(setter(5)) == 5
    assert len(builds) == 2


@pytest.mark.parametrize("content", [b"", b"; torn\ndefine void", b"\xff\xfe", b"define void @f() { ret void }\n"])
def test_a_damaged_text_is_written_again(cache: Path, content: bytes) -> None:
    objects.load([setter(12)])
    (path,) = cache.glob("*.ll")
    for damaged in (content, path.read_bytes()[:-90] + path.read_bytes()[-80:]):
        path.write_bytes(damaged)
        text = objects.llvm_text(setter(12))
        assert text.startswith("; test: set 12\n")
        assert f"define void @{objects.symbol(setter(12))}" in text
        path.write_bytes(damaged)
        assert objects.symbol(setter(12)) in objects.assembly_text(setter(12))


def test_a_folder_that_cannot_be_made_is_replaced_with_a_warning(cache: Path) -> None:
    cache.parent.write_text("a file stands where the folder should be")
    with pytest.warns(RuntimeWarning, match="NETSPEC_CACHE_DIR"):
        assert value_of(setter(6)) == 6
    assert value_of(setter(6)) == 6  # and no second warning


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners are POSIX")
def test_a_folder_of_another_user_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.warns(RuntimeWarning, match="another user"):
        assert value_of(setter(7)) == 7
    assert not list(cache.iterdir())


def test_a_full_disk_costs_only_the_next_compilation(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder.private_folder("kernels")
    monkeypatch.setattr(Path, "replace", full)
    assert value_of(setter(8)) == 8
    assert not list(cache.iterdir())


FILL = """
import sys, time
sys.path.insert(0, {here!r})
import test_objects as t
while time.time() < {start}: pass
print([t.value_of(t.setter(value)) for value in range(20, 25)], len(t.builds))
"""


def test_processes_may_fill_it_at_once(cache: Path) -> None:
    here = str(Path(__file__).parent)
    script = FILL.format(here=here, start=time.time() + 1.5)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    crowd = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in crowd]
    assert all(output.startswith("[20, 21, 22, 23, 24]") for output in outputs)
    assert len(list(cache.glob("*.o"))) == 5
    assert not [path for path in cache.iterdir() if path.suffix not in (".o", ".ll")]


WARM = """
import sys
sys.path.insert(0, {here!r})
import test_objects as t
t.builds.clear()
assert t.value_of(t.setter(9)) == 9
t.objects.load([t.product()])
print(t.builds, [name for name in ("numba", "scipy", "sklearn") if name in sys.modules])
"""


def product() -> Kernel:
    epilogue = Body("test: sum + extra", lambda builder, values, place: [builder.fadd(*values)])
    return contract_kernel(current().tile, (Operand(),), (Result(),), epilogue, False)


def test_a_warm_start_loads_no_compiler(cache: Path) -> None:
    objects.load([setter(9), product()])
    script = WARM.format(here=str(Path(__file__).parent))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"


def test_another_processor_is_another_object(monkeypatch: pytest.MonkeyPatch) -> None:
    here = objects.symbol(setter(1))
    monkeypatch.setenv("NETSPEC_CPU", "sse")
    assert objects.symbol(setter(1)) != here
    monkeypatch.setenv("NETSPEC_CPU", "abacus")
    with pytest.raises(ValueError, match="abacus"):
        objects.symbol(setter(1))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads ELF objects")
def test_objects_need_nothing_but_a_few_symbols() -> None:
    for kernel in (driver_kernel(), product(), setter(1)):
        assert objects.undefined_symbols(objects.object_code(kernel)) <= ALLOWED
    with pytest.raises(ValueError, match="ELF"):
        objects.undefined_symbols(b"not an object")


def test_temporary_folders_are_not_left_behind(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("")
    script = "import warnings; warnings.simplefilter('ignore')\n"
    script += "from netspec.compiler.codegen.folder import private_folder; print(private_folder('kernels'))"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NETSPEC_CACHE_DIR": str(tmp_path / "blocked"),
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).exists()
