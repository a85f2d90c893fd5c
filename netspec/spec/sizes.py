"""Whether what layers compute and learn can be held at all: asked of shapes, before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from netspec.compiler.graph import Graph, Node, Value, key_of, role_of
from netspec.diagnostics import Report
from netspec.memory import amount, room
from netspec.spec.network import LayerNode, Network, ValueRef
from netspec.tensortype import ITEM_BYTES, bind, show_shape

MOST_BYTES: Final = 1 << 44
"""Of one sample of one value, or of one weight: what is larger is a slip of the pen on any machine."""

WORTH_TELLING: Final = 1 << 30
"""From here on a spec is held against this machine too: what is free of it changes by less."""


def bytes_of(value: Value) -> int:
    """What a value of one sample takes; 0 where only the data will tell."""
    count = bind(value.type.elements, {"B": 1})
    return count * ITEM_BYTES[value.type.dtype] if isinstance(count, int) else 0


def largest(nodes: Iterable[Node]) -> Value | None:
    """The value that takes the most memory; of equals the first."""
    return max((value for node in nodes for value in node.values), key=bytes_of, default=None)


def check_sizes(network: Network, values: Mapping[ValueRef, Value], report: Report) -> None:
    """Hold every layer to what memory there can be; of layers that follow one another the first is told."""
    by_path: dict[str, list[Node]] = {}
    for node in Graph("values", (), tuple((str(ref), value) for ref, value in values.items())).nodes:
        if node.origin is not None:
            by_path.setdefault(node.origin.path, []).append(node)
    beyond: set[str] = set()
    for layer in network.nodes:
        found = largest(by_path.get(layer.path, ()))
        follows = any(ref.path in beyond for ref in layer.inputs)
        if follows or (found is not None and _is_beyond(layer, found, report)):
            beyond.add(layer.path)


def _is_beyond(layer: LayerNode, value: Value, report: Report) -> bool:
    """Whether nothing, or not this machine, could hold ``value``; the report tells it."""
    needed = bytes_of(value)
    if needed <= WORTH_TELLING:
        return False
    shape = value.type.shape
    if role_of(value) == "parameter":
        message = f"the weight `{key_of(value)}`, {show_shape(shape)}, takes {amount(needed)}"
    else:
        message = f"a sample in `{layer.path}`, {show_shape(shape[1:])}, takes {amount(needed)}"
    helps = ["smaller numbers here, or a smaller input, make it smaller"]
    if needed > MOST_BYTES:
        report.error("too-large", f"{message}, and at most {amount(MOST_BYTES)} are possible", layer.span, helps=helps)
        return True
    left = room()
    if left is None or needed <= left.bytes:
        return False
    message += f" of memory, and {left.granted} {amount(left.bytes)} left"
    report.warning("out-of-memory", message, layer.span, helps=helps)
    return True
