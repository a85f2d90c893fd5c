"""`netspec doctor`: the facts of this machine, and every obstacle with its way out and exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netspec import __version__, api
from netspec.cli.commands.doctor import describe
from netspec.compiler.kernels import processor

CHECKOUT = Path(__file__).parents[2]


def doctor(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("NETSPEC_")}
    known |= {"PYTHONPATH": str(CHECKOUT), "NETSPEC_CACHE_DIR": str(folder / "cache"), "NETSPEC_RUNS": str(folder)}
    command = [sys.executable, "-m", "netspec", "doctor", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**known, **environment}, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_facts_of_this_machine(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--quick", "--json", NETSPEC_DATA=str(tmp_path))
    assert done.returncode == 0
    facts = json.loads(done.stdout)
    assert facts["version"] == 1
    assert facts["works"] is True
    assert facts["versions"]["netspec"] == __version__
    assert facts["processor"]["level"] == processor.current().level
    assert set(facts["processor"]["features"]) == set(processor.vector_features())
    assert facts["processor"]["usable"] <= facts["processor"]["count"]
    assert facts["cache"]["folder"] == str(tmp_path / "cache" / "kernels")
    assert facts["cache"]["writable"] is True
    assert [data["folder"] for data in facts["data"]] == [str(tmp_path), str(tmp_path / "cache" / "data")]
    assert facts["runs"]["writable"] is True
    assert facts["problems"] == []
    assert "measured" not in facts


def test_limits_are_measured_and_kernels_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSPEC_RUNS", str(tmp_path))
    examined = api.doctor()
    assert examined.works
    for limit in ("flops", "memory"):
        assert all(1e8 < value < 1e15 for value in examined.facts["measured"][limit].values())
    assert examined.facts["cache"]["kernels"] > 0
    text = describe(examined.facts, 80)
    assert max(map(len, text.splitlines())) <= max(80, 12 + max(map(len, text.split())))
    assert "GFLOP/s with 1 thread" in text
    assert f"numpy {examined.facts['versions']['numpy']}" in text


@pytest.mark.parametrize(
    ("environment", "code", "words", "way_out"),
    [
        ({"NETSPEC_DATA": "nowhere"}, 4, "error[unusable-folder]: NETSPEC_DATA is nowhere", "unset it"),
        ({"NETSPEC_RUNS": "file/runs"}, 4, "error[unusable-folder]: no run can be written", "--out"),
        ({"NETSPEC_CACHE_DIR": "file/cache"}, 0, "warning[unusable-folder]: the cache folder", "NETSPEC_CACHE_DIR"),
        ({"NETSPEC_CPU": "sse"}, 0, "warning[slow-processor]: NETSPEC_CPU asks for `sse`", "unset NETSPEC_CPU"),
        ({"NETSPEC_CPU": "mmx"}, 4, "error[broken-compiler]: NETSPEC_CPU must be one of", "unset NETSPEC_CPU"),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else None,
)
@pytest.mark.skipif(processor.architecture() != "x86_64", reason="`sse` is for x86")
def test_what_stands_in_the_way(
    tmp_path: Path, environment: dict[str, str], code: int, words: str, way_out: str
) -> None:
    (tmp_path / "file").write_text("")
    done = doctor(tmp_path, "--quick", **environment)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert way_out in done.stderr
    assert done.stdout.startswith("netspec ")
    told: dict[str, Any] = json.loads(doctor(tmp_path, "--quick", "--json", **environment).stdout)
    assert told["works"] is (code == 0)
    assert f"{told['problems'][0]['severity']}[{told['problems'][0]['code']}]" in words
