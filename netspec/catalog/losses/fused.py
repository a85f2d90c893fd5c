"""Finding the scores behind probabilities, so that a loss never takes the logarithm of a rounded number."""

from __future__ import annotations

from netspec.catalog.activations.activation import Activation
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value

REACH = 6
"""Nodes between an activation's input and its output, at most."""


def scores_behind(g: Scope, activation: Activation, output: Value) -> Value | None:
    """The value whose ``activation`` is ``output``, if there is one near.

    The builder makes equal nodes once. So a value is what was activated if activating it again gives the very output,
    whatever nodes an activation is made of; what trying others adds to the graph reaches no output and falls away.
    """
    near, seen = [output], {output}
    for _ in range(REACH):
        near = [value for above in near for value in above.node.inputs if value not in seen]
        seen.update(near)
        for value in near:
            if value.type == output.type and activation.apply(g, value) == output:
                return value
    return None
