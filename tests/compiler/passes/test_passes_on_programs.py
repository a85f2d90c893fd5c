"""Every pass on random programs: gathers, updates in place, draws, several outputs; results stay."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from random_programs import ROWS_OF_DATA, arrays, programs

from netspec.compiler.formula.parse import parse as formula
from netspec.compiler.graph import Graph, GraphBuilder, Node, Value, role_of
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.graph.node import shapes_of
from netspec.compiler.graph.parser import parse, same
from netspec.compiler.graph.printer import show
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.rows import Rows
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.passes import optimize, passes
from netspec.compiler.passes.own_outputs import OwnOutputs, overlaps
from netspec.tensortype import TensorType

WIDE = TensorType("float32", (5, 5))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(graph=programs())
def test_each_pass_keeps_results_text_and_form(graph: Graph) -> None:
    sizes, given = {"B": 17, "N": ROWS_OF_DATA}, arrays(7)
    given["index"] = given["index"][:17]
    expected = interpret(graph, given, np.float64, sizes)
    for step in passes(32):
        graph = step.run(graph)
        verify(graph)
        assert same(parse(show(graph)), graph)
        found = interpret(graph, given, np.float64, sizes)
        assert found.keys() >= expected.keys()
        for key, array in expected.items():
            scale = max(1.0, float(np.abs(array).max(initial=0)))
            np.testing.assert_allclose(found[key], array, rtol=1e-9, atol=1e-9 * scale, err_msg=step.name)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(graph=programs())
def test_outputs_are_told_apart(graph: Graph) -> None:
    """No output is an input or carries what another one replaces; no update lies where its kernel still reads."""
    made = optimize(graph, 32)
    updates = {key: value for key, value in made.outputs if key in made.by_key and value != made.by_key[key]}
    assert len(set(updates.values())) == len(updates)
    for key, value in made.outputs:
        if key in updates:
            assert role_of(value) is None
            assert not overlaps(value, made.by_key[key])
        elif key not in made.by_key:
            assert role_of(value) is None
            assert not set(updates.values()) & set(shapes_of(value))


def _copies(graph: Graph) -> list[Node]:
    return [node for node in OwnOutputs().run(graph).nodes if node not in graph.nodes]


def _start() -> tuple[GraphBuilder, Value, Value]:
    g = GraphBuilder()
    return g, g.input("a", WIDE, "parameter"), g.input("b", WIDE, "parameter")


def test_an_update_of_its_own_is_written_in_place() -> None:
    g, a, b = _start()
    rows = Rows(formula("x0 - x1", ("x0", "x1")), (5, 1, 5), ("RC", "RC"), ("RC",), ((5, 5),))
    assert _copies(g.graph("g", {"a": g.add(rows, a, b)})) == []


def test_an_update_by_a_product_with_the_parameter_itself_is_copied() -> None:
    g, a, b = _start()
    assert len(_copies(g.graph("g", {"a": g.add(Contract(), a, b)}))) == 1
    assert len(_copies(g.graph("g", {"a": g.add(Transpose((1, 0)), a)}))) == 1


def test_moments_that_a_later_sweep_reads_are_copied() -> None:
    g, a, b = _start()
    text = "m = 0.9 * x0 + x1; m, m * min(1, 1 / sum(m * m))"
    rows = Rows(formula(text, ("x0", "x1")), (5, 1, 5), ("RC", "RC"), ("RC", "RC"), ((5, 5), (5, 5)))
    node = g.node(rows, a, b)
    assert len(_copies(g.graph("g", {"a": node.value(0), "b": node.value(1)}))) == 1


def test_one_value_for_three_parameters_is_copied_twice() -> None:
    g, a, b = _start()
    c, d = (g.input(key, WIDE, "parameter") for key in "cd")
    new = g.add(Contract(), d, d)
    graph = optimize(g.graph("g", {"a": new, "b": new, "c": new, "shown": new}), 32)
    values = [value for key, value in graph.outputs if key != "shown"]
    assert len(set(values)) == 3
    assert a != b != c


def test_parameters_that_change_places_are_copied() -> None:
    g, a, b = _start()
    assert len(_copies(g.graph("g", {"a": b, "b": a}))) == 2


def test_the_old_value_beside_the_new_one_is_a_copy() -> None:
    g, a, _ = _start()
    graph = optimize(g.graph("g", {"a": apply(g, "a * 0.5", a=a), "old": a}), 32)
    assert all(role_of(value) is None for _, value in graph.outputs)


def test_an_update_of_another_shape_that_is_shown_too_is_a_copy() -> None:
    g = GraphBuilder()
    a = g.input("a", TensorType("float32", (1, 5)), "parameter")
    b = g.input("b", TensorType("float32", (5,)), "parameter")
    new = g.add(Reshape((1, 5)), apply(g, "b * 0.5", b=b))
    graph = optimize(g.graph("g", {"a": new, "shown": new}), 32)
    outputs = dict(graph.outputs)
    assert not {outputs["a"]} & set(shapes_of(outputs["shown"]))
    assert a != new
