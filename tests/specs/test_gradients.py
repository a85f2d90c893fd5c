"""Where gradients vanish, and where they are sparse: measured, layer by layer."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from gallery import answers, trained

LAYERS = range(1, 9)


def test_sigmoids_lose_the_gradient_layer_by_layer_and_relus_do_not(tmp_path: Path) -> None:
    found = trained("gradients/vanishing", tmp_path / "run")
    for epoch in range(20):
        norms = [found.epochs(f"sigmoids.{i}.gradient_norm")[epoch] for i in LAYERS]
        assert all(below < above for below, above in pairwise(norms))
        # Eight slopes of at most 1/4 lie between the loss and the first layer, one before the last.
        assert norms[0] < norms[-1] / 4**6
        first, last = (found.epochs(f"relus.{i}.gradient_norm")[epoch] for i in (1, 8))
        assert last / 4 < first < 4 * last
    assert found.epochs("by_sigmoids.accuracy")[-1] < 0.15
    assert found.epochs("by_relus.accuracy")[-1] > 0.9


def test_steeper_softplus_is_nearer_to_relu(tmp_path: Path) -> None:
    sparsity = []
    for steepness in (1, 100, 1000):
        found = trained("gradients/relu_sparsity", tmp_path / f"{steepness}", f"vars.steepness={steepness}").test
        assert found is not None
        sparsity.append(found["smooth.1.sparsity"])
        assert abs(found["by_smooth.accuracy"] - found["by_relus.accuracy"]) < 0.02
    assert sparsity[0] == 0
    assert 0.1 < sparsity[1] < 0.35
    assert abs(sparsity[2] - found["relus.1.sparsity"]) < 0.05

    spec = """
        netspec: 1
        activations: {steep_softplus: {params: {k: 1.0}, formula: log(1 + exp(k * x)) / k}}
        data: {source: {random: {rows: 2, fields: {x: [1]}}}}
        network: {inputs: {x: [1]}, layers: [{steep_softplus: STEEPNESS}]}
    """
    x = np.linspace(-3, 3, 1001)[:, None]
    for steepness in (1, 10, 100):
        path = tmp_path / f"{steepness}.yaml"
        path.write_text(spec.replace("STEEPNESS", str(steepness)), encoding="utf-8")
        above = answers(path, {"x": x}) - np.maximum(x, 0)
        assert above.min() > -1e-6
        assert abs(above.max() - np.log(2) / steepness) < 1e-6, "the most, at 0"
