"""What parameters alone decide is computed before a prediction, and anew when they change."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.compiler.graph import Graph
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops.conv import Conv
from netspec.compiler.passes import optimize
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import Opened, open_spec

NORMED = """\
netspec: 1
name: normed
data: {source: {sklearn: digits}}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - conv2d: {filters: 5, kernel: 3, bias: false}
    - batch_norm
    - relu
    - conv2d: {filters: 5, kernel: 3, padding: same, name: c}
    - batch_norm: {scale: false}
    - add: [batch_norm_2, relu_1]
    - flatten
    - dense: {units: 17, bias: false}
    - batch_norm: {bias: false}
    - tanh
    - dense: 10
loss: cross_entropy
optimizer: {sgd: {lr: 0.1}}
train: {batch: 40}
"""


@pytest.fixture(scope="module")
def opened() -> Opened:
    return open_spec(load(NORMED))


def predicted(graph: Graph) -> dict[str, int]:
    """How often each op stands in a graph."""
    found: dict[str, int] = {}
    for node in graph.nodes:
        found[node.op.name] = found.get(node.op.name, 0) + 1
    return found


def test_prediction_has_no_trace_of_batch_norm(opened: Opened) -> None:
    graph = optimize(opened.program.predict, 32, settled=True)
    verify(graph)
    counts = predicted(graph)
    assert (counts["conv"], counts["contract"]) == (2, 2)
    assert counts["rows"] == 2  # the gather of the pixels, and softmax
    assert "map" not in counts
    loose = optimize(opened.program.predict, 32)
    assert predicted(loose)["rows"] == 2 + 3  # a root for every batch_norm


def test_batch_norm_is_one_factor_and_one_summand(opened: Opened) -> None:
    """Of each channel; the sum with another branch is added, as it is in the spec."""
    graph = optimize(opened.program.predict, 32, settled=True)
    epilogues = {str(node.op.epilogue) for node in graph.nodes if isinstance(node.op, Conv)}
    assert epilogues == {"max(acc * x0 + x1, 0)", "acc * x1 + x2 + x0"}


def engine_with_statistics(opened: Opened) -> tuple[Engine, dict[str, np.ndarray]]:
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=0, threads=1)
    rng = np.random.default_rng(1)
    drawn = {
        key: array if key.endswith(("kernel", "bias")) else rng.uniform(0.5, 2, array.shape).astype(np.float32)
        for key, array in engine.weights().items()
    }
    engine.load(drawn)
    return engine, drawn


def expected(opened: Opened, weights: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    graph = opened.program.predict
    given = {f"data.{name}": array for name, array in opened.dataset.columns.items()}
    given |= {**weights, **{key: np.asarray(array) for key, array in opened.constants.items()}, "index": rows}
    shaped = {v.node.op.key: v.type.rank for v in graph.inputs if v.node.op.key in opened.constants}
    given |= {key: given[key].reshape(()) for key, rank in shaped.items() if rank == 0}
    (found,) = interpret(graph, {k: v for k, v in given.items() if k in graph.by_key}, np.float64).values()
    return np.asarray(found)


@pytest.mark.parametrize("batch", [1, 17])
def test_settled_weights_predict_the_same(opened: Opened, batch: int) -> None:
    engine, weights = engine_with_statistics(opened)
    rows = np.arange(batch)
    (found,) = engine.predict(rows).values()
    np.testing.assert_allclose(found, expected(opened, weights, rows), atol=1e-5)
    changed = {**weights, "batch_norm_1.variance": weights["batch_norm_1.variance"] * 4}
    engine.load(changed)
    (found,) = engine.predict(rows).values()
    np.testing.assert_allclose(found, expected(opened, changed, rows), atol=1e-5)
    engine.close()


def test_steps_of_training_settle_weights_anew(opened: Opened) -> None:
    engine, _ = engine_with_statistics(opened)
    rows = np.arange(17)
    before = next(iter(engine.predict(rows).values()))
    engine.train(np.arange(80).reshape(2, 40), 0, np.array([0.1, 0.1]))
    (after,) = engine.predict(rows).values()
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, expected(opened, engine.weights(), rows), atol=1e-5)
    engine.close()
