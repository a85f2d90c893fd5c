"""The prediction of one MNIST sample in a process that is already running: 8-bit pixels in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks import mnist
from benchmarks.harness import Contender, Ready, Samples, best_of, compare, duration_of, timed
from benchmarks.mnist import Array
from benchmarks.report import CONTENDERS, Check, Section, contenders_table, duration

COUNT = 4_000  # predictions a round
OPSET = 17


def samples() -> Array:
    """Some images of the test split, ``uint8[n, 784]``."""
    images, _ = mnist.training_data()
    return images[:COUNT]


def make_netspec() -> Ready:
    """An engine over a table of one row, which each sample is copied into."""
    from netspec.compiler.codegen.memory import keep
    from netspec.train.engine import Engine

    there = mnist.opened()
    table = keep(np.zeros((1, 28, 28, 1), np.uint8))
    engine = Engine(there.program, {"image": table}, there.constants, seed=there.program.document.train.seed)
    images, slot, row = samples(), table.reshape(1, 784), np.zeros(1, np.int64)

    def work() -> None:
        for image in images:
            slot[0] = image
            engine.predict(row)

    work()
    linked = engine.linked("predict", {"B": 1})
    crew = engine.crew(linked.threads)
    facts = {
        "kernels": min(linked.run(crew, 1) for _ in range(COUNT)),
        "driver": duration_of(lambda: linked.run(crew, 1), COUNT),
        "whole": duration_of(lambda: engine.predict(row), COUNT),
        "result": engine.predict(row)["logits"].tolist(),
    }
    threads = f"{linked.threads} thread" + ("s" if linked.threads > 1 else "")
    return Ready(timed(work, COUNT), f"`Engine.predict`, {threads}", facts)


def make_onnx() -> Ready:
    """The same weights in onnxruntime, with the fastest of its settings."""
    runtime: Any = import_module("onnxruntime")
    images = samples()
    rounds: dict[str, Callable[[], float]] = {}
    results = {}
    for eight_bit in (True, False):
        model = _model(eight_bit).SerializeToString()
        for threads in (1, 2):
            options = runtime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
            session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            name = f"{'8-bit' if eight_bit else 'float32'} input, {threads} thread" + ("s" if threads > 1 else "")
            rounds[name] = timed(_predicting(session, images, eight_bit), COUNT)
            results[name] = session.run(None, {"image": _given(images[-1], eight_bit)})[0].tolist()
    best = best_of(rounds, tries=11)
    return Ready(rounds[best], best, {"result": results[best]})


def _given(image: Array, eight_bit: bool) -> Array:
    return image[None] if eight_bit else image[None].astype(np.float32)


def _predicting(session: Any, images: Array, eight_bit: bool) -> Callable[[], None]:
    def work() -> None:
        for image in images:
            session.run(None, {"image": _given(image, eight_bit)})

    return work


def _model(eight_bit: bool) -> Any:
    """The network as ONNX: scaled pixels, three `Gemm`, softmax."""
    onnx: Any = import_module("onnx")
    helper, kinds, array = onnx.helper, onnx.TensorProto, onnx.numpy_helper.from_array
    nodes = [helper.make_node("Cast", ["image"], ["pixels"], to=kinds.FLOAT)] if eight_bit else []
    nodes.append(helper.make_node("Mul", ["pixels" if eight_bit else "image", "scale"], ["x0"]))
    constants = [array(np.array(1 / 255, np.float32), "scale")]
    layers = mnist.initial_weights()
    for i, (weight, bias) in enumerate(layers):
        constants += [array(weight, f"w{i}"), array(bias, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [f"x{i}", f"w{i}", f"b{i}"], [f"z{i}"]))
        last = i == len(layers) - 1
        nodes.append(helper.make_node("Softmax" if last else "Relu", [f"z{i}"], ["y" if last else f"x{i + 1}"]))
    given = helper.make_tensor_value_info("image", kinds.UINT8 if eight_bit else kinds.FLOAT, [1, 784])
    result = helper.make_tensor_value_info("y", kinds.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "mlp", [given], [result], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def run() -> list[Section]:
    """At most the time of onnxruntime."""
    needs = ("onnx", "onnxruntime")
    contenders = [Contender("netspec", make_netspec), Contender("onnxruntime", make_onnx, (), needs)]
    found = compare(contenders, rounds=15, seconds=15)
    section = Section("Prediction of one MNIST sample, in process", CONTENDERS)
    contenders_table(section, found)
    ours, theirs = found["netspec"], found["onnxruntime"]
    if ours and theirs:
        what = f"{duration(ours.median)}, onnxruntime {duration(theirs.median)}"
        section.checks.append(
            Check("prediction of one MNIST sample", what, "at most onnxruntime's time", ours.median <= theirs.median)
        )
        apart = float(np.abs(np.subtract(ours.facts["result"], theirs.facts["result"])).max())
        section.remarks.append(f"The probabilities of both differ by {apart:.1e} at most.")
    if ours:
        section.remarks.append(_shares(ours))
    return [section]


def _shares(ours: Samples) -> str:
    """Where netspec's time goes, from the kernels outward."""
    kernels, driver, whole = (ours.facts[name] for name in ("kernels", "driver", "whole"))
    return (
        f"Of netspec's time the driver and its kernels take {duration(kernels)}; entering them from Python "
        f"{duration(max(driver - kernels, 0))}; handing in the row and unpacking the result "
        f"{duration(max(whole - driver, 0))}; copying the sample into the table the rest."
    )
