"""Primitive ops, one file each; importing this package registers them all."""

from netspec.compiler.ops.attend import Attend, AttendReverse
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.channel_sum import ChannelSum
from netspec.compiler.ops.channel_window import ChannelWindow
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.contract_rows import ContractRows, MixRows
from netspec.compiler.ops.conv import Conv, ConvInput, ConvWeight
from netspec.compiler.ops.conv_minimal import ConvMinimal, FilterTransform
from netspec.compiler.ops.draw_rows import DrawRows
from netspec.compiler.ops.expressions import apply, apply_all, lower_formula
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.group_sum import GroupSum
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.lengths import Lengths
from netspec.compiler.ops.lookup import Lookup
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.mask_numbers import MaskNumbers
from netspec.compiler.ops.mates import Mates
from netspec.compiler.ops.merge_rows import MergeRows
from netspec.compiler.ops.moments import Moments
from netspec.compiler.ops.over_steps import OverSteps, over_lengths
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.pool import Pool, PoolInput
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reduce_steps import ReduceSteps
from netspec.compiler.ops.relayout import Relayout
from netspec.compiler.ops.resample import Resample
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.route import Route
from netspec.compiler.ops.scan import Scan, scan
from netspec.compiler.ops.scatter_add import ScatterAdd
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.steps import Steps
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.compiler.ops.sum_rows import SumRows
from netspec.compiler.ops.take import Take
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.ops.unfold_steps import UnfoldSteps
from netspec.compiler.ops.update_rows import UpdateRows

__all__ = [
    "Attend",
    "AttendReverse",
    "Broadcast",
    "Cast",
    "ChannelSum",
    "ChannelWindow",
    "Concat",
    "Contract",
    "ContractRows",
    "Conv",
    "ConvInput",
    "ConvMinimal",
    "ConvWeight",
    "DrawRows",
    "Extent",
    "FilterTransform",
    "Gather",
    "GroupSum",
    "Iota",
    "Lengths",
    "Lookup",
    "Map",
    "MaskNumbers",
    "Mates",
    "MergeRows",
    "MixRows",
    "Moments",
    "OverSteps",
    "Pad",
    "Pool",
    "PoolInput",
    "Random",
    "Reduce",
    "ReduceSteps",
    "Relayout",
    "Resample",
    "Reshape",
    "Route",
    "Scan",
    "ScatterAdd",
    "Slice",
    "Steps",
    "StopGradient",
    "SumRows",
    "Take",
    "Transpose",
    "UnfoldSteps",
    "UpdateRows",
    "apply",
    "apply_all",
    "lower_formula",
    "over_lengths",
    "scan",
]
