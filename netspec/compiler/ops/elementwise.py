"""What `Map` and the epilogues of other ops share: type rule and reference of a formula over broadcast inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from netspec.compiler.formula.expr import Call
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.functions import FUNCTIONS
from netspec.tensortype import DType, ShapeError, TensorType, broadcast

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real


def real_dtype(inputs: Sequence[TensorType]) -> DType:
    """What arithmetic on ``inputs`` gives: float64 if one of them is, else float32."""
    return "float64" if "float64" in [x.dtype for x in inputs] else "float32"


def infer_formula(name: str, formula: Formula, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
    """A result of the inputs' common shape for each result of ``formula``.

    Raises:
        ShapeError: if the shapes do not fit together, or the formula is not elementwise.
    """
    if len(inputs) != len(formula.inputs):
        raise ShapeError(f"`{name}` has a formula of {len(formula.inputs)} inputs, got {len(inputs)}")
    if fault := _fault(formula):
        raise ShapeError(f"`{name}` is elementwise, its formula has {fault}: {formula}")
    shape = broadcast(*(x.shape for x in inputs))
    return (TensorType(real_dtype(inputs), shape),) * len(formula.outputs)


@lru_cache(maxsize=4096)
def _fault(formula: Formula) -> str | None:
    """What a formula has that no elementwise op computes."""
    if formula.reduces:
        return "a reduction"
    return "a draw without key and step" if any(len(draw.operands) != 3 for draw in formula.draws) else None


@lru_cache(maxsize=4096)
def by_place(formula: Formula) -> bool:
    """Whether an element's value depends on its place in the whole, so that another shape would change it."""
    calls = (node.function for node in formula.nodes if isinstance(node, Call))
    return any(name in ("column", "columns") or FUNCTIONS[name].random for name in calls)


def evaluate_formula(formula: Formula, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
    """The results of ``formula``, each an array of its own in the inputs' common shape."""
    import numpy as np

    from netspec.compiler.formula.evaluate import evaluate

    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    results = evaluate(formula, inputs, np.dtype(real).name, shape)
    return tuple(np.array(np.broadcast_to(result, shape), real) for result in results)
