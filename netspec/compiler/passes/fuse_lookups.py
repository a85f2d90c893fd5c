"""Rows of tables at steps: what is summed, or the same at all steps, is not written at each of them."""

from __future__ import annotations

from dataclasses import replace

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import Rewrite, rewrite
from netspec.compiler.ops.lookup import Lookup
from netspec.compiler.ops.mask_numbers import MaskNumbers
from netspec.compiler.ops.over_steps import OverSteps
from netspec.compiler.ops.reduce_steps import ReduceSteps
from netspec.compiler.ops.scatter_add import ScatterAdd
from netspec.compiler.ops.sum_rows import SumRows
from netspec.compiler.ops.update_rows import UpdateRows


class SumLookups(Rewrite):
    """Turn ``reduce_steps(lookup(table, index))`` into ``sum_rows(table, index)``."""

    root = ReduceSteps

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        op, (x, *limits) = node.op, node.inputs
        assert isinstance(op, ReduceSteps)
        if op.kind != "sum" or not isinstance(x.node.op, Lookup) or x.type.rank != 2:
            return None
        return g.node(SumRows(op.steps, op.rows), *x.node.inputs, *limits).values


class AddOverSteps(Rewrite):
    """Turn ``scatter_add(index, over_steps(x))`` into one that reads a row of ``x`` at every step of it."""

    root = ScatterAdd

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        return _over_steps(node, g)


class UpdateOverSteps(Rewrite):
    """The same for an update of rows."""

    root = UpdateRows

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        return _over_steps(node, g)


class FuseLookups:
    """Let a mean of vectors, and its gradient, neither write nor read a vector for each step.

    Of 256 contexts of up to 10 words of 100 numbers that is 1 MB each way.
    """

    name = "fuse-lookups"

    def run(self, graph: Graph) -> Graph:
        return rewrite(graph, [SumLookups(), AddOverSteps(), UpdateOverSteps()])


def _over_steps(node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
    op, (index, x, *others) = node.op, node.inputs
    assert isinstance(op, ScatterAdd | UpdateRows)
    made = x.node.op
    if op.outer or op.steps or x.type.rank != 2 or not isinstance(made, OverSteps):
        return None
    source, *limits = x.node.inputs
    if made.where != "every" and not (made.where == "below" and _ends_at(index, limits[0])):
        return None
    return g.node(replace(op, steps=made.steps), index, source, *others).values


def _ends_at(index: Value, limit: Value) -> bool:
    """Whether numbers behind the limit of a row name nothing, so that it does not matter what stands there."""
    if not isinstance(index.node.op, MaskNumbers):
        return False
    mask = index.node.inputs[1].node
    return isinstance(mask.op, OverSteps) and mask.op.where == "below" and mask.inputs[1] == limit
