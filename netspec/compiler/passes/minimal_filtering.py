"""Convolutions of many channels by Winograd's minimal filtering."""

from __future__ import annotations

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import Rewrite, rewrite
from netspec.compiler.kernels.winograd import fits
from netspec.compiler.ops.conv import Conv, ConvInput
from netspec.compiler.ops.conv_minimal import ConvMinimal, FilterTransform
from netspec.compiler.ops.windows import axes_of
from netspec.tensortype import known


class MinimalConv(Rewrite):
    """Turn ``conv(x, w)`` of 3 x 3 that moves by one pixel into ``conv_minimal(x, filter_transform(w))``.

    It takes 16 of 36 multiplications.
    """

    root = Conv

    def apply(self, node: Node, g: GraphBuilder) -> Value | tuple[Value, ...] | None:
        op, (x, w, *extras) = node.op, node.inputs
        assert isinstance(op, Conv)
        axes, outs = axes_of(op.windows, x.type.shape[1:-1]), known(w.type.channels)
        if not fits(axes, op.groups, known(x.type.channels), outs):
            return None
        (top, left), (rows, columns) = ([axis.before for axis in axes], [axis.count for axis in axes])
        made = ConvMinimal((top, left), (rows, columns), outs, op.epilogue)
        return g.node(made, x, g.add(FilterTransform(), w), *extras).values


class MinimalConvInput(Rewrite):
    """Turn ``conv_input(y, w)`` of such windows into ``conv_minimal(y, filter_transform(w))`` of the turned weights."""

    root = ConvInput

    def apply(self, node: Node, g: GraphBuilder) -> Value | tuple[Value, ...] | None:
        op, (y, w, *extras) = node.op, node.inputs
        assert isinstance(op, ConvInput)
        axes, ins = axes_of(op.windows, op.space), known(w.type.shape[-2])
        if not fits(axes, op.groups, known(y.type.channels), ins):
            return None
        (top, left), (rows, columns) = ([2 - axis.before for axis in axes], [axis.size for axis in axes])
        made = ConvMinimal((top, left), (rows, columns), ins, op.epilogue)
        return g.node(made, y, g.add(FilterTransform(turned=True), w), *extras).values


class FilterMinimally:
    """Compute convolutions by minimal filtering where there are channels enough to pay for its additions."""

    name = "filter-minimally"

    def run(self, graph: Graph) -> Graph:
        return rewrite(graph, [MinimalConv(), MinimalConvInput()])
