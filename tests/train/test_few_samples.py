"""A sample is predicted and measured with the same bits alone, among few and among many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netspec.compiler.codegen.executable import Executable
from netspec.data.batches import VisitInMemory
from netspec.pipeline import FEW
from netspec.spec.document import load
from netspec.tensortype import LANES
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

SPEC = """
netspec: 1
name: few
data: {source: {random: {rows: 64, fields: {image: [9, 9, 3], label: {category: 5}}}}}
network:
  inputs: {image: [9, 9, 3]}
  layers:
    - conv2d: {filters: 17, kernel: 3, padding: 1, bias: false}
    - batch_norm
    - relu: {name: first}
    - depthwise_conv2d: {kernel: 3, padding: 1, name: own}
    - add: [own, first]
    - conv2d: {filters: 8, kernel: 3, stride: 2, padding: 1, activation: tanh, name: strided}
    - conv2d: {filters: 12, kernel: 3, groups: 4, padding: 1, activation: relu, name: groups}
    - max_pool2d: 2
    - upsample2d: 2
    - conv2d_transpose: {filters: 3, kernel: 3, stride: 2}
    - avg_pool2d: {size: 3, stride: 2, padding: 1}
    - adaptive_avg_pool2d: 2
    - flatten
    - dense: {units: 5, name: logits}
loss: cross_entropy
optimizer: {sgd: {lr: 0.1}}
metrics: [accuracy]
train: {epochs: 1, batch: 16, seed: 3}
"""


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[dict[int, Engine]]:
    """One for each number of threads, over the same data."""
    path = tmp_path / "few.yaml"
    path.write_text(SPEC, encoding="utf-8")
    opened = open_spec(load(path))
    made = {
        threads: Engine(opened.program, opened.dataset.columns, opened.constants, seed=3, threads=threads)
        for threads in (1, 3)
    }
    yield made
    for engine in made.values():
        engine.close()


def test_predictions_are_the_same_bits_alone_and_among_others(engines: dict[int, Engine]) -> None:
    rows = np.arange(64)
    expected = engines[1].predict(rows)["logits"]
    for engine in engines.values():
        for batch in (1, 5, 9, 16, 33):
            for start in (0, 64 - batch):
                found = engine.predict(rows[start : start + batch])["logits"]
                assert found.tobytes() == expected[start : start + batch].tobytes(), (batch, start)


def test_few_samples_see_the_weights_that_training_left(engines: dict[int, Engine]) -> None:
    engine, rows = engines[1], np.arange(64)
    before = engine.predict(rows[:1])["logits"]
    engine.train(rows[:32].reshape(2, 16), 0, np.full(2, 0.1))
    after = engine.predict(rows[:1])["logits"]
    assert not np.array_equal(after, before)
    assert after.tobytes() == engine.predict(rows)["logits"][:1].tobytes()
    engine.load(engine.weights() | {"logits.bias": np.arange(5, dtype=np.float32)})
    assert engine.predict(rows[:1])["logits"].tobytes() == engine.predict(rows)["logits"][:1].tobytes()


def test_few_rows_are_measured_as_among_full_batches(engines: dict[int, Engine]) -> None:
    few, many = engines.values()
    visits = [VisitInMemory(np.arange(batch)) for batch in (1, 5, 16, 33)]
    measured = [few.evaluate(visit) for visit in visits]
    assert ("evaluate", True) in few._executables
    many.evaluate(VisitInMemory(np.arange(64)))
    assert [many.evaluate(visit) for visit in visits] == measured
    assert ("evaluate", True) not in many._executables
    before = few.evaluate(visits[0])
    few.train(np.arange(32).reshape(2, 16), 0, np.full(2, 0.1))
    many.train(np.arange(32).reshape(2, 16), 0, np.full(2, 0.1))
    assert before != few.evaluate(visits[0]) == many.evaluate(visits[0])


def test_no_lane_waits_for_a_sample(engines: dict[int, Engine]) -> None:
    """Few samples lie in rows, but for what has no other form; weights are packed once, outside the program."""
    program = engines[1].program
    assert program.few("predict", 1)
    assert program.few("evaluate", FEW - 1)
    assert not program.few("predict", FEW)
    assert not program.few("step", 1)
    few, many = (engines[1].prepared("predict", few=few) for few in (True, False))
    assert in_lanes(few) == {"route"}
    assert {"conv", "conv_input", "pool"} <= in_lanes(many)
    assert "conv_pack" in {kernel.name for kernel in many.kernels}
    assert "conv_pack" not in {kernel.name for kernel in few.kernels}
    assert few.arena({"B": 1}, 1).bytes < many.arena({"B": 1}, 1).bytes / 4


def in_lanes(executable: Executable) -> set[str]:
    """The ops whose results have samples in the lanes, without copies and maps between them."""
    nodes = executable.lowered.graph.nodes
    found = {node.op.name for node in nodes if any(type_.layout == LANES for type_ in node.types)}
    return found - {"relayout", "rows"}
