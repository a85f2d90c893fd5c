"""A formula: named inputs, and expressions over them as results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from netspec.compiler.formula.expr import Call, Expr, Reduction, names, walk
from netspec.compiler.formula.functions import FUNCTIONS
from netspec.compiler.formula.printing import render


@dataclass(frozen=True)
class Formula:
    """Scalar expressions over named inputs; ``str`` of it parses back to an equal formula.

    Raises:
        ValueError: if an input is named twice, a name is no input, or there is no result.
    """

    inputs: tuple[str, ...]
    outputs: tuple[Expr, ...]

    def __post_init__(self) -> None:
        known = set(self.inputs)
        if len(known) != len(self.inputs):
            raise ValueError(f"an input is named twice in {self.inputs}")
        if not self.outputs:
            raise ValueError("a formula needs a result")
        unknown = [name for name in names(*self.outputs) if name not in known]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} not among the inputs {self.inputs}")

    def __str__(self) -> str:
        return self.text

    @cached_property
    def text(self) -> str:
        """The canonical text."""
        return render(self.outputs, self.inputs)

    @property
    def signature(self) -> str:
        """The text with the inputs before it: all there is to know of the formula."""
        return f"({', '.join(self.inputs)}) -> {self.text}"

    @property
    def output(self) -> Expr:
        """The only result."""
        (output,) = self.outputs
        return output

    @cached_property
    def nodes(self) -> tuple[Expr, ...]:
        """Every subexpression once, operands first."""
        return walk(*self.outputs)

    @property
    def reduces(self) -> bool:
        """Whether it reduces over the last axis anywhere."""
        return any(isinstance(node, Reduction) for node in self.nodes)

    @property
    def draws(self) -> tuple[Call, ...]:
        """The random draws, ``normal()`` and ``uniform()``, each once.

        Where no counter is given yet, the caller replaces them by ``Call(kind, hi, lo, step)``, each with its own key.
        """
        calls = (node for node in self.nodes if isinstance(node, Call))
        return tuple(call for call in calls if FUNCTIONS[call.function].random)

    def cost(self) -> int:
        """Floating-point operations per element, shared subexpressions counted once."""
        return sum(_flops(node) for node in self.nodes)


def _flops(node: Expr) -> int:
    if isinstance(node, Call):
        return FUNCTIONS[node.function].flops
    return int(isinstance(node, Reduction))
