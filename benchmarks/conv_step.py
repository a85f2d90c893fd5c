"""Training steps of LeNet-5 on MNIST and of ResNet-20 on CIFAR-10, batch 64, SGD with momentum, from 8-bit pixels."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from benchmarks.harness import THREADS, Contender, Ready, Samples, compare, timed
from benchmarks.machine import make_limit
from benchmarks.mlp_step import add_ticks, row_shares
from benchmarks.mnist import ROOT, Array, engine, opened
from benchmarks.report import CONTENDERS, Section, contenders_table, times_faster

BATCH, LR, MOMENTUM, DECAY = 64, 0.01, 0.9, 1e-4
Way: TypeAlias = Literal["eager", "channels_last", "compiled"]
WAYS: tuple[Way, ...] = ("eager", "channels_last", "compiled")


@dataclass(frozen=True)
class Workload:
    """A network, and how much faster than PyTorch's best way its step must be."""

    name: str
    spec: Path
    channels: int
    samples: int  # of one round
    required: float

    @property
    def steps(self) -> int:
        return self.samples // BATCH


LENET = Workload("LeNet-5 step, batch 64", ROOT / "specs" / "mnist" / "lenet5.yaml", 1, 6_400, 5.5)
RESNET = Workload("ResNet-20 step, batch 64", ROOT / "specs" / "cifar10" / "resnet20.yaml", 3, 256, 1.5)


def orders(work: Workload) -> itertools.cycle[Array]:
    """The rows of each round, ``int64[steps, batch]``."""
    rng = np.random.default_rng(0)
    rows = [rng.permutation(50_000)[: work.samples].reshape(work.steps, BATCH) for _ in range(4)]
    return itertools.cycle(rows)


@lru_cache(1)
def training_data(work: Workload) -> tuple[Array, Array]:
    """Pixels ``uint8[N, H, W, C]`` and labels ``int64[N]``."""
    dataset = opened(work.spec).dataset
    rows = np.asarray(dataset.splits["train"])
    return np.ascontiguousarray(dataset.columns["image"][rows]), np.asarray(dataset.columns["label"][rows], np.int64)


def make_netspec(work: Workload) -> Ready:
    """The engine that `netspec train` uses: all steps of a round in one call of the driver."""
    from netspec.compiler.graph.cost import multiply_adds

    made, rows, rates = engine(work.spec), orders(work), np.full(work.steps, LR)
    flop = 2 * multiply_adds(made.program.step, {"B": BATCH})
    ticks = row_shares(engine(work.spec), BATCH, next(rows))  # a program of its own, as counting takes time
    return Ready(timed(lambda: made.train(next(rows), 0, rates), work.steps), facts={"flop": flop, "ticks": ticks})


# --- PyTorch ---


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def resnet20(nn: Any) -> Any:
    """With zero-padded shortcuts, as the spec has them."""
    functional = nn.functional

    class Block(nn.Module):  # type: ignore[misc,name-defined]  # torch is no dependency
        def __init__(self, ins: int, outs: int) -> None:
            super().__init__()
            self.ins, self.outs, self.stride = ins, outs, outs // ins
            self.one = nn.Sequential(
                nn.Conv2d(ins, outs, 3, self.stride, 1, bias=False), nn.BatchNorm2d(outs), nn.ReLU()
            )
            self.two = nn.Sequential(nn.Conv2d(outs, outs, 3, 1, 1, bias=False), nn.BatchNorm2d(outs))

        def forward(self, x: Any) -> Any:
            y, frame = self.two(self.one(x)), (self.outs - self.ins) // 2
            if self.stride > 1:
                x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, frame, frame))
            return functional.relu(y + x)

    widths = [16] * 4 + [32] * 3 + [64] * 3
    blocks = [Block(ins, outs) for ins, outs in itertools.pairwise(widths)]
    stem = (nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def _torch_step(work: Workload, way: Way) -> Callable[[Any], Any]:
    """One step on the rows ``int64[batch]``; pixels are gathered, cropped at random and mirrored where netspec does."""
    torch: Any = import_module("torch")
    torch.set_num_threads(THREADS)
    pixels, labels = training_data(work)
    images, targets = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)
    model = (lenet if work == LENET else resnet20)(torch.nn)
    layout = torch.channels_last if way == "channels_last" else torch.contiguous_format
    model = model.to(memory_format=layout)
    decay = 0.0 if work == LENET else DECAY
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=decay, foreach=True)

    def step(rows: Any) -> Any:
        x = images[rows].float() / 255
        if work == RESNET:  # a crop for the whole batch: less than netspec does, which moves each image
            x = torch.nn.functional.pad(x, (4, 4, 4, 4))[:, :, 3:35, 5:37]
        loss = torch.nn.functional.cross_entropy(model(x.contiguous(memory_format=layout)), targets[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    if way != "compiled":
        return step
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    compiled: Callable[[Any], Any] = torch.compile(step)
    return compiled


def make_torch(work: Workload, way: Way) -> Ready:
    """PyTorch in one of its ways."""
    torch: Any = import_module("torch")
    rows, step = orders(work), _torch_step(work, way)

    def round_() -> None:
        for row in torch.from_numpy(next(rows)):
            step(row)

    return Ready(timed(round_, work.steps), way)


# --- JAX ---


def make_jax(work: Workload) -> Ready:
    """LeNet-5 as one jitted `lax.scan` over the steps of a round."""
    jax: Any = import_module("jax")
    jnp, pixels_labels = jax.numpy, training_data(work)
    images, targets = jax.device_put(pixels_labels[0]), jax.device_put(pixels_labels[1].astype(np.int32))
    rng = np.random.default_rng(0)
    shapes = [(5, 5, 1, 6), (5, 5, 6, 16), (400, 120), (120, 84), (84, 10)]
    weights = [
        (jnp.asarray(rng.normal(0, 0.1, shape).astype(np.float32)), jnp.zeros(shape[-1], jnp.float32))
        for shape in shapes
    ]
    state = (weights, jax.tree.map(jnp.zeros_like, weights))

    def loss_of(layers: Any, x: Any, labels: Any) -> Any:
        for i, (kernel, bias) in enumerate(layers):
            if i < 2:
                x = jax.lax.conv_general_dilated(
                    x, kernel, (1, 1), "VALID" if i else "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                x = jnp.maximum(x + bias, 0)
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
                continue
            x = x.reshape(x.shape[0], -1) @ kernel + bias
            x = jnp.maximum(x, 0) if i < len(layers) - 1 else x
        return -jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], axis=1).mean()

    def step(state: Any, row: Any) -> Any:
        layers, velocity = state
        loss, g = jax.value_and_grad(loss_of)(layers, images[row].astype(jnp.float32) / 255, targets[row])
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, g)
        return (jax.tree.map(lambda p, v: p - LR * v, layers, velocity), velocity), loss

    epoch = jax.jit(lambda state, rows: jax.lax.scan(step, state, rows), donate_argnums=(0,))
    rows = orders(work)

    def round_() -> None:
        nonlocal state
        state, losses = epoch(state, next(rows).astype(np.int32))
        losses.block_until_ready()

    return Ready(timed(round_, work.steps), "one jitted call for all steps")


# --- the comparison ---


def run() -> list[Section]:
    """LeNet-5 and ResNet-20."""
    return [_section(LENET), _section(RESNET)]


def _section(work: Workload) -> Section:
    contenders = [Contender("netspec", make_netspec, (work,)), Contender("FMA limit", make_limit)]
    contenders += [Contender(f"PyTorch {way}", make_torch, (work, way), ("torch",)) for way in WAYS]
    if work == LENET:
        contenders.append(Contender("JAX scan", make_jax, (work,), ("jax",)))
    found = compare(contenders, rounds=15, seconds=40)
    limit = found.pop("FMA limit")
    section = Section(f"{work.name}, SGD with momentum", CONTENDERS)
    contenders_table(section, found)
    ours, peers = found["netspec"], [one for name, one in found.items() if name.startswith("PyTorch") and one]
    if peers:
        best = min(peers, key=lambda one: one.median)
        section.checks.extend(times_faster(work.name, ours, best, work.required))
    if ours and limit:
        _add_limit(section, ours, limit)
        add_ticks(section, ours.facts["ticks"], ours.median)
    return section


def _add_limit(section: Section, ours: Samples, limit: Samples) -> None:
    bound = ours.facts["flop"] * limit.median
    section.remarks.append(
        f"The step's {ours.facts['flop'] / 1e6:.0f} MFLOP take at least {bound * 1e6:.0f} us on {THREADS} threads of "
        f"{1e-9 / limit.median:.0f} GFLOP/s together: netspec reaches {bound / ours.median:.0%} of the limit over the "
        "whole step."
    )
