"""Run folders: numbers that are never shared, names that are found, one training at a time."""

from __future__ import annotations

import errno
import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.diagnostics import EnvironmentFault
from netspec.runs.folder import RunChoiceError, all_runs, create_run, find_run
from netspec.runs.machine import machine_facts
from netspec.runs.platform import WINDOWS, catch_interrupts
from netspec.runs.run import Run

CHECKOUT = Path(__file__).parents[2]  # where a checkout that is not installed can be imported
PROCESSES = 8
RUNS_EACH = 5


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETSPEC_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def make(name: str, started: str = "") -> Run:
    run = create_run(name)
    run.write_record(status="finished")
    if started:
        run.update(started=started)
    return run


def _create_some(name: str) -> list[str]:
    return [create_run(name).name for _ in range(RUNS_EACH)]


def test_eight_processes_never_share_a_number(root: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        names = [name for made in pool.map(_create_some, ["digits"] * PROCESSES) for name in made]
    assert sorted(names) == [f"digits-{n:04d}" for n in range(1, PROCESSES * RUNS_EACH + 1)]


def test_numbers_go_on_after_the_highest_and_past_9999(root: Path) -> None:
    (root / "digits-0007").mkdir(parents=True)
    (root / "digits-mlp-0050").mkdir()
    assert create_run("digits").name == "digits-0008"
    (root / "digits-9999").mkdir()
    assert create_run("digits").name == "digits-10000"
    assert create_run("digits").name == "digits-10001"


def test_out_is_the_folder_itself(tmp_path: Path) -> None:
    assert create_run("x", tmp_path / "deep" / "new").path == tmp_path / "deep" / "new"
    assert create_run("x", tmp_path / "deep" / "new").path.is_dir()  # still empty
    (tmp_path / "deep" / "new" / "run.json").write_text("{}")
    with pytest.raises(RunChoiceError, match="not empty") as raised:
        create_run("x", tmp_path / "deep" / "new")
    assert raised.value.exit_code == 2
    assert "--resume" in raised.value.render()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunChoiceError, match="no folder"):
        create_run("x", tmp_path / "file")


def test_runs_cannot_lie_in_a_file(root: Path) -> None:
    root.write_text("")
    with pytest.raises(EnvironmentFault) as raised:
        create_run("x")
    assert "a file stands where a folder is to be" in raised.value.render()


def test_a_run_on_a_read_only_disk_goes_on_as_a_copy(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run("x")

    def refuse(path: Path, *_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("netspec.runs.run.os.open", refuse)
    with pytest.raises(EnvironmentFault) as raised, run.lock():
        raise AssertionError("never locked")
    assert "choose a folder you may write to for a copy of the run" in raised.value.render()
    assert "--out" not in raised.value.render()


def test_a_run_is_found_by_path_name_and_newest(root: Path, tmp_path: Path) -> None:
    first = make("digits", "2026-01-01T00:00:00Z")
    second = make("digits", "2026-01-02T00:00:00Z")
    other = make("xor", "2026-01-01T12:00:00Z")
    assert find_run("digits-0001") == first
    assert find_run(str(first.path)) == first
    assert find_run("digits").path == second.path
    assert find_run("@last").path == other.path
    assert find_run("xor").path == other.path
    assert [run.name for run in all_runs()] == ["digits-0001", "digits-0002", "xor-0001"]


@pytest.mark.parametrize("content", [None, b"", b"gone-0001", b"..", b"\xff\0", b"/", b"digits-0001/../xor-0001"])
def test_a_clock_that_jumps_back_does_not_make_an_old_run_the_last(root: Path, content: bytes | None) -> None:
    make("digits", "2026-01-02T00:00:00Z")
    last = make("xor", "1970-01-01T00:00:00Z")
    assert find_run("@last").path == last.path
    # Only without the file that tells, or with a damaged one, times have to.
    (root / ".newest").unlink()
    if content is not None:
        (root / ".newest").write_bytes(content)
    assert find_run("@last").name == "digits-0001"


def test_a_number_without_a_record_is_no_run(root: Path) -> None:
    run = make("digits")
    create_run("digits")
    assert find_run("digits").path == run.path


def test_an_unknown_run_gets_the_nearest(root: Path) -> None:
    with pytest.raises(RunChoiceError, match="no run") as raised:
        find_run("@last")
    assert "netspec train" in raised.value.render()
    make("digits")
    for wrong, right in (("digit-0001", "digits-0001"), ("dgits", "digits"), ("last", "@last")):
        with pytest.raises(RunChoiceError) as raised:
            find_run(wrong)
        assert f"did you mean `{right}`" in raised.value.render()
    with pytest.raises(RunChoiceError, match=r"run\.json"):
        find_run(str(root))
    with pytest.raises(RunChoiceError):
        find_run("../runs/digits")


def test_a_damaged_record_hides_no_other_run() -> None:
    damaged, whole = make("a"), make("b")
    damaged.record.write_text("{")
    assert find_run("@last").path == whole.path


HOLD = """
import sys, time
from pathlib import Path
from netspec.runs.run import Run
with Run(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_trains_a_run_and_a_killed_one_frees_it() -> None:
    run = make("digits")
    run.update(status="training")
    assert run.status() == "killed"
    program = [sys.executable, "-c", HOLD, str(run.path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, cwd=CHECKOUT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        assert run.locked()
        assert run.status() == "training"
        with pytest.raises(EnvironmentFault) as raised, run.lock():
            pass
        assert raised.value.diagnostics[0].code == "run-busy"
        assert str(holder.pid) in raised.value.render() or WINDOWS
        holder.kill()
        holder.wait()
    assert run.status() == "killed"
    with run.lock():
        assert run.locked()
    assert not run.locked()


def test_a_lock_removes_what_a_killed_writer_left() -> None:
    run = make("digits")
    (run.path / ".state.safetensors.1-1.tmp").write_text("half")
    with run.lock():
        assert not list(run.path.glob(".*.tmp"))


def test_records_are_updated_whole() -> None:
    run = create_run("digits")
    run.write_record(status="training", seed=0, arguments=["train", "x.yaml"])
    run.update(status="finished")
    record = run.read_record()
    assert record["version"] == 1
    assert (record["run"], record["status"], record["seed"]) == ("digits-0001", "finished", 0)
    assert record["started"].endswith("Z")


def test_a_record_can_say_on_what_machine() -> None:
    facts = machine_facts()
    assert facts["processor"]["name"]
    assert {"netspec", "python", "numpy", "numba"} <= facts["versions"].keys()


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["deep/specs/digits.yaml"], ["digits.yaml"]),
        (["specs/a.yaml", "specs/parts/b.yaml"], ["a.yaml", "parts/b.yaml"]),
        (["specs/a.yaml", "specs/../common/a.yaml"], ["specs/a.yaml", "common/a.yaml"]),
        (["/etc/a.yaml", "/usr/b.yaml"], ["etc/a.yaml", "usr/b.yaml"]),
        (["<text>", "--set"], ["spec.yaml"]),
    ],
)
def test_sources_lie_as_they_did_below_their_common_folder(names: list[str], kept: list[str]) -> None:
    run = create_run("digits")
    run.keep_source({name: f"{name}\r\n" for name in names})
    found = {path.relative_to(run.source).as_posix(): path for path in run.source.rglob("*") if path.is_file()}
    assert {name: path.read_bytes().decode() for name, path in found.items()} == {
        place: f"{name}\r\n" for name, place in zip(names, kept, strict=False)
    }


@pytest.mark.skipif(WINDOWS, reason="signals are sent in another way there")
def test_the_first_interrupt_is_noted_and_the_second_raises() -> None:
    with catch_interrupts() as interrupt:
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.skipif(WINDOWS, reason="there is no hang-up there")
def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_interrupts() as interrupt:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupt.requested
    finally:
        signal.signal(signal.SIGHUP, before)
