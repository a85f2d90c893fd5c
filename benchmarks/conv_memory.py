"""What training steps of ResNet-20 take in memory, beside PyTorch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.conv_step import DECAY, LR, MOMENTUM, RESNET, resnet20
from benchmarks.harness import THREADS
from benchmarks.processes import FACTS, python
from benchmarks.report import Check, Section

BATCH, STEPS = 64, 3
NOTE = "import sys; from benchmarks.conv_memory import note; note(sys.argv[1])"
HEADER = ("who", "packages loaded, MB", "most after three steps, MB", "added, MB")


def run() -> list[Section]:
    """The most that a process ever takes, without the data, and what of it is not the packages."""
    section = Section("Memory of training steps of ResNet-20, batch 64", HEADER)
    peaks = {}
    for who in ("netspec", "PyTorch"):
        facts = python(NOTE, [who]).facts
        peaks[who] = facts["peak"]
        added = facts["peak"] - facts["packages"]
        section.rows.append((who, *(f"{1e-6 * n:.0f}" for n in (facts["packages"], facts["peak"], added))))
    measured = f"{1e-6 * peaks['netspec']:.0f} MB, PyTorch {1e-6 * peaks['PyTorch']:.0f} MB"
    reached = peaks["netspec"] <= peaks["PyTorch"]
    section.checks.append(Check("memory of ResNet-20 training, batch 64", measured, "at most PyTorch's", reached))
    return [section]


def note(who: str) -> None:
    """Take some steps on made-up images, and note how much memory this process took at most."""
    from benchmarks.watched import memory

    (_take_netspec if who == "netspec" else _take_torch)(facts := dict[str, int]())
    Path(os.environ[FACTS]).write_text(json.dumps({**facts, "peak": memory()["peak"]}), "utf-8")


def _take_netspec(facts: dict[str, int]) -> None:
    from benchmarks.watched import memory
    from netspec import api
    from netspec.train.timing import engine_without_data

    facts["packages"] = memory()["peak"]
    engine = engine_without_data(api.compile(RESNET.spec).program, "step", BATCH, threads=THREADS)
    engine.train(np.zeros((STEPS, BATCH), np.int64), 0, np.full(STEPS, LR))


def _take_torch(facts: dict[str, int]) -> None:
    import torch as found

    from benchmarks.watched import memory

    torch: Any = found
    torch.set_num_threads(THREADS)
    facts["packages"] = memory()["peak"]
    model, images = resnet20(torch.nn), torch.randn(BATCH, 3, 32, 32)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY, foreach=True)
    for _ in range(STEPS):
        loss = torch.nn.functional.cross_entropy(model(images), torch.zeros(BATCH, dtype=torch.int64))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
