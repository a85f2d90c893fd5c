"""A training step of the MNIST MLP, with Adam, from stored 8-bit pixels in shuffled order."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks import mnist
from benchmarks.harness import THREADS, Contender, Ready, Samples, best_of, compare, timed
from benchmarks.machine import make_limit
from benchmarks.mnist import Array
from benchmarks.report import CONTENDERS, Check, Section, contenders_table, times_faster
from netspec.train.engine import Engine

SAMPLES = 24_000  # of one round; an epoch would be 60,000
EAGER, COMPILED, JAX, SKLEARN = "PyTorch eager", "PyTorch compiled", "JAX scan", "scikit-learn"


def orders(batch: int, samples: int = SAMPLES) -> tuple[int, Iterator[Array]]:
    """How many steps a round takes, and the rows of each round."""
    steps = samples // batch
    return steps, itertools.cycle(mnist.shuffled(batch, steps))


def make_netspec(batch: int) -> Ready:
    """The engine that `netspec train` uses: all steps of a round in one call of the driver."""
    from netspec.compiler.graph.cost import multiply_adds

    engine = mnist.engine()
    steps, rows = orders(batch)
    lr = np.full(steps, mnist.LR)
    flop = 2 * multiply_adds(engine.program.step, {"B": batch})
    return Ready(
        timed(lambda: engine.train(next(rows), 0, lr), steps),
        facts={"flop": flop, "ticks": row_shares(mnist.engine(), batch, next(rows))},
    )


def row_shares(made: Engine, batch: int, rows: Array) -> list[tuple[str, float]]:
    """The share of a step that each row of the program takes, as a mean over the threads."""
    linked = made.linked("step", made.lengths.largest(batch), ticks=True)
    lr = np.full(len(rows), mnist.LR)
    made.train(rows, 0, lr)
    before = linked.program.ticks(THREADS).copy()
    made.train(rows, 0, lr)
    spent = (linked.program.ticks(THREADS) - before).mean(axis=0)
    return [(name, float(ticks)) for name, ticks in zip(linked.program.labels, spent / spent.sum(), strict=True)]


# --- PyTorch ---


def _torch_step(batch: int, adam: dict[str, bool]) -> Callable[[Any], Any]:
    """One eager step on the rows ``int64[batch]``."""
    torch: Any = import_module("torch")
    torch.set_num_threads(THREADS)
    pixels, labels = mnist.training_data()
    images, targets = torch.from_numpy(pixels), torch.from_numpy(labels)
    layers = []
    for weight, bias in mnist.initial_weights():
        layer = torch.nn.Linear(*weight.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=mnist.LR, **adam)

    def step(rows: Any) -> Any:
        x = images[rows].float() / 255
        loss = torch.nn.functional.cross_entropy(model(x), targets[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _torch_round(step: Callable[[Any], Any], batch: int, samples: int = SAMPLES) -> Callable[[], float]:
    torch: Any = import_module("torch")
    steps, rows = orders(batch, samples)

    def work() -> None:
        for row in torch.from_numpy(next(rows)):
            step(row)

    return timed(work, steps)


def make_eager(batch: int) -> Ready:
    """PyTorch as most write it, with the fastest of its kinds of Adam."""
    kinds: dict[str, dict[str, bool]] = {"fused": {"fused": True}, "foreach": {"foreach": True}, "plain": {}}
    steps = {name: _torch_step(batch, kind) for name, kind in kinds.items()}
    best = best_of({name: _torch_round(step, batch, 6_400) for name, step in steps.items()})
    return Ready(_torch_round(steps[best], batch), f"Adam {best}")


def make_compiled(batch: int) -> Ready:
    """The same under `torch.compile`, the optimizer too."""
    torch: Any = import_module("torch")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    return Ready(_torch_round(torch.compile(_torch_step(batch, {"foreach": True})), batch), "`torch.compile`")


# --- JAX ---


def make_jax(batch: int) -> Ready:
    """A whole epoch as one jitted `lax.scan`, Adam written out, its state given away to be overwritten."""
    jax: Any = import_module("jax")
    pixels, labels = mnist.training_data()
    images, targets = jax.device_put(pixels), jax.device_put(labels.astype(np.int32))
    weights = jax.tree.map(jax.numpy.asarray, mnist.initial_weights())
    zeros = jax.tree.map(jax.numpy.zeros_like, weights)
    epoch = jax.jit(_jax_epoch, donate_argnums=(0,))
    state = (weights, zeros, jax.tree.map(jax.numpy.copy, zeros), jax.numpy.float32(0))
    steps, rows = orders(batch)

    def work() -> None:
        nonlocal state
        state, losses = epoch(state, images, targets, next(rows).astype(np.int32))
        losses.block_until_ready()

    return Ready(timed(work, steps), "one jitted call for all steps")


def _jax_epoch(state: Any, images: Any, targets: Any, rows: Any) -> Any:
    jax: Any = import_module("jax")
    jnp = jax.numpy

    def loss_of(layers: Any, x: Any, labels: Any) -> Any:
        for i, (weight, bias) in enumerate(layers):
            x = x @ weight + bias
            x = jnp.maximum(x, 0) if i < len(layers) - 1 else x
        picked = jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], axis=1)
        return -picked.mean()

    def step(state: Any, row: Any) -> Any:
        p, m, v, count = state
        x = images[row].astype(jnp.float32) / 255
        loss, g = jax.value_and_grad(loss_of)(p, x, targets[row])
        count = count + 1
        m = jax.tree.map(lambda m, g: mnist.BETA1 * m + (1 - mnist.BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: mnist.BETA2 * v + (1 - mnist.BETA2) * g * g, v, g)
        one, two = 1 / (1 - mnist.BETA1**count), 1 / (1 - mnist.BETA2**count)
        p = jax.tree.map(lambda p, m, v: p - mnist.LR * (m * one) / (jnp.sqrt(v * two) + mnist.EPSILON), p, m, v)
        return (p, m, v, count), loss

    return jax.lax.scan(step, state, rows)


# --- scikit-learn ---


def make_sklearn(batch: int) -> Ready:
    """`MLPClassifier.partial_fit` over a part of an epoch, which it cuts into batches itself."""
    networks: Any = import_module("sklearn.neural_network")
    pixels, labels = mnist.training_data()
    model = networks.MLPClassifier(mnist.SIZES[1:-1], alpha=0, batch_size=batch, learning_rate_init=mnist.LR)
    steps, rows = orders(batch, 6_400 if batch < 512 else 12_800)

    def work() -> None:
        chosen = next(rows).reshape(-1)
        x = pixels[chosen].astype(np.float32) / np.float32(255)
        model.partial_fit(x, labels[chosen], classes=np.arange(10))

    return Ready(timed(work, steps), "`partial_fit` of MLPClassifier")


# --- the comparison ---


def run() -> list[Section]:
    """Batch 64 and 512."""
    return [_section(64), _section(512)]


def _section(batch: int) -> Section:
    contenders = [
        Contender("netspec", make_netspec, (batch,)),
        Contender("FMA limit", make_limit),
        Contender(EAGER, make_eager, (batch,), ("torch",)),
        Contender(COMPILED, make_compiled, (batch,), ("torch",)),
        Contender(JAX, make_jax, (batch,), ("jax",)),
        Contender(SKLEARN, make_sklearn, (batch,), ("sklearn",)),
    ]
    found = compare(contenders, rounds=15, seconds=25)
    limit = found.pop("FMA limit")
    ours, peers = found["netspec"], {name: one for name, one in found.items() if name != "netspec" and one}
    workload = f"MNIST MLP step, batch {batch}"
    section = Section(f"{workload}, Adam", CONTENDERS)
    contenders_table(section, found)
    if batch == 64:
        for name, required in ((EAGER, 2.7), (JAX, 1.5), (SKLEARN, 8.0)):
            section.checks.extend(times_faster(workload, ours, found[name], required))
    elif peers:
        section.checks.extend(times_faster(workload, ours, min(peers.values(), key=lambda one: one.median), 1.25))
    if ours:
        _add_limit(section, ours, limit, workload if batch == 512 else None)
        add_ticks(section, ours.facts["ticks"], ours.median)
    return section


def _add_limit(section: Section, ours: Samples, limit: Samples, workload: str | None) -> None:
    """The share of the machine's limit, from the best that either reached in any round and from medians."""
    if not limit:
        return
    flop = ours.facts["flop"]
    bound = flop * limit.median
    share = bound / ours.median
    section.remarks.append(
        f"The limit of multiply-adds on {THREADS} threads was {1e-9 / limit.median:.0f} GFLOP/s (most: "
        f"{1e-9 / limit.least:.0f}), so the step's {flop / 1e6:.1f} MFLOP take at least {bound * 1e6:.0f} us: netspec "
        f"reaches {share:.0%} of the limit over the whole step."
    )
    if workload:
        section.checks.append(Check(workload, f"{share:.1%} of the FMA limit", "85 % of the FMA limit", share >= 0.85))


def add_ticks(section: Section, ticks: list[tuple[str, float]], seconds: float) -> None:
    """Where netspec's step spends its time."""
    shown = ", ".join(f"{name} {share * seconds * 1e6:.1f}" for name, share in ticks if share >= 0.005)
    section.remarks.append(f"Where the step goes, row by row of its program, in us as a mean over threads: {shown}.")
