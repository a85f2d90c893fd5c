"""Computes a graph with NumPy, node by node: the oracle of every pass and every kernel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from netspec.compiler.graph.node import Graph, Input, Node, Value, key_of
from netspec.compiler.graph.printer import name_values, show_node
from netspec.compiler.graph.verify import GraphError
from netspec.tensortype import Size, TensorType, bind

if TYPE_CHECKING:
    import numpy as np

    from netspec.compiler.graph.op import Array, Real


def interpret(
    graph: Graph,
    arrays: Mapping[str, Array],
    real: Real | None = None,
    sizes: Mapping[str, int] | None = None,
) -> dict[str, Array]:
    """The outputs of ``graph`` by key.

    Args:
        graph: What to compute.
        arrays: The inputs by key; those that no output needs may be missing, derived ones are made by the setup.
        real: The precision of real numbers, whatever the types say: float32 (default) or float64.
        sizes: Symbols that no array's shape tells.

    Raises:
        GraphError: if an array is missing or has another shape than its type says.
    """
    values = interpret_values(graph, arrays, real, sizes)
    return {key: values[value] for key, value in graph.outputs}


def interpret_values(
    graph: Graph,
    arrays: Mapping[str, Array],
    real: Real | None = None,
    sizes: Mapping[str, int] | None = None,
    kept: Mapping[Value, Array] | None = None,
) -> dict[Value, Array]:
    """Every value of ``graph``, as `interpret` computes it; what is ``kept`` of another time is not computed again."""
    import numpy as np

    real = np.float32 if real is None else real
    if graph.setup is not None and not {key_of(v) for v in graph.inputs_of("derived")} <= arrays.keys():
        arrays = {**interpret(graph.setup, arrays, real, sizes), **arrays}
    bound = bind_sizes(graph, arrays, sizes)
    needed = graph.results | graph.uses.keys()
    values: dict[Value, Array] = dict(kept or {})
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if kept and all(value in kept for value in node.values):
                continue
            if isinstance(node.op, Input):
                results = _given(node.op, arrays, real) if node.value() in needed else ()
            else:
                results = node.op.bind(bound).reference([values[value] for value in node.inputs], real)
            for value, array in zip(node.values, results, strict=False):
                values[value] = _checked(graph, node, value.type.bind(bound), array, real)
    return values


def bind_sizes(graph: Graph, arrays: Mapping[str, Array], sizes: Mapping[str, int] | None = None) -> dict[str, int]:
    """The symbols of the inputs' types, as the arrays' shapes tell them.

    Raises:
        GraphError: if two arrays disagree.
    """
    bound = dict(sizes or {})
    given = [(value, arrays[key_of(value)]) for value in graph.inputs if key_of(value) in arrays]
    for value, array in given:
        for dim, length in zip(value.type.shape, array.shape, strict=False):
            if isinstance(dim, Size) and len(dim.terms) == 1 and dim.terms[0][1] == 1 and len(dim.terms[0][0]) == 1:
                bound.setdefault(dim.terms[0][0][0], length)
    for value, array in given:
        expected = tuple(bind(dim, bound) for dim in value.type.shape)
        if expected != array.shape:
            raise GraphError(f"the input `{key_of(value)}` is {value.type}, got an array of shape {array.shape}")
    return bound


def _given(op: Input, arrays: Mapping[str, Array], real: Real) -> Iterable[Array]:
    import numpy as np

    if op.key not in arrays:
        raise GraphError(f"no array was given for the input `{op.key}`")
    return (np.asarray(arrays[op.key], numpy_dtype(op.type, real)),)


def numpy_dtype(type_: TensorType, real: Real) -> np.dtype[Any]:
    """The dtype of an array of ``type_``, where real numbers are ``real``."""
    import numpy as np

    return np.dtype(real if type_.dtype in ("float32", "float64") else type_.dtype)


def _checked(graph: Graph, node: Node, type_: TensorType, array: Array, real: Real) -> Array:
    """``array`` if it is what the node's type promises: the type rule and the reference must agree."""
    if array.shape == type_.shape and array.dtype == numpy_dtype(type_, real):
        return array
    line = show_node(node, name_values(graph.nodes))
    raise GraphError(f"the reference gives {array.dtype}{list(array.shape)} for {type_} in\n  {line}")
