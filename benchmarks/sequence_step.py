"""Training steps over words and letters: recurrent networks, language models, a text CNN and a tagger.

Data are drawn evenly: every sample is as long as every other, and nothing can be learnt. Both read the same shapes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import THREADS, Contender, Ready, Samples, compare, timed
from benchmarks.machine import make_limit
from benchmarks.mlp_step import add_ticks, row_shares
from benchmarks.mnist import Array
from benchmarks.report import CONTENDERS, Section, contenders_table, times_faster
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

BATCHES = 8
"""Different batches, taken in turn."""

SPEC = """\
netspec: 1
data:
  source:
    random:
      rows: {rows}
      shortest: {steps}
      longest: {steps}
      fields: {{x: {{index: {words}, shape: {shape}}}, y: {{index: {classes}, shape: {target}}}}}
network:
  inputs: {{x: {shape}}}
  layers:
{layers}
loss: {{cross_entropy: {{target: y}}}}
optimizer: {optimizer}
train: {{epochs: 1, batch: {batch}, seed: 0}}
"""


@dataclass(frozen=True)
class Workload:
    """A network as layers of a spec and as a module of PyTorch, and how much faster its step must be."""

    name: str
    layers: str
    module: Callable[[Any, Any], Any]
    """From ``torch`` and this workload: a module whose output is the scores, a row a target."""
    optimizer: str
    torch_optimizer: Callable[[Any, Any], Any]
    required: float
    words: int
    classes: int
    batch: int
    steps: int
    per_round: int
    tags: bool = True  # a target at each step, else one a sample
    fixed: bool = False  # a fixed number of places instead of a length

    def spec(self) -> str:
        """The whole spec."""
        shape = f"[{self.steps}]" if self.fixed else "[T]"
        target = shape if self.tags else "[]"
        layers = "\n".join(f"    - {line}" for line in self.layers.strip().splitlines())
        return SPEC.format(
            rows=BATCHES * self.batch, steps=self.steps, words=self.words, shape=shape, classes=self.classes,
            target=target, layers=layers, optimizer=self.optimizer, batch=self.batch,
        )  # fmt: skip


@dataclass(frozen=True)
class Recurrent:
    """Embedding, a recurrent layer of PyTorch, and scores of each step."""

    kind: str
    embedded: int
    units: int
    both: bool = False

    def __call__(self, torch: Any, work: Workload) -> Any:
        nn = torch.nn
        vectors = nn.Embedding(work.words, self.embedded)
        cell = getattr(nn, self.kind)(self.embedded, self.units, batch_first=True, bidirectional=self.both)
        scores = nn.Linear(self.units * (1 + self.both), work.classes)

        class Network(nn.Module):  # type: ignore[misc,name-defined]  # torch is no dependency
            def __init__(self) -> None:
                super().__init__()
                self.parts = nn.ModuleList([vectors, cell, scores])

            def forward(self, x: Any) -> Any:
                return scores(cell(vectors(x))[0]).reshape(-1, work.classes)

        return Network()


def nplm(torch: Any, work: Workload) -> Any:
    """Bengio's network with direct connections."""
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.vectors = nn.Embedding(work.words, 30)
            self.hidden, self.scores = nn.Linear(120, 100), nn.Linear(100, work.classes)
            self.direct = nn.Linear(120, work.classes, bias=False)

        def forward(self, x: Any) -> Any:
            x = self.vectors(x).reshape(len(x), -1)
            return self.scores(torch.tanh(self.hidden(x))) + self.direct(x)

    return Network()


def text_cnn(torch: Any, work: Workload) -> Any:
    """Kim's network: windows of 3, 4 and 5 words."""
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.vectors = nn.Embedding(work.words, 128)
            self.widths = nn.ModuleList(nn.Conv1d(128, 100, k) for k in (3, 4, 5))
            self.rate, self.scores = nn.Dropout(0.5), nn.Linear(300, work.classes)

        def forward(self, x: Any) -> Any:
            x = self.vectors(x).transpose(1, 2)
            return self.scores(self.rate(torch.cat([torch.relu(conv(x)).amax(2) for conv in self.widths], 1)))

    return Network()


def adam(torch: Any, parameters: Any) -> Any:
    return torch.optim.Adam(parameters, 1e-3, foreach=True)


def sgd(torch: Any, parameters: Any) -> Any:
    return torch.optim.SGD(parameters, 0.1, foreach=True)


def adadelta(torch: Any, parameters: Any) -> Any:
    return torch.optim.Adadelta(parameters, 1.0, foreach=True)


ADAM, SGD = "{adam: {lr: 1e-3}}", "{sgd: 0.1}"
CHARS = {"words": 65, "classes": 65, "batch": 64, "steps": 50, "per_round": 16}
WORKLOADS = (
    Workload(
        "character LSTM", "embedding: 64\nlstm: 128\ndense: 65", Recurrent("LSTM", 64, 128), ADAM, adam, 1.6, **CHARS
    ),
    Workload(
        "character GRU", "embedding: 64\ngru: 128\ndense: 65", Recurrent("GRU", 64, 128), ADAM, adam, 2.4, **CHARS
    ),
    Workload(
        "Elman language model", "embedding: 100\nrnn: 200\ndense: 10000", Recurrent("RNN", 100, 200), SGD, sgd, 1.6,
        words=10_000, classes=10_000, batch=32, steps=20, per_round=8,
    ),
    Workload(
        "NPLM with direct connections",
        "embedding: 30\nflatten: {name: vectors}\ndense: {units: 100, activation: tanh}\n"
        "dense: {units: 16383, name: scores}\ndense: {units: 16383, bias: false, from: vectors, name: direct}\n"
        "add: [scores, direct]",
        nplm, SGD, sgd, 2.2, words=16_383, classes=16_383, batch=128, steps=4, per_round=8, tags=False, fixed=True,
    ),
    Workload(
        "text CNN",
        "embedding: {size: 128, name: vectors}\n"
        + "".join(
            f"conv1d: {{filters: 100, kernel: {k}, padding: valid, activation: relu, from: vectors}}\n"
            f"max_over_time: {{name: w{k}}}\n"
            for k in (3, 4, 5)
        )
        + "concat: [w3, w4, w5]\ndropout: 0.5\ndense: 2",
        text_cnn, "{adadelta: {lr: 1}}", adadelta, 1.8,
        words=18_000, classes=2, batch=50, steps=50, per_round=16, tags=False,
    ),
    Workload(
        "BiLSTM tagger", "embedding: 100\nlstm: {units: 100, bidirectional: true}\ndense: 17",
        Recurrent("LSTM", 100, 100, both=True), SGD, sgd, 1.9,
        words=20_000, classes=17, batch=32, steps=30, per_round=16,
    ),
)  # fmt: skip


def make_netspec(work: Workload, *, threads: int = THREADS) -> Ready:
    """The engine that `netspec train` uses: all steps of a round in one call of the driver."""
    made, rows, rates = _engine(work, threads), _orders(work), np.full(work.per_round, 1e-3)
    ticks = row_shares(_engine(work, threads), work.batch, next(rows))
    flop = 2 * _multiply_adds(made, work)
    return Ready(timed(lambda: made.train(next(rows), 0, rates), work.per_round), facts={"flop": flop, "ticks": ticks})


def _engine(work: Workload, threads: int) -> Engine:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.yaml"
        path.write_text(work.spec(), "utf-8")
        there = open_spec(load(path))
    return Engine(there.program, there.dataset.arrays, there.constants, seed=0, threads=threads)


def _multiply_adds(made: Engine, work: Workload) -> int:
    from netspec.compiler.graph.cost import multiply_adds

    return multiply_adds(made.program.step, {"B": work.batch, "T": work.steps})


def _orders(work: Workload) -> Iterator[Array]:
    """The rows of each round, ``int64[steps, batch]``."""
    rng = np.random.default_rng(0)
    while True:
        whole = [rng.permutation(BATCHES * work.batch) for _ in range(-(-work.per_round // BATCHES))]
        yield np.concatenate(whole)[: work.per_round * work.batch].reshape(work.per_round, work.batch)


def make_torch(work: Workload) -> Ready:
    """PyTorch, step by step; compiled steps are not measured."""
    torch: Any = import_module("torch")
    torch.set_num_threads(THREADS)
    rng, count = np.random.default_rng(0), BATCHES * work.batch
    x = torch.from_numpy(rng.integers(work.words, size=(count, work.steps)))
    y = torch.from_numpy(rng.integers(work.classes, size=(count, work.steps) if work.tags else count))
    model = work.module(torch, work)
    optimizer, rows = work.torch_optimizer(torch, model.parameters()), _orders(work)

    def round_() -> None:
        for row in torch.from_numpy(next(rows)):
            loss = torch.nn.functional.cross_entropy(model(x[row]), y[row].reshape(-1))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return Ready(timed(round_, work.per_round), "eager")


def run() -> list[Section]:
    """All workloads."""
    return [_section(work) for work in WORKLOADS]


def _section(work: Workload) -> Section:
    contenders = [
        Contender("netspec", make_netspec, (work,)),
        Contender("FMA limit", make_limit),
        Contender("PyTorch", make_torch, (work,), ("torch",)),
    ]
    found = compare(contenders, rounds=15, seconds=20)
    limit = found.pop("FMA limit")
    section = Section(f"{work.name}: a step", CONTENDERS)
    contenders_table(section, found)
    section.checks.extend(times_faster(work.name, found["netspec"], found["PyTorch"], work.required))
    if found["netspec"] and limit:
        _add_limit(section, found["netspec"], limit)
    return section


def _add_limit(section: Section, ours: Samples, limit: Samples) -> None:
    bound = ours.facts["flop"] * limit.median
    section.remarks.append(
        f"The step's {ours.facts['flop'] / 1e6:.0f} MFLOP take at least {bound * 1e3:.1f} ms on {THREADS} threads: "
        f"netspec reaches {bound / ours.median:.0%} of the limit over the whole step."
    )
    add_ticks(section, ours.facts["ticks"], ours.median)
