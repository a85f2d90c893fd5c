"""States that go on from one run of a graph to the next: of windows that follow one another, or of single steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops.expressions import apply
from netspec.tensortype import BATCH, TensorType

CARRIED: Final = "/carried"
"""Behind the path of a layer and the name of its state: what the run before has left, a row for each of the batch."""

BEGUN: Final = "begun/carried"
"""1 where something was left, else 0: the states of all layers then begin as they are said to."""

Going: TypeAlias = Literal["never", "asked", "always"]
"""Which states go on: none, those that the spec asks for, or all that can."""


@dataclass
class Carried:
    """Makes the states that are carried, in the graph that is being built."""

    going: Going = "never"
    left: dict[str, Value] = field(default_factory=dict)
    """What states are after the last step, by their keys."""

    def resumed(self, g: GraphBuilder, path: str, state: str, start: Value, *, asked: bool) -> Value:
        """A state before the first step: ``start``, or what was left."""
        if self.going == "never" or not (asked or self.going == "always"):
            return start
        held = g.input(_key(path, state), start.type, "state")
        begun = g.input(BEGUN, TensorType("float32", (BATCH, 1)), "state")
        self.left[_key(path, state)] = held  # until the layer says otherwise
        self.left[BEGUN] = apply(g, "max(b, 1)", b=begun)
        return apply(g, "where(b > 0, s, i)", b=begun, s=held, i=start)

    def leave(self, path: str, state: str, value: Value) -> None:
        """Keep what a state is after the last step, if it goes on."""
        key = _key(path, state)
        if key in self.left:
            self.left[key] = value


def _key(path: str, state: str) -> str:
    return f"{path}.{state}{CARRIED}"
