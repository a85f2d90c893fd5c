"""A graph as text that `parser` reads back: one line a node, its types behind the colon, its origin behind ``#``.

::

    graph "step" {
      %0 = input stored "pixels" : uint8[N, 64]
      %1 = input index "index" : int64[B]
      %2 = gather %0, %1 : uint8[B, 64]  # input:3
      return "pixels" = %2
    }

The body of a loop is a graph in the lines above its node, which names it: ``scan {body=@lstm_1, steps=T} %5, %7``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields
from typing import Any

from netspec.compiler.formula.formula import Formula
from netspec.compiler.graph.node import Graph, Input, Node, Value
from netspec.compiler.graph.op import PARTS, Op
from netspec.tensortype import Layout, Size, TensorType


def show(graph: Graph) -> str:
    """The text of ``graph`` and, inside it, of the bodies of its loops and of its setup."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> list[str]:
    names = name_values(graph.nodes)
    lines = [f"graph {json.dumps(graph.name)} {{"]
    for node in graph.nodes:
        for body in node.op.bodies():
            first, *rest = _lines(body)
            lines += [f"  body {first}", *(f"  {line}" for line in rest)]
        lines.append(f"  {show_node(node, names)}")
    lines += [f"  return {json.dumps(key)} = {names[value]}" for key, value in graph.outputs]
    if graph.setup is not None:
        first, *rest = _lines(graph.setup)
        lines += [f"  setup {first}", *(f"  {line}" for line in rest)]
    return [*lines, "}"]


def name_values(nodes: Iterable[Node]) -> dict[Value, str]:
    """``%0``, ``%1``, ... for all results in the order of their nodes."""
    values = [value for node in nodes for value in node.values]
    return {value: f"%{i}" for i, value in enumerate(values)}


def show_node(node: Node, names: dict[Value, str]) -> str:
    """One line; a value that has no name shows as ``%?``."""
    results = ", ".join(names.get(value, "%?") for value in node.values)
    inputs = ", ".join(names.get(value, "%?") for value in node.inputs)
    types = ", ".join(map(str, node.types))
    line = f"{results} = {_head(node.op)}{' ' + inputs if inputs else ''} : {types}"
    origin = node.origin
    return line if origin is None else f"{line}  # {origin.path}:{origin.line}"


def _head(op: Op) -> str:
    if isinstance(op, Input):
        return f"input {op.role} {json.dumps(op.key)}"
    attributes = show_fields(op)
    return f"{op.name} {{{attributes}}}" if attributes else op.name


def show_fields(owner: Any) -> str:
    """The fields of a dataclass that differ from their defaults: ``axis=1, start=0``."""
    return ", ".join(
        f"{f.name}={show_attribute(getattr(owner, f.name))}"
        for f in fields(owner)
        if not _is_default(f, getattr(owner, f.name))
    )


def _is_default(f: Field[Any], value: object) -> bool:
    default = f.default_factory() if f.default_factory is not MISSING else f.default
    return type(value) is type(default) and value == default


def show_attribute(value: object) -> str:  # noqa: PLR0911  one line for each kind of value
    """One attribute; the text itself says of which kind it is.

    Raises:
        TypeError: if ``value`` is of a kind that has no text.
    """
    match value:
        case None | bool():
            return str(value).lower()
        case int() | float() | Size() | TensorType():
            return str(value)
        case str():
            return json.dumps(value)
        case Graph():  # which stands in the lines above
            return f"@{value.name}"
        case tuple():
            return f"[{', '.join(map(show_attribute, value))}]"
        case Formula() | Layout():
            return f"`{value.signature}`" if isinstance(value, Formula) else f"<{value}>"
    if type(value).__name__ not in PARTS:
        raise TypeError(f"an attribute of type {type(value).__name__} has no text")
    return f"{type(value).__name__}({show_fields(value)})"
