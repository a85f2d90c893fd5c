"""Random programs as machine code: they compute what the interpreter does, and the same bits with any threads."""

from __future__ import annotations

import re

import numpy as np
from compiled import Compiled, assert_same_bits
from hypothesis import HealthCheck, assume, given, settings
from random_programs import ROWS_OF_DATA, arrays, programs

from netspec.compiler.graph import Graph, UnsupportedError
from netspec.compiler.graph.interpreter import interpret

UNSUPPORTED = re.compile("`transpose` has no kernel for the permutation|`iota` has no kernel")
"""What no kernel does: four axes in disorder, a count along the batch."""


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False)
@given(graph=programs())
def test_compiled_equals_interpreted(graph: Graph) -> None:
    check(graph)


def check(graph: Graph) -> None:
    """Hold a program against the interpreter for several batches, and its bits for several threads."""
    try:
        compiled = Compiled(graph)
    except UnsupportedError as error:
        if not UNSUPPORTED.search(str(error)):
            raise
        assume(False)
    for batch, threads in ((1, 2), (5, 2), (16, 3), (17, 2), (33, 3)):
        given = arrays(batch)
        given["index"] = given["index"][:batch]
        sizes = {"B": batch, "N": ROWS_OF_DATA}
        expected = interpret(graph, given, np.float64, sizes)
        rounded = interpret(graph, given, np.float32, sizes)
        found = compiled.run(given, batch)
        assert found.keys() >= expected.keys()
        for key, array in expected.items():
            scale = max(1.0, float(np.abs(array).max(initial=0)))
            allowed = 1e-5 * scale + 20 * float(np.abs(rounded[key] - array).max(initial=0))
            np.testing.assert_allclose(found[key], array, rtol=0, atol=allowed, err_msg=f"{key}, batch {batch}")
        assert_same_bits(compiled.run(given, batch, threads=threads), found)
