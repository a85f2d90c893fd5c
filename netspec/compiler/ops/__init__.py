"""Primitive ops, one file each; importing this package registers them all."""

from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.channel_sum import ChannelSum
from netspec.compiler.ops.channel_window import ChannelWindow
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.conv import Conv, ConvInput, ConvWeight
from netspec.compiler.ops.conv_minimal import ConvMinimal, FilterTransform
from netspec.compiler.ops.expressions import apply, apply_all, lower_formula
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.mates import Mates
from netspec.compiler.ops.moments import Moments
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.pool import Pool, PoolInput
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.relayout import Relayout
from netspec.compiler.ops.resample import Resample
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.route import Route
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.compiler.ops.take import Take
from netspec.compiler.ops.transpose import Transpose

__all__ = [
    "Broadcast",
    "Cast",
    "ChannelSum",
    "ChannelWindow",
    "Concat",
    "Contract",
    "Conv",
    "ConvInput",
    "ConvMinimal",
    "ConvWeight",
    "Extent",
    "FilterTransform",
    "Gather",
    "Iota",
    "Map",
    "Mates",
    "Moments",
    "Pad",
    "Pool",
    "PoolInput",
    "Random",
    "Reduce",
    "Relayout",
    "Resample",
    "Reshape",
    "Route",
    "Slice",
    "StopGradient",
    "Take",
    "Transpose",
    "apply",
    "apply_all",
    "lower_formula",
]
