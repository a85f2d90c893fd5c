"""The prediction of 1 and of 64 images by convolutional networks, in a process that is already running."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Contender, Ready, best_of, compare, timed
from benchmarks.mnist import Array
from benchmarks.onnx_layers import onnx_model
from benchmarks.report import CONTENDERS, Check, Section, contenders_table, duration

SPECS = Path(__file__).resolve().parent.parent / "specs"
NETWORKS = ("mnist/lenet5.yaml", "cifar10/resnet20.yaml", "imagenet/resnet18.yaml")
BATCHES = (1, 64)
ROUND = 4e9  # multiply-adds of a round: 20 to 50 ms
ROUNDS, SECONDS = 15, 20


def _program(spec: str) -> Any:
    """The network, its 8-bit pixels scaled to 0 to 1; its data are not opened."""
    from dataclasses import replace

    from netspec.diagnostics import Report
    from netspec.pipeline import Program, static_program
    from netspec.spec.document import load
    from netspec.spec.lowering import Model

    document = load(SPECS / spec)
    found = static_program(document, Report())
    fields = {
        name: replace(facts, scaling=()) if facts.dtype == "uint8" else facts
        for name, facts in found.fields.items()
        if name in found.inputs
    }
    return Program(document, Model(document, Report()), fields)


def _engine(program: Any, images: Array) -> Any:
    """An engine with drawn weights over a table of images."""
    from netspec.train.engine import Engine

    (name,) = program.inputs
    constants = {f"data.{name}.offset": np.zeros((), np.float32), f"data.{name}.scale": np.array(_scale(images))}
    engine = Engine(program, {name: images}, constants, seed=0)
    # A network that was not trained has layers that make their input larger; 4 keeps 18 layers in the range of softmax.
    engine.load({key: np.full_like(w, 4) for key, w in engine.weights().items() if key.endswith(".variance")})
    return engine


def _scale(images: Array) -> np.float32:
    return np.float32(1 / 255 if images.dtype == np.uint8 else 1)


def _images(program: Any, batch: int) -> Array:
    from netspec.compiler.codegen.memory import keep

    (given,), (facts,) = program.document.network.inputs, program.fields.values()
    drawn = np.random.default_rng(0).random((batch, *given.shape))
    return keep((drawn * 255).astype(np.uint8) if facts.dtype == "uint8" else drawn.astype(np.float32))


def _repeats(program: Any, batch: int) -> int:
    from netspec.compiler.graph.cost import multiply_adds

    return max(1, int(ROUND / multiply_adds(program.predict, {"B": batch})))


def make_netspec(spec: str, batch: int) -> Ready:
    """An engine over a table of the images."""
    program = _program(spec)
    engine, rows = _engine(program, _images(program, batch)), np.arange(batch)
    repeats = _repeats(program, batch)

    def work() -> None:
        for _ in range(repeats):
            engine.predict(rows)

    (result,) = engine.predict(rows).values()
    threads = engine.threads("predict", {"B": batch})
    note = f"`Engine.predict`, {threads} thread{'s' if threads > 1 else ''}"
    return Ready(timed(work, repeats), note, {"result": result[:4].tolist()})


def make_onnx(spec: str, batch: int) -> Ready:
    """The same weights in onnxruntime, from pixels that are float32 and in its order already."""
    runtime: Any = import_module("onnxruntime")
    program = _program(spec)
    images = _images(program, batch)
    model = onnx_model(program, _engine(program, images).weights(), batch, float(_scale(images)))
    given = {"image": np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)}
    repeats = _repeats(program, batch)
    rounds: dict[str, Callable[[], float]] = {}
    results = {}
    for threads in (1, 2):
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        def work(session: Any = session) -> None:
            for _ in range(repeats):
                session.run(None, given)

        name = f"{threads} thread" + ("s" if threads > 1 else "")
        rounds[name], results[name] = timed(work, repeats), session.run(None, given)[0][:4].tolist()
    best = best_of(rounds)
    return Ready(rounds[best], best, {"result": results[best]})


def run() -> list[Section]:
    """At most the time of onnxruntime for one image."""
    return [_measured(spec, batch) for spec in NETWORKS for batch in BATCHES]


def _measured(spec: str, batch: int) -> Section:
    name = Path(spec).stem
    what = f"prediction of {batch} image{'s' if batch > 1 else ''} by {name}"
    section = Section(what[0].upper() + what[1:], CONTENDERS)
    if not (SPECS / spec).exists():
        section.remarks.append(f"Not measured: there is no specs/{spec}.")
        return section
    needs = ("onnx", "onnxruntime")
    contenders = [
        Contender("netspec", make_netspec, (spec, batch)),
        Contender("onnxruntime", make_onnx, (spec, batch), needs),
    ]
    found = compare(contenders, rounds=ROUNDS, seconds=SECONDS)
    contenders_table(section, found)
    ours, theirs = found["netspec"], found["onnxruntime"]
    if ours and theirs:
        measured = f"{duration(ours.median)}, onnxruntime {duration(theirs.median)}"
        if batch == 1:
            section.checks.append(Check(what, measured, "at most onnxruntime's time", ours.median <= theirs.median))
        apart = float(np.abs(np.subtract(ours.facts["result"], theirs.facts["result"])).max())
        section.remarks.append(f"The probabilities of both differ by {apart:.1e} at most.")
    return section
