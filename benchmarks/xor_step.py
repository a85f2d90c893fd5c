"""A training step of XOR, 2-2-1 with sigmoids, full batch of 4, SGD with momentum: the cost beside arithmetic."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks import mnist
from benchmarks.harness import Contender, Ready, best_of, compare, timed
from benchmarks.report import CONTENDERS, Section, at_most, contenders_table

SPEC = mnist.ROOT / "specs" / "xor.yaml"
LR, MOMENTUM = 2.0, 0.9
INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
ANSWERS = np.array([[0], [1], [1], [0]], np.float32)


def make_netspec() -> Ready:
    """The engine that `netspec train` uses, with as many threads as it chooses."""
    from netspec.spec.document import load
    from netspec.train.engine import Engine
    from netspec.train.opening import open_spec

    opened = open_spec(load(SPEC))
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=1)
    steps = min(20_000, engine.capacity(4))
    rng, lr = np.random.default_rng(0), np.full(steps, LR)
    rows = np.stack([rng.permutation(4) for _ in range(steps)])
    return Ready(timed(lambda: engine.train(rows, 0, lr), steps), f"{engine.threads('step', {'B': 4})} thread")


def make_torch(compiled: bool) -> Ready:
    """PyTorch eager with the faster of its kinds of SGD, or under `torch.compile`."""
    torch: Any = import_module("torch")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)  # such small work gains nothing from more

    x, y = torch.from_numpy(INPUTS), torch.from_numpy(ANSWERS)

    def step_of(**kind: bool) -> Any:
        layers = [torch.nn.Linear(2, 2), torch.nn.Sigmoid(), torch.nn.Linear(2, 1), torch.nn.Sigmoid()]
        model = torch.nn.Sequential(*layers)
        optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, **kind)

        def step() -> None:
            loss = 0.5 * ((model(x) - y) ** 2).sum(1).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return torch.compile(step) if compiled else step

    def round_of(step: Any) -> Any:
        return timed(lambda: [step() for _ in range(300)], 300)

    if compiled:
        return Ready(round_of(step_of(foreach=True)), "`torch.compile`, optimizer too")
    rounds = {name: round_of(step_of(**{name: True})) for name in ("fused", "foreach")}
    best = best_of(rounds)
    return Ready(rounds[best], f"SGD {best}")


def make_jax() -> Ready:
    """All steps as one jitted `lax.scan`."""
    jax: Any = import_module("jax")
    jnp, steps = jax.numpy, 20_000

    def loss_of(p: Any) -> Any:
        (w1, b1), (w2, b2) = p
        y = jax.nn.sigmoid(jax.nn.sigmoid(INPUTS @ w1 + b1) @ w2 + b2)
        return 0.5 * ((y - ANSWERS) ** 2).sum(1).mean()

    def step(state: Any, _: Any) -> Any:
        p, velocity = state
        loss, g = jax.value_and_grad(loss_of)(p)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, g)
        return (jax.tree.map(lambda p, v: p - LR * v, p, velocity), velocity), loss

    run = jax.jit(lambda state: jax.lax.scan(step, state, None, length=steps))
    rng = np.random.default_rng(0)
    shapes = (((2, 2), (2,)), ((2, 1), (1,)))
    p = [tuple(jnp.asarray(rng.standard_normal(s), jnp.float32) for s in pair) for pair in shapes]
    state = (p, jax.tree.map(jnp.zeros_like, p))

    def work() -> None:
        nonlocal state
        state, losses = run(state)
        losses.block_until_ready()

    return Ready(timed(work, steps), "one jitted call for all steps")


def run() -> list[Section]:
    """A step in at most a microsecond."""
    contenders = [
        Contender("netspec", make_netspec),
        Contender("PyTorch eager", make_torch, (False,), ("torch",)),
        Contender("PyTorch compiled", make_torch, (True,), ("torch",)),
        Contender("JAX scan", make_jax, (), ("jax",)),
    ]
    found = compare(contenders, rounds=15, seconds=12)
    section = Section("XOR 2-2-1 step, full batch of 4", CONTENDERS)
    contenders_table(section, found)
    if ours := found["netspec"]:
        section.checks.append(at_most("XOR step", ours.median, 1e-6))
    return [section]
