"""Masks of pooled maps stand where there are fewer elements."""

from __future__ import annotations

from netspec.compiler.formula import Formula, Name, differentiate, names, replace_all, simplified
from netspec.compiler.formula.expr import Constant
from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import Rewrite, rewrite
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.pool import PoolInput


class MaskBefore(Rewrite):
    """Turn ``where(x > 0, pool_input(ct, x, y), 0)`` into ``pool_input(where(y > 0, ct, 0), x, y)``.

    What pooled the largest gives all of a cotangent to an ``x`` that equals ``y``, and zero to the others, so the mask
    of a ReLU before it can be taken from ``y``: a quarter of the elements or fewer. Any formula of ``x`` and the
    cotangent is such a mask that is zero where the cotangent is, and grows with it.
    """

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        op = node.op
        if not isinstance(op, Map) or len(node.types) > 1 or len(node.inputs) != 2:
            return None
        for at, value in enumerate(node.inputs):
            inner, other = value.node, node.inputs[1 - at]
            if not (isinstance(inner.op, PoolInput) and inner.op.kind == "max" and other is inner.inputs[1]):
                continue
            if not _is_mask(op.formula, op.formula.inputs[at]):
                continue
            ct, x, y = inner.inputs
            masked = g.add(op, *((y, ct) if at else (ct, y)))
            return g.add(inner.op, masked, x, y)
        return None


def _is_mask(formula: Formula, cotangent: str) -> bool:
    """Whether it is zero where the cotangent is and linear in it, as far as can be seen."""
    (output,) = formula.outputs
    (at_zero,) = simplified(*replace_all([output], {Name(cotangent): Constant(0.0)}))
    return at_zero == Constant(0.0) and cotangent not in names(differentiate(output, cotangent))


class MaskPools:
    """Move masks in front of the gradients of pooling."""

    name = "mask-pools"

    def run(self, graph: Graph) -> Graph:
        return rewrite(graph, [MaskBefore()])
