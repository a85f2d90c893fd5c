"""How fast commands start, told without a clock: by what they import and what they compile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
SPECS = CHECKOUT / "specs"

HEAVY = {"numpy", "numba", "llvmlite", "scipy", "sklearn", "safetensors", "rich", "pandas", "pooch", "torch", "PIL"}
# What a training whose kernels are compiled already has no use for.
COMPILERS = {"numba", "scipy", "sklearn", "pandas", "torch", "rich"}

PROGRAM = """
import atexit, json, pathlib, sys
from netspec.cli.main import main
sys.argv = ["netspec", *sys.argv[2:]]
atexit.register(lambda: pathlib.Path({out!r}).write_text(json.dumps(sorted(sys.modules))))
main()
"""

PERCEPTRON = """\
netspec: 1
data: {{source: {{random: {{rows: 96, fields: {{x: [{width}], y: [1]}}}}}}}}
network:
  inputs: {{x: [{width}]}}
  layers:
    - dense: {{units: {units}, activation: relu}}
    - dense: 1
loss: {{mse: {{target: y}}}}
optimizer: {{adam: {{lr: {lr}}}}}
train: {{epochs: 2, batch: {batch}}}
"""


def modules(tmp_path: Path, *arguments: str | Path, cache: Path | None = None) -> set[str]:
    """The modules that a command has imported when it ends."""
    out = tmp_path / "modules.json"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "NETSPEC_RUNS": str(tmp_path / "runs")}
    if cache is not None:
        environment["NETSPEC_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(out=str(out)), "netspec", *map(str, arguments)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(out.read_text())}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--help",),
        ("--version",),
        ("train", "--help"),
        ("schema",),
        ("validate", SPECS),
        ("validate", SPECS / "xor.yaml"),
    ],
    ids=lambda words: " ".join(Path(word).name for word in words) or "bare",
)
def test_small_commands_import_nothing_heavy(arguments: tuple[str | Path, ...], tmp_path: Path) -> None:
    assert not modules(tmp_path, *arguments) & HEAVY


def perceptron(folder: Path, name: str, **sizes: float) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(PERCEPTRON.format(**sizes))
    return path


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, a run of it, rows to predict for, and a cache of its own that one use of each filled."""
    folder = tmp_path_factory.mktemp("warm")
    spec = perceptron(folder, "first", width=2, units=64, lr=1e-3, batch=32)
    (folder / "rows.csv").write_text("x.0,x.1\n0,1\n")
    assert "numba" in modules(folder, "train", spec, cache=folder / "cache")
    modules(folder, "evaluate", "@last", cache=folder / "cache")
    modules(folder, "predict", "@last", "rows.csv", cache=folder / "cache")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [("train", "first.yaml"), ("evaluate", "@last"), ("predict", "@last", "rows.csv")],
    ids=lambda words: words[0],
)
def test_warm_commands_import_no_compiler(arguments: tuple[str, ...], warm: Path) -> None:
    assert not modules(warm, *arguments, cache=warm / "cache") & COMPILERS


def test_another_perceptron_compiles_no_kernel(warm: Path) -> None:
    """Kernels do not depend on sizes, so a spec never seen before finds all of its own compiled."""
    compiled = {path.name: path.stat().st_mtime_ns for path in (warm / "cache").rglob("*.o")}
    assert len(compiled) > 3
    second = perceptron(warm, "second", width=50, units=96, lr=3e-2, batch=16)
    assert not modules(warm, "train", second, cache=warm / "cache") & COMPILERS
    assert {path.name: path.stat().st_mtime_ns for path in (warm / "cache").rglob("*.o")} == compiled


@pytest.mark.slow
@pytest.mark.data
def test_another_network_for_mnist_compiles_no_kernel(tmp_path: Path) -> None:
    cache, spec = tmp_path / "cache", SPECS / "mnist" / "mlp.yaml"
    modules(tmp_path, "train", spec, "--steps", "2", cache=cache)
    compiled = {path.name for path in cache.rglob("*.o")}
    text = spec.read_text().replace("units: 256", "units: 320").replace("units: 128", "units: 64")
    (tmp_path / "other.yaml").write_text(text.replace("235146", "272394"))
    assert not modules(tmp_path, "train", tmp_path / "other.yaml", "--steps", "2", cache=cache) & COMPILERS
    assert {path.name for path in cache.rglob("*.o")} == compiled
