"""The large networks of the gallery, whose data are drawn: their gradients, their steps, and ResNet-50 in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery import DRAWN, GALLERY, named, small

from netspec import api
from netspec.compiler.graph import key_of
from netspec.compiler.graph.interpreter import interpret
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import Opened, open_spec

DEEPEST = "imagenet/resnet152"
"""Batch normalisation of 5 samples makes rounding grow with depth: of 152 layers to more than the stem's gradient."""

AT_SIZE = ("imagenet/resnet18", "imagenet/resnet50", "go/alphago_policy", "go/alphago_value")
"""Those whose kernels at full size a test of every change has time to compile."""


def marks(brief: bool) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow, *([] if brief else [pytest.mark.long])]


def small_and_deep(spec: Path) -> list[str]:
    """A small network with as many layers as it has."""
    cuts = ("vars.second", "vars.third") if named(spec) != DEEPEST else ()
    return [override for override in small(spec) if not override.startswith(cuts)]


def started(opened: Opened) -> Engine:
    return Engine(opened.program, opened.dataset.columns, opened.constants, seed=3)


@pytest.mark.parametrize("spec", DRAWN, ids=named)
def test_its_gradients_are_those_of_its_graph(spec: Path) -> None:
    """Machine code in float32 and the graph in float64, for all weights at once."""
    opened = open_spec(load(spec, small_and_deep(spec)))
    engine, rows = started(opened), np.arange(5)
    # Biases of 0 and scales of 1 hide what is mistaken for them.
    rng = np.random.default_rng(0)
    engine.load({key: w + rng.uniform(0, 0.05, w.shape).astype(w.dtype) for key, w in engine.weights().items()})
    graph = opened.program.gradient
    given: dict[str, Any] = {f"data.{name}": column for name, column in opened.dataset.columns.items()}
    given |= {key_of(value): engine.constant(key_of(value)) for value in graph.inputs_of("constant")}
    given |= {key_of(value): np.float32(0) for value in graph.inputs_of("step")} | engine.weights() | {"index": rows}
    exact = interpret(graph, {key: array for key, array in given.items() if key in graph.by_key}, np.float64)
    found = engine.gradient(rows)
    engine.close()
    assert found.keys() == {key.removeprefix("gradient.") for key in exact if key != "loss"}
    for key, gradient in found.items():
        largest = np.abs(exact[f"gradient.{key}"]).max()
        np.testing.assert_allclose(gradient, exact[f"gradient.{key}"], rtol=0, atol=2e-3 * largest, err_msg=key)


@pytest.mark.parametrize("spec", [pytest.param(p, id=named(p), marks=marks(named(p) in AT_SIZE)) for p in DRAWN])
def test_it_takes_steps_at_its_size(spec: Path, tmp_path: Path) -> None:
    trained = api.train(spec, out=tmp_path / "run", steps=2, overrides=["train.batch=2"])
    assert trained.status == "stopped"


# --- ResNet-50 beside PyTorch's ---


def parts_of_resnet50(torch: Any) -> tuple[Any, Any]:
    """The blocks of a ResNet of version 1.5, as PyTorch has them; their parts are called as in the spec."""
    nn = torch.nn

    class ConvBn(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self, ins: int, outs: int, kernel: int, stride: int = 1) -> None:
            super().__init__()
            self.conv = nn.Conv2d(ins, outs, kernel, stride, kernel // 2, bias=False)
            self.bn = nn.BatchNorm2d(outs)

        def forward(self, x: Any) -> Any:
            return self.bn(self.conv(x))

    class Bottleneck(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self, ins: int, filters: int, stride: int) -> None:
            super().__init__()
            self.one, self.two = ConvBn(ins, filters, 1), ConvBn(filters, filters, 3, stride)
            self.three = ConvBn(filters, 4 * filters, 1)
            if ins != 4 * filters:
                self.shortcut = ConvBn(ins, 4 * filters, 1, stride)

        def forward(self, x: Any) -> Any:
            y = self.three(self.two(self.one(x).relu()).relu())
            return (y + (self.shortcut(x) if hasattr(self, "shortcut") else x)).relu()

    return ConvBn, Bottleneck


def resnet50(torch: Any, width: int, classes: int) -> Any:
    """ResNet-50 in PyTorch."""
    nn = torch.nn
    ConvBn, Bottleneck = parts_of_resnet50(torch)

    class ResNet50(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.ModuleDict({"first": ConvBn(3, width, 7, 2)})
            ins = width
            for stage, blocks in enumerate((3, 4, 6, 3), 1):
                filters = width * 2 ** (stage - 1)
                setattr(self, f"widen{stage}", Bottleneck(ins, filters, 1 if stage == 1 else 2))
                ins = 4 * filters
                rest = {str(i): Bottleneck(ins, filters, 1) for i in range(1, blocks)}
                setattr(self, f"stage{stage}", nn.ModuleDict(rest))
            self.logits = nn.Linear(ins, classes)

        def forward(self, x: Any) -> Any:
            x = nn.functional.max_pool2d(self.stem["first"](x).relu(), 3, 2, 1)
            for stage in range(1, 5):
                x = getattr(self, f"widen{stage}")(x)
                for block in getattr(self, f"stage{stage}").values():
                    x = block(x)
            return self.logits(x.mean((2, 3)))

    return ResNet50().eval()


RENAMED = {
    "conv.kernel": "conv.weight",
    "bn.scale": "bn.weight",
    "bn.bias": "bn.bias",
    "bn.mean": "bn.running_mean",
    "bn.variance": "bn.running_var",
    "logits.kernel": "logits.weight",
    "logits.bias": "logits.bias",
}


def theirs(key: str) -> str:
    """PyTorch's name of a weight."""
    *path, kind, weight = key.split(".")
    return ".".join([*path, RENAMED[f"{kind}.{weight}"]])


def forward_difference(size: int) -> float:
    """How far the logarithms of ResNet-50's probabilities are from PyTorch's, at most."""
    torch = pytest.importorskip("torch")
    overrides = [f"vars.size={size}", "data.source.random.rows=4", "train.batch=4", "expect={}"]
    opened = open_spec(load(GALLERY / "imagenet/resnet50.yaml", overrides))
    engine, rng = started(opened), np.random.default_rng(1)
    weights: dict[str, Any] = dict(engine.weights())
    for key, array in weights.items():
        if key.rpartition(".")[2] in {"scale", "variance"}:
            weights[key] = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
        elif key.rpartition(".")[2] in {"bias", "mean"}:
            weights[key] = rng.normal(0, 0.3, array.shape).astype(np.float32)
    model = resnet50(torch, 64, 1000)
    state = model.state_dict()
    held = {name for name in state if not name.endswith("num_batches_tracked")}
    assert held == {theirs(key) for key in weights}
    turned = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    state.update({theirs(key): torch.tensor(w.transpose(turned[w.ndim]).copy()) for key, w in weights.items()})
    model.load_state_dict(state)
    images = torch.tensor(opened.dataset.columns["image"].transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        # The last layer is scaled so that scores are at most 5: a softmax that is all 0 and 1 would hide what differs.
        scale = 5 / float(model(images).abs().max())
        for name in ("kernel", "bias"):
            weights[f"logits.{name}"] = weights[f"logits.{name}"] * np.float32(scale)
            model.state_dict()[f"logits.{'weight' if name == 'kernel' else name}"].mul_(scale)
        scores = torch.log_softmax(model(images), dim=1).numpy()
    engine.load(weights)
    ours = np.log(engine.predict(np.arange(4))["logits"])
    engine.close()
    assert np.ptp(scores, axis=1).min() > 1, "scores that are all the same tell nothing"
    return float(np.abs(ours - scores).max())


@pytest.mark.parity
def test_resnet50_is_pytorchs() -> None:
    assert forward_difference(size=64) <= 1e-4  # 7e-6 here, and 1.4e-5 at 224 pixels
