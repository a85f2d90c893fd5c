"""Formulas on NumPy arrays: the reference of every kernel, and the arithmetic of the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.compiler.formula.expr import Call, Constant, Expr, Name, Reduction
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.functions import FUNCTIONS, REDUCTIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def evaluate(
    formula: Formula,
    inputs: Sequence[ArrayLike],
    dtype: str = "float32",
    shape: tuple[int, ...] | None = None,
) -> tuple[Array, ...]:
    """The results on arrays that broadcast as in NumPy.

    Args:
        formula: any formula; reductions keep their axis with length 1.
        inputs: one array for each input, converted to ``dtype``.
        dtype: in which all is computed, ``float32`` or ``float64``.
        shape: of the whole, for ``column()``, ``columns()``, draws and reductions; by default the inputs' common shape.

    Returns:
        One array for each result; one that depends on nothing of full shape has a smaller shape that broadcasts.
    """
    import numpy as np

    arrays = {name: np.asarray(given, dtype) for name, given in zip(formula.inputs, inputs, strict=True)}
    whole = np.broadcast_shapes(*(array.shape for array in arrays.values())) if shape is None else shape
    values: dict[Expr, Array] = {}
    with np.errstate(all="ignore"):
        for node in formula.nodes:
            values[node] = _value(node, [values[operand] for operand in node.operands], arrays, whole, dtype)
    return tuple(values[output] for output in formula.outputs)


def evaluate_scalar(formula: Formula, values: Mapping[str, ArrayLike]) -> tuple[Array, ...]:
    """The results in float64 for named numbers, or for one-dimensional arrays of them: a scalar for every step."""
    return evaluate(formula, [values[name] for name in formula.inputs], "float64")


def _value(node: Expr, operands: list[Array], arrays: Mapping[str, Array], shape: tuple[int, ...], dtype: str) -> Array:
    import numpy as np

    match node:
        case Constant():
            return np.asarray(node.value, dtype)
        case Name():
            return arrays[node.name]
        case Reduction():
            columns = (*np.broadcast_shapes(operands[0].shape, (1,))[:-1], shape[-1])
            kind = REDUCTIONS[node.kind]
            reduced = getattr(np, kind.ufunc).reduce(np.broadcast_to(operands[0], columns), axis=-1, keepdims=True)
            return np.asarray(reduced, dtype)
        case Call():
            return _call(node, operands, shape, dtype)
    raise TypeError(f"not an expression: {node!r}")


def _call(node: Call, operands: list[Array], shape: tuple[int, ...], dtype: str) -> Array:
    import numpy as np

    function = FUNCTIONS[node.function]
    result = np.asarray(function.numpy(np, *operands, *([shape] if function.placed else [])))
    return result if function.condition else result.astype(dtype, copy=False)
