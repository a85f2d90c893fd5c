"""Every format computes what the compiled network computes, reads raw rows, and is kept only if it is right."""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from netspec import api
from netspec.catalog.activations import Activation
from netspec.cli.main import cli
from netspec.compiler.ops.contract import Contract
from netspec.diagnostics import ChoiceError, NetspecError
from netspec.export.formats import FORMATS
from netspec.export.formats.numpy import Numpy
from netspec.export.python import forward
from netspec.runs.tensors import load_tensors

CHECKOUT = Path(__file__).parents[2]
GALLERY = [entry for entry in api.gallery() if entry.trains]
ODD = sorted((CHECKOUT / "tests" / "train" / "specs").glob("*.yaml"))

FIELDS = """\
netspec: 1
name: fields
data:
  source: {csv: {path: rows.csv, delimiter: ";", missing: ["?"]}}
  standardize: true
  fields:
    x: {number: {of: [a, "log(b) * a", "sin(b) + b * a * a"], missing: median}}
    l: {number: {of: b, log: true, min_max: true}}
    d: {date: {of: when, parts: [days, year, month, day, weekday, hour, year_cycle, week_cycle, day_cycle]}}
    k: {one_hot: {of: kind, missing: zeros, unseen: zeros}}
    m: {one_hot: {of: count, missing: most_frequent}}
    answer: {category: answer}
network:
  inputs: {x: [3], l: [1], d: [12], k: [3], m: [3]}
  layers:
    - concat: {from: [x, l, d, k, m]}
    - dense: {units: 5, activation: tanh}
    - dense: {units: 1, name: out}
loss: {binary_cross_entropy: {target: answer}}
optimizer: {adam: {lr: 1e-2}}
train: {epochs: 2, batch: 16}
"""

ACTIVATED = """\
netspec: 1
name: activated
data: {{source: {{random: {{rows: 40, fields: {{x: [3], y: [4]}}}}}}}}
network:
  inputs: {{x: [3]}}
  layers:
    - dense: {{units: 6, activation: {kind}}}
    - affine: {{per: element, activation: {kind}}}
    - dense: {{units: 4, name: out}}
loss: {{mse: {{target: y}}}}
optimizer: {{sgd: {{lr: 1e-3}}}}
train: {{epochs: 1, batch: 8}}
"""


WINDOWS = """\
netspec: 1
name: windows
data: {source: {sklearn: digits}, split: {test: 0.2}}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - conv2d: {filters: 4, kernel: [3, 2], padding: same, activation: relu}
    - conv2d: {filters: 6, kernel: 2, dilation: 2, groups: 2, padding: [[0, 1], [2, 0]]}
    - max_pool2d: {size: 3, stride: 2, padding: same}
    - conv2d: {filters: 3, kernel: 2, stride: 2, connections: [[0, 1], [2, 3, 5], [4]]}
    - avg_pool2d: {size: 2, stride: 1, padding: 1}
    - flatten
    - dense: {units: 10, name: logits}
loss: cross_entropy
optimizer: {adam: {lr: 2e-3}}
train: {epochs: 1, batch: 32}
"""


PLACES = """\
netspec: 1
name: places
data: {source: {sklearn: digits}, split: {test: 0.2}}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - zero_pad: [1, [0, 2]]
    - conv2d_transpose: {filters: 4, kernel: 3, stride: 2, padding: 1, output_padding: [1, 0]}
    - depthwise_conv2d: {kernel: 3, multiplier: 2, stride: 2, activation: tanh, name: taps}
    - conv2d_transpose: {filters: 4, kernel: 2, groups: 4, dilation: 2}
    - upsample2d: [2, 1]
    - upsample2d: {scale: [1, 3], method: linear}
    - adaptive_max_pool2d: [7, 6]
    - adaptive_avg_pool2d: [4, 5]
    - crop: {space: [0, [1, 0]], channels: [0, 1]}
    - space_to_depth: 2
    - local2d: {filters: 4, kernel: [2, 1], padding: [[0, 1], [0, 0]]}
    - depth_to_space: 2
    - spatial_dropout: 0.1
    - drop_path: 0.1
    - global_max_pool2d
    - rbf: {units: 10, name: logits}
loss: cross_entropy
optimizer: {adam: {lr: 2e-3}}
train: {epochs: 1, batch: 32}
"""


def write_rows(path: Path) -> None:
    """Sixty rows with empty cells, quotes and delimiters inside cells, and classes that are numbers."""
    draw = random.Random(1)
    kinds = ["red", "blue; or so", 'g"reen']
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["a", "b", "when", "kind", "count", "answer"])
        for i in range(60):
            a = "?" if i % 9 == 4 else f"{draw.gauss(0, 1):.4f}"
            when = datetime(2020, 1, 1) + timedelta(hours=i * 317.7)
            kind = kinds[i % 3] if i % 7 else ""
            writer.writerow([a, f"{draw.random() + 0.5:.3f}", when, kind, ["1", "2.0", "3.5", ""][i % 4], "yn"[i % 2]])


def trained(spec: Path, folder: Path, *overrides: str) -> Path:
    return api.train(spec, out=folder / "run", overrides=overrides, steps=40).run


def difference(exported: Any) -> float:
    return float(max(exported.random[1], (exported.real or exported.random)[1]))


@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name.replace("/", "-"))
def test_the_gallery_is_exported_to_every_format(entry: Any, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(entry.text)
    if re.search(r": \[[A-Z]\]", entry.text):
        run = trained(tmp_path / "spec.yaml", tmp_path)
        with pytest.raises(NetspecError, match="no format writes networks of samples that differ in length"):
            api.export(run, list(FORMATS), tmp_path / "out")
        return
    done = api.export(trained(tmp_path / "spec.yaml", tmp_path), list(FORMATS), tmp_path / "out")
    assert [one.format for one in done] == list(FORMATS)
    for one in done:
        assert one.real is not None
        assert difference(one) < 1e-4
        assert all(path.parent == tmp_path for path in one.files)


@pytest.mark.parametrize("spec", ODD, ids=lambda path: path.stem)
def test_odd_networks_are_exported_to_every_format(spec: Path, tmp_path: Path) -> None:
    run = trained(spec, tmp_path)
    if "[T]" in spec.read_text():
        with pytest.raises(NetspecError, match="no format writes networks of samples that differ in length"):
            api.export(run, list(FORMATS), tmp_path)
        return
    for one in api.export(run, list(FORMATS), tmp_path):
        assert difference(one) < 1e-4


@pytest.mark.parametrize("kind", sorted(Activation.kinds))
def test_every_activation_can_be_written_with_numpy(kind: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(ACTIVATED.format(kind=kind))
    (one,) = api.export(trained(tmp_path / "spec.yaml", tmp_path), ["numpy"], tmp_path)
    assert difference(one) < 1e-5


@pytest.mark.parametrize("spec", [WINDOWS, PLACES], ids=["windows", "places"])
def test_windows_are_written_with_numpy(spec: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(spec)
    for one in api.export(trained(tmp_path / "spec.yaml", tmp_path), list(FORMATS), tmp_path):
        assert difference(one) < 1e-5


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table with every kind of field, and what was exported of it as ``net.py``."""
    folder = tmp_path_factory.mktemp("fields")
    write_rows(folder / "rows.csv")
    (folder / "spec.yaml").write_text(FIELDS)
    run = trained(folder / "spec.yaml", folder)
    (one,) = api.export(run, ["numpy"], folder / "net")
    assert one.real == (60, pytest.approx(0, abs=1e-6))
    return folder


def test_raw_rows_go_through_the_file_as_through_netspec(fields: Path) -> None:
    """In a process that has no netspec, from the very file that `netspec predict` reads."""
    done = subprocess.run(
        [sys.executable, "-I", "net.py", "rows.csv"], cwd=fields, capture_output=True, text=True, check=True
    )
    found = list(csv.DictReader(done.stdout.splitlines()))
    expected = api.predict(fields / "run", fields / "rows.csv").rows
    assert [row["answer"] for row in found] == [row["answer"] for row in expected]
    for name in ("answer=n", "answer=y"):
        assert [float(row[name]) for row in found] == pytest.approx([row[name] for row in expected], abs=1e-6)


def test_the_file_needs_nothing_but_numpy(fields: Path) -> None:
    program = "import sys; sys.path.insert(0, '.'); import net; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-I", "-c", program], cwd=fields, capture_output=True, text=True, check=True)
    strange = {m for m in done.stdout.split() if m not in sys.stdlib_module_names and not m.startswith("_")}
    assert strange <= {"numpy", "net", "sitecustomize", "usercustomize"} | {m for m in strange if m.startswith("__")}


def test_the_worked_example_reads_like_a_textbook(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    run = trained(CHECKOUT / "specs" / "backprop_example.yaml", tmp_path)
    api.export(run, ["numpy"], tmp_path / "backprop.py")
    golden("backprop_example.py.txt", (tmp_path / "backprop.py").read_text())


def test_weights_load_back(tmp_path: Path) -> None:
    spec = CHECKOUT / "specs" / "digits.yaml"
    run = trained(spec, tmp_path)
    (one,) = api.export(run, ["safetensors"], tmp_path / "weights")
    (path,) = one.files
    begun = api.train(spec, out=tmp_path / "again", weights=path, overrides=("optimizer.adam.lr=0",), steps=1)
    kept, again = load_tensors(path), load_tensors(begun.run / "last.safetensors")
    assert kept.content == again.content
    assert set(kept.arrays) == {"dense_1.kernel", "dense_1.bias", "logits.kernel", "logits.bias"}
    assert json.loads(kept.facts["fitted"])["fields"]["image"]["type"]["top"] == 16


def test_what_numpy_has_no_words_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(CHECKOUT / "specs" / "xor.yaml", tmp_path)
    monkeypatch.delitem(forward.RULES, Contract)
    with pytest.raises(NetspecError, match="`contract`, which `dense_1` needs, cannot be written with NumPy"):
        api.export(run, ["numpy"], tmp_path)


def test_what_is_wrong_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(CHECKOUT / "specs" / "xor.yaml", tmp_path)
    right = Numpy.run

    def wrong(*arguments: Any) -> dict[str, Any]:
        return {name: array + np.float32(0.01) for name, array in right(*arguments).items()}

    monkeypatch.setattr(Numpy, "run", wrong)
    (tmp_path / "out").mkdir()
    with pytest.raises(NetspecError) as raised:
        api.export(run, ["numpy"], tmp_path / "out")
    assert raised.value.diagnostics[0].code == "export-differs"
    assert not list((tmp_path / "out").iterdir())


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    run = trained(CHECKOUT / "specs" / "digits.yaml", tmp_path)
    (tmp_path / "digits.npz").write_text("mine")
    for formats in (["numpy"], ["safetensors", "numpy"]):
        with pytest.raises(ChoiceError, match="not overwritten"):
            api.export(run, formats, tmp_path)
        assert (tmp_path / "digits.npz").read_text() == "mine"
        assert not (tmp_path / "digits.py").exists()
        assert not (tmp_path / "digits.safetensors").exists()
    api.export(run, ["numpy"], tmp_path, force=True)
    assert len(np.load(tmp_path / "digits.npz").files) == 4


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in arguments], prog_name="netspec")


def test_the_command_says_how_far_off_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(CHECKOUT / "specs" / "xor.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    done = invoke("export", run, "--to", "safetensors, numpy", "--json")
    facts = json.loads(done.stdout)["exported"]
    assert [one["files"] for one in facts] == [["xor.safetensors"], ["xor.py"]]
    assert all(one["random"]["rows"] == 200 and one["real"]["rows"] == 4 for one in facts)
    again = invoke("export", run, "--to", "numpy", "-o", "b/net.py")
    assert "b/net.py" in again.stdout
    assert "of 4" in again.stdout
    assert "c/xor.py" in invoke("export", run, "--to", "numpy", "-o", "c/").stdout  # as the command's example has it
    assert Path("c/xor.py").is_file()
    Path("file").write_text("")
    assert "or name another folder with -o" in invoke("export", run, "--to", "numpy", "-o", "file/net.py").stderr
    assert "did you mean `numpy`?" in invoke("export", run, "--to", "nunpy").stderr
    assert invoke("export", run, "--to", "onx").exit_code == 2
