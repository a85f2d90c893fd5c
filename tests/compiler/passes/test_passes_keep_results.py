"""Every pass on random graphs: what it leaves verifies, prints, parses back, and computes the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from random_graphs import SIZES, arrays, graphs, with_gradients
from small_networks import mlp_step

from netspec.compiler.graph import Graph, key_of
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.graph.parser import parse, same
from netspec.compiler.graph.printer import show
from netspec.compiler.graph.rewrite import Pass
from netspec.compiler.graph.verify import verify
from netspec.compiler.passes import passes
from netspec.compiler.passes.fuse_maps import FuseMaps
from netspec.compiler.passes.simplify import Simplify

SETTLED = passes(32, settled=True)
PIPELINES: list[Sequence[Pass]] = [[Simplify()], [FuseMaps()], [Simplify(), FuseMaps()], passes(32), SETTLED]


@pytest.mark.parametrize("steps", PIPELINES, ids=["simplify", "fuse-maps", "both", "all", "settled"])
@settings(max_examples=150, deadline=None)
@given(graph=graphs())
def test_passes_keep_results(steps: Sequence[Pass], graph: Graph) -> None:
    _check(steps, graph)


@pytest.mark.parametrize("steps", PIPELINES, ids=["simplify", "fuse-maps", "both", "all", "settled"])
@settings(max_examples=80, deadline=None)
@given(graph=graphs(largest=8))
def test_passes_keep_gradients(steps: Sequence[Pass], graph: Graph) -> None:
    _check(steps, with_gradients(graph))


def _check(steps: Sequence[Pass], graph: Graph) -> None:
    given = arrays(3)
    expected = interpret(graph, given, np.float64, SIZES)
    for each in steps:
        graph = each.run(graph)
        verify(graph)
        assert same(parse(show(graph)), graph)
    found = interpret(graph, given, np.float64, SIZES)
    assert list(found) == list(expected)
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(array).max(initial=0)))


@settings(max_examples=150, deadline=None)
@given(graph=graphs())
def test_random_graphs_verify_and_parse_back(graph: Graph) -> None:
    verify(graph)
    again = parse(show(graph))
    assert same(graph, again)
    assert show(again) == show(graph)


def test_a_training_step_keeps_its_results_and_grows_no_node() -> None:
    graph = mlp_step([12, 9, 7, 5])
    rng = np.random.default_rng(0)
    given = {}
    for value in graph.inputs:
        shape = value.type.bind(SIZES).shape
        given[key_of(value)] = rng.normal(size=shape) if value.type.dtype == "float32" else rng.integers(0, 5, shape)
    expected = interpret(graph, given, np.float64)
    for each in PIPELINES[2]:
        smaller = each.run(graph)
        verify(smaller)
        assert len(smaller.nodes) <= len(graph.nodes)
        graph = smaller
    for key, array in interpret(graph, given, np.float64).items():
        np.testing.assert_allclose(array, expected[key], rtol=1e-10, atol=1e-12)


def test_passes_are_done_after_one_run() -> None:
    graph = mlp_step([12, 9, 5])
    for each in (Simplify(), FuseMaps()):
        graph = each.run(graph)
    assert same(graph, Simplify().run(graph))
    assert same(graph, FuseMaps().run(graph))
