"""What memory there is: of the machine, of its container, of the limits of the process."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.diagnostics import EnvironmentFault
from netspec.memory import Room, amount, refuse_too_much, room, uncollected

CHECKOUT = Path(__file__).parents[1]
GB = 10**9
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux tells")


def write(root: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


@pytest.fixture
def system(tmp_path: Path) -> tuple[Path, Path]:
    """A machine with 8 GB free and 1 of swap; a process in no container."""
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    write(proc, {"meminfo": f"MemTotal: 99999999 kB\nMemAvailable: {8 * GB // 1024} kB\nSwapFree: {GB // 1024} kB"})
    return proc, groups


def test_a_machine_of_any_system_tells_something() -> None:
    found = room()
    assert found is None or found.bytes > 0


@linux
def test_free_memory_and_swap(system: tuple[Path, Path]) -> None:
    assert room(*system) == Room(9 * GB // 1024 * 1024, "this machine has")


@linux
def test_the_narrowest_of_nested_containers_counts(system: tuple[Path, Path]) -> None:
    proc, groups = system
    write(proc, {"self/cgroup": "0::/pod/job"})
    write(
        groups / "pod", {"memory.max": 6 * GB, "memory.current": 5 * GB, "memory.stat": f"anon 3\ninactive_file {GB}"}
    )
    write(groups / "pod" / "job", {"memory.max": "max", "memory.current": 5 * GB})
    assert room(proc, groups) == Room(2 * GB, "this container (its control group) has")
    write(groups, {"memory.max": 5 * GB, "memory.current": 5 * GB})
    found = room(proc, groups)
    assert found is not None
    assert found.bytes == 0


@linux
def test_containers_of_the_old_kind(system: tuple[Path, Path]) -> None:
    proc, groups = system
    write(proc, {"self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/ab:c\n0::/"})
    inner = groups / "memory" / "docker" / "ab:c"
    write(groups / "memory", {"memory.limit_in_bytes": 9223372036854771712, "memory.usage_in_bytes": 7})
    write(inner, {"memory.limit_in_bytes": 3 * GB, "memory.usage_in_bytes": GB, "memory.stat": "total_inactive_file 5"})
    assert room(proc, groups) == Room(2 * GB + 5, "this container (its control group) has")


@linux
def test_nothing_known_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf_names", {})
    assert room(tmp_path, tmp_path) is None
    monkeypatch.setattr("netspec.memory.room", lambda: None)
    refuse_too_much(10**30, "this")


LIMITED = """
import resource, sys
from netspec.memory import limits_of_process, room
kind = getattr(resource, sys.argv[1])
resource.setrlimit(kind, (10**9, 10**9))
print(room().bytes, room().granted)
print(*limits_of_process())
"""


@linux
@pytest.mark.parametrize(("kind", "option"), [("RLIMIT_AS", "-v"), ("RLIMIT_DATA", "-d")])
def test_limits_of_the_process(kind: str, option: str) -> None:
    command = [sys.executable, "-c", LIMITED, kind]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    room_of, limits = done.stdout.splitlines()
    left, _, granted = room_of.partition(" ")
    assert limits == f"`ulimit {option}` limits this process to 1.0 GB"
    assert 0.5 * GB < int(left) < GB
    assert granted == f"this process (by `ulimit {option}`) has"


def test_too_much_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.memory.room", lambda: Room(3 * GB, "this machine has"))
    refuse_too_much(3 * GB, "it")
    with pytest.raises(
        EnvironmentFault, match=r"^it needs 4\.0 GB of memory, and this machine has 3\.0 GB left$"
    ) as raised:
        refuse_too_much(4 * GB, "it", notes=("why",), helps=("what to do",))
    assert raised.value.exit_code == 4
    assert raised.value.render().endswith("= note: why\n   = help: what to do\n")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (28 * 10**12, "28.0 TB"),
        (10**18, "1,000,000.0 TB"),
    ],
)
def test_amounts(count: int, text: str) -> None:
    assert amount(count) == text


@pytest.mark.parametrize("enabled", [True, False])
def test_collection_is_afterwards_what_it_was(enabled: bool) -> None:
    @uncollected()
    def fails() -> None:
        assert not gc.isenabled()
        raise RuntimeError("a pass fails")

    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(RuntimeError, match="a pass fails"):
            fails()
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
