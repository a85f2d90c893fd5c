"""Weights alone, by their paths, for other programs and for `netspec train --weights`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.interpreter import interpret
from netspec.export.format import Format, Model, Samples
from netspec.runs.tensors import load_tensors, save_tensors

if TYPE_CHECKING:
    from netspec.export.format import Array


class Safetensors(Format):
    """The best weights under their paths; the spec and the scaling of the inputs go along as metadata."""

    name: ClassVar[str] = "safetensors"
    suffix: ClassVar[str] = ".safetensors"

    def write(self, model: Model, path: Path) -> list[Path]:
        import json

        scaling = {key: array.reshape(-1).tolist() for key, array in model.constants.items()}
        facts = {
            "format": "netspec-weights-1",
            "origin": model.origin,
            "spec": model.resolved,
            "fitted": json.dumps(model.fitted.to_json()),
            "scaling": json.dumps(scaling),
        }
        save_tensors(path, model.weights, facts)
        return [path]

    def run(self, model: Model, path: Path, samples: Samples) -> Mapping[str, Array]:
        """By the graph's interpreter, which shares nothing with the kernels."""
        import numpy as np

        given = {**load_tensors(path).arrays, **model.constants, "index": np.arange(samples.count)}
        given |= {f"data.{name}": array for name, array in samples.inputs.items()}
        return interpret(model.graph, {key: array for key, array in given.items() if key in model.graph.by_key})
