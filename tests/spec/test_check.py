"""What is found without the data, what waits for them, and that finding it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from netspec.diagnostics import Report
from netspec.spec.check import check
from netspec.spec.document import load
from netspec.spec.expectations import check_example

# A file without its own `netspec:` is a fragment, which others include.
SPECS = [
    p for p in sorted((Path(__file__).parents[2] / "specs").rglob("*.yaml")) if "\nnetspec: 1" in p.read_text("utf-8")
]
XOR = """
    netspec: 1
    data: {source: {logic: xor}}
    network:
      inputs: {x: [2]}
      layers: [{dense: {units: 2, activation: sigmoid}}, {dense: 1}]
    loss: {mse: {target: answer}}
    metrics: [accuracy]
    expect:
      parameters: 9
      train: {accuracy: "== 1", loss: "< 0.1"}
      test: {accuracy: 1}
      examples: [{input: {x: [0, 1]}, output: [1.0], within: 0.1}]
"""


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_gallery_is_right(path: Path) -> None:
    checked = check(path)
    assert not checked.report.diagnostics


def test_facts_that_need_the_data_wait() -> None:
    checked = check(
        textwrap.dedent("""
        netspec: 1
        data: {source: {csv: {path: nowhere.csv}}, fields: {x: {number: [a, b]}, y: {category: c}}}
        network: {inputs: {x: [2]}, layers: [{dense: "${data.y.size}"}]}
        loss: cross_entropy
        expect: {parameters: 9, frozen: 0}
    """)
    )
    assert not checked.report.diagnostics
    assert checked.waiting == ("`parameters` waits for the data: it is 3*|y|",)


@pytest.mark.parametrize(
    ("given", "is_right"), [([0.95], True), ([0.85], False), ([float("nan")], False), ([1.0, 1.0], False), (1.0, False)]
)
def test_examples_are_held(given: object, is_right: bool) -> None:
    (example,) = load(textwrap.dedent(XOR)).expect.examples
    report = Report()
    check_example(example, given, report)
    assert report.failed is not is_right


@pytest.mark.parametrize(
    "module", ["numpy", "numba", "llvmlite", "sklearn", "rich", "safetensors", "importlib.metadata"]
)
def test_checking_loads_nothing_heavy(module: str) -> None:
    spec = Path(__file__).parent / "language" / "xor.yaml"
    program = f"""
import atexit, sys
from netspec.cli.main import main
sys.argv = ["netspec", "validate", {str(spec)!r}]
atexit.register(lambda: print({module!r} in sys.modules))
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
