"""From a graph as it was built to one in which every node is a kernel: passes, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netspec.compiler.graph import Graph
from netspec.compiler.graph.rewrite import Pass
from netspec.compiler.passes.carry import CarryFilters, CarryTransposes
from netspec.compiler.passes.fuse_lookups import FuseLookups
from netspec.compiler.passes.fuse_maps import FuseMaps
from netspec.compiler.passes.fuse_products import FuseProducts
from netspec.compiler.passes.fuse_rows import FuseRows
from netspec.compiler.passes.fuse_sums import FuseSums
from netspec.compiler.passes.gather_scales import GatherScales
from netspec.compiler.passes.inline_sources import InlineSources
from netspec.compiler.passes.lanes import AssignLanes
from netspec.compiler.passes.layouts import AssignLayouts
from netspec.compiler.passes.loops import HoistInvariants, InBodies, OnlyInBodies, OwnSteps, TrimLoops
from netspec.compiler.passes.minimal_filtering import FilterMinimally
from netspec.compiler.passes.own_outputs import OwnOutputs
from netspec.compiler.passes.pool_masks import MaskPools
from netspec.compiler.passes.settle import SettleWeights
from netspec.compiler.passes.simplify import Simplify
from netspec.compiler.passes.split_broadcasts import SplitBroadcasts
from netspec.compiler.passes.split_reductions import SplitReductions
from netspec.compiler.passes.stream_sides import StreamSides
from netspec.compiler.passes.turn_tables import TurnTables
from netspec.tensortype import Layout


def passes(
    width: int, given: Mapping[str, Layout] | None = None, *, settled: bool = False, few: bool = False
) -> tuple[Pass, ...]:
    """All passes; ``width`` is that of a panel, ``given`` the layouts of inputs that are laid out already.

    ``settled``: the weights do not change between runs. ``few``: for batches that would leave most of 16 lanes empty.
    """
    return (
        TrimLoops(),
        InBodies(Simplify()),
        FuseLookups(),
        MaskPools(),
        InBodies(SplitReductions()),
        InBodies(InlineSources()),
        InBodies(FuseMaps()),
        FuseSums(),
        InBodies(SplitBroadcasts()),
        TurnTables(given),
        InBodies(StreamSides()),
        HoistInvariants(),
        CarryTransposes(),
        *((GatherScales(), SettleWeights()) if settled else ()),
        OnlyInBodies(OwnSteps()),
        InBodies(FuseProducts()),
        InBodies(FuseRows()),
        OwnOutputs(),
        FilterMinimally(),
        AssignLanes(few=few),
        *((CarryFilters(),) if settled or few else ()),
        AssignLayouts(width, given),
    )


def optimize(
    graph: Graph,
    width: int,
    given: Mapping[str, Layout] | None = None,
    after: Callable[[str, Graph], None] | None = None,
    *,
    settled: bool = False,
    few: bool = False,
) -> Graph:
    """Run all passes; ``after(name, graph)`` sees the graph that each one leaves."""
    for step in passes(width, given, settled=settled, few=few):
        graph = step.run(graph)
        if after is not None:
            after(step.name, graph)
    return graph
