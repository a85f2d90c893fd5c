"""`netspec show --time`: the kernels of a step with what they take."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from netspec import api
from netspec.cli.commands.show import describe_timing

Run = Callable[..., Result]

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.train.timing.SECONDS", 0.0)


@pytest.mark.parametrize("spec", ["xor", "mnist/lenet5", "mpg"])
def test_the_kernels_make_the_step(run: Run, spec: str) -> None:
    done = run("show", SPECS / f"{spec}.yaml", "--time", "--json", "--threads", "2")
    facts = json.loads(done.stdout)["time"]
    assert (facts["what"], facts["threads"]) == ("training", 2)
    # Medians of few rounds on a busy machine: they need not add up.
    assert 0 < sum(kernel["seconds"] for kernel in facts["kernels"]) < 3 * facts["seconds"]
    step = api.compile(SPECS / f"{spec}.yaml").program.step
    from netspec.compiler.graph.cost import multiply_adds

    assert sum(kernel["macs"] for kernel in facts["kernels"]) == multiply_adds(step, {"B": facts["batch"]})


def test_a_spec_that_trains_nothing_has_its_prediction_timed(run: Run) -> None:
    done = run("show", SPECS / "units" / "and.yaml", "--time")
    assert done.stdout.startswith("a prediction of 1 sample takes ")
    assert "on 1 thread:" in done.stdout


def test_small_kernels_stand_in_one_row_and_lines_end_at_the_edge() -> None:
    measured = api.time_kernels(api.compile(SPECS / "cifar10" / "resnet20.yaml", overrides=["train.batch=16"]))
    # Of a busy machine threads wait the most, and no kernel is large: made-up times are always alike.
    kernels = tuple(replace(kernel, seconds=1e-4 + kernel.macs / measured.macs) for kernel in measured.kernels)
    timing = replace(measured, seconds=sum(kernel.seconds for kernel in kernels), kernels=kernels)
    shown = describe_timing(timing, 80)
    assert shown.startswith("a step of 16 samples takes ")
    assert max(timing.kernels, key=lambda kernel: kernel.seconds).kernel in shown
    assert " smaller ones" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert len(shown.splitlines()) < len(timing.kernels)


def test_what_cannot_be_timed_says_why(run: Run, tmp_path: Path) -> None:
    assert run("show", SPECS / "xor.yaml", "--time", "--emit", "asm").exit_code == 2
    spec = tmp_path / "open.yaml"
    (tmp_path / "rows.csv").write_text("kind,y\n" + "a,1\nb,2\n" * 8)
    spec.write_text(
        "netspec: 1\n"
        "data: {source: {csv: {path: rows.csv}}, fields: {x: {one_hot: {of: kind}}, y: {number: {of: y}}}}\n"
        'network: {inputs: {x: ["${data.x.size}"]}, layers: [{dense: 1}]}\n'
        "loss: mse\noptimizer: {sgd: {lr: 0.1}}\ntrain: {batch: 4}\n"
    )
    done = run("show", spec, "--time")
    assert done.exit_code == 2, done.output
    assert "cannot-time" in done.stderr
    assert "not known yet" in done.stderr
