"""`netspec trace`: the worked example as a hand-out prints it, and every number held against what training does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from netspec import api
from netspec.cli.commands.trace import describe
from netspec.runs.checkpoint import load_checkpoint, load_weights
from netspec.train.tracing import Trace

Run = Callable[..., Result]

CHECKOUT = Path(__file__).parents[2]
SPECS = CHECKOUT / "specs"
ODD = sorted((CHECKOUT / "tests" / "train" / "specs").glob("*.yaml"))
THRESHOLD = """\
netspec: 1
data: {source: {logic: and}}
network:
  inputs: {x: [2]}
  layers:
    - dense: {units: 1, activation: step, init: {kernel: [[1], [1]], bias: -1.5}, freeze: true}
"""


def weights(traced: Trace, when: str) -> dict[str, Any]:
    return {weight.key: getattr(weight, when) for layer in traced.layers for weight in layer.weights}


def outer(traced: Trace, layers: tuple[str, ...]) -> dict[str, Any]:
    """What one row alone says of each kernel: its inputs times the deltas."""
    by_path = {layer.path: layer for layer in traced.layers}
    below = np.asarray(next(iter(traced.inputs.values())))
    found = {}
    for path in layers:
        layer = by_path[path]
        assert layer.delta is not None
        found[f"{path}.kernel"] = np.outer(below, layer.delta)
        found[f"{path}.bias"] = np.asarray(layer.delta)
        below = np.asarray(layer.output)
    return found


def test_the_worked_example_is_printed_as_its_hand_out_has_it(run: Run, golden: Callable[[str, str], None]) -> None:
    done = run("trace", SPECS / "backprop_example.yaml")
    assert done.exit_code == 0
    golden("trace_backprop_example.txt", done.stdout)
    for number in ("0.680267", "0.663739", "0.690283", "-0.040681", "0.682019"):
        assert number in done.stdout


def test_the_worked_example_as_json(run: Run) -> None:
    facts = json.loads(run("trace", SPECS / "backprop_example.yaml", "--json").stdout)
    hidden, output = facts["layers"]
    assert facts["inputs"]["x"] == pytest.approx([0.35, 0.9])
    assert hidden["net"] == pytest.approx([0.755, 0.68])
    assert hidden["output"] == pytest.approx([0.6803, 0.6637], abs=5e-5)
    assert output["output"] == pytest.approx([0.6903], abs=5e-5)
    assert output["delta"] == pytest.approx([-0.0407], abs=5e-5)
    kernel = output["weights"]["kernel"]
    assert np.add(kernel["before"], kernel["change"]) == pytest.approx(np.array(kernel["after"]))
    assert facts["after"]["output"] == pytest.approx([0.682019], abs=1e-6)


def test_the_deltas_of_all_rows_make_the_step() -> None:
    """Of a full batch and plain momentum's first step: the mean of inputs times deltas, times the rate."""
    rows = [api.trace(SPECS / "xor.yaml", row=number) for number in (1, 2, 3, 4)]
    assert [traced.inputs["x"].tolist() for traced in rows] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    alone = [outer(traced, ("dense_1", "dense_2")) for traced in rows]
    for key, change in weights(rows[0], "change").items():
        expected = 2.0 * np.mean([one[key] for one in alone], axis=0)
        assert change == pytest.approx(expected, abs=1e-6)
    assert np.mean([traced.loss for traced in rows]) == pytest.approx(rows[0].mean_loss)


@pytest.mark.parametrize("spec", [*ODD, SPECS / "digits.yaml"], ids=lambda path: path.stem)
@pytest.mark.parametrize("step", [1, 7])
def test_a_traced_step_is_the_step_that_training_takes(spec: Path, step: int, tmp_path: Path) -> None:
    traced = api.trace(spec, step=step)
    before = api.train(spec, out=tmp_path / "before", steps=step - 1) if step > 1 else None
    after = api.train(spec, out=tmp_path / "after", steps=step)
    if before is not None:
        held = load_checkpoint(before.run / "state.safetensors").arrays
        for key, array in weights(traced, "before").items():
            assert array.tobytes() == held[key].tobytes()
    held = load_checkpoint(after.run / "state.safetensors").arrays  # not averages of them, as `last` may be
    for key, array in weights(traced, "after").items():
        assert array == pytest.approx(held[key], abs=1e-6)


@pytest.mark.parametrize("step", [1, 3])
def test_a_step_of_several_batches_is_traced_whole(step: int, tmp_path: Path) -> None:
    gathered = ("train.accumulate=3", "train.batch=8")
    traced = api.trace(SPECS / "digits.yaml", overrides=gathered, step=step)
    after = api.train(SPECS / "digits.yaml", overrides=gathered, out=tmp_path / "after", steps=step)
    assert traced.batch == 24
    for key, array in load_weights(after.run / "last.safetensors").arrays.items():
        assert weights(traced, "after")[key] == pytest.approx(array, abs=1e-6)
    # The same step as one batch: what its units compute for a row does not depend on how it is cut.
    alone = api.trace(SPECS / "digits.yaml", overrides=("train.batch=24",), row=traced.row)
    if step == 1:
        for one, other in zip(traced.layers, alone.layers, strict=True):
            for name in ("net", "output", "delta"):
                given, expected = getattr(one, name), getattr(other, name)
                assert given is expected is None or given == pytest.approx(expected, abs=1e-5)


def test_every_spec_of_the_gallery_can_be_traced_on_80_columns() -> None:
    for entry in api.gallery():
        assert max(map(len, describe(api.trace(entry.text), 80).splitlines())) <= 80, entry.name


def test_a_row_is_traced_in_the_first_step_that_trains_on_it() -> None:
    traced = api.trace(SPECS / "digits.yaml", row=5, layer="logits")
    assert traced.row == 5
    assert traced.step == api.trace(SPECS / "digits.yaml", row=5, step=traced.step).step
    assert [layer.path for layer in traced.layers] == ["logits"]


def test_a_learning_rule_has_the_signal_as_its_delta(tmp_path: Path) -> None:
    spec = tmp_path / "rule.yaml"
    spec.write_text(
        THRESHOLD.replace(", init: {kernel: [[1], [1]], bias: -1.5}, freeze: true", "")
        + "loss: {squared_error: {target: answer}}\noptimizer: perceptron\ntrain: {epochs: 3, batch: 1}\n"
    )
    traced = api.trace(spec, row=4)
    (layer,) = traced.layers
    assert layer.delta is not None
    assert layer.output is not None
    assert layer.delta == pytest.approx(traced.targets["answer"] - layer.output)
    for key, change in weights(traced, "change").items():
        assert change == pytest.approx(outer(traced, (layer.path,))[key])


def test_units_that_nobody_trains_are_traced_too(tmp_path: Path, run: Run) -> None:
    (tmp_path / "and.yaml").write_text(THRESHOLD)
    for row, answer in enumerate((0, 0, 0, 1), 1):
        traced = api.trace(tmp_path / "and.yaml", row=row)
        assert traced.after["dense_1"].tolist() == [answer]
    assert "change" not in run("trace", "and.yaml").stdout
    assert "error[missing-key]" in run("trace", "and.yaml", "--step", "2").stderr


def test_large_layers_are_cut_and_all_shows_all() -> None:
    traced = api.trace(SPECS / "digits.yaml", layer="dense_1")
    for width in (80, 120, None):
        text = describe(traced, width)
        assert max(map(len, text.splitlines())) <= (width or 80)
        assert "... 56 more units" in text
        assert "... 4,084 more; the largest change is" in text
    whole = describe(traced, 80, show_all=True)
    assert "more" not in whole
    assert len(whole.splitlines()) > 64 * 64 + 64 + 64


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("xor.yaml", "--step", "2001"), "no-such-step]: there is no step 2001: the training ends after step 2000"),
        (("xor.yaml", "--row", "5"), "error[no-such-row]: there is no row 5: the data have 4 rows"),
        (("digits.yaml", "--row", "5", "--step", "1"), "error[no-such-row]: row 5 is not in the batch of step 1"),
        (("digits.yaml", "--row", "6"), "error[no-such-row]: row 6 is of the split `test`"),
        (("digits.yaml", "--layer", "logit"), "did you mean `logits`?"),
    ],
    ids=["step", "row", "batch", "split", "layer"],
)
def test_what_is_not_there_is_usage(run: Run, arguments: tuple[str, ...], words: str) -> None:
    spec, *rest = arguments
    done = run("trace", SPECS / spec, *rest)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stdout == ""
