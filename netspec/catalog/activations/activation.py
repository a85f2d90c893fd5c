"""The base of all activations, and the function that makes one from its formula."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from netspec.catalog.formulas import Parametric, declare, lower
from netspec.catalog.scope import Scope
from netspec.compiler.formula import Formula, FormulaError, parse
from netspec.compiler.formula.expr import names
from netspec.compiler.graph import Value
from netspec.declared import Declared
from netspec.tensortype import ShapeError, sample_shape, show_shape


class Activation(Declared, family="activation"):
    """A function from the net input of units to their output, of the same shape."""

    @abstractmethod
    def apply(self, g: Scope, x: Value) -> Value:
        """The activation of ``x``."""


class FormulaActivation(Activation, Parametric):
    """An activation that is one formula over ``x`` and its parameters, which are its fields.

    ``formula`` is what the documentation says, ``stable`` what is computed, where that must be written otherwise to
    neither overflow nor lose digits. The derivative is derived from ``stable``.
    """

    stable: ClassVar[str]
    reference: ClassVar[str]

    def computed(self) -> Formula:
        """The formula over ``x`` that is computed, with the parameters' values."""
        return self.bound(self.stable, ("x",))

    def apply(self, g: Scope, x: Value) -> Value:
        y = lower(g, self.computed(), {"x": x})
        if y.type.shape != x.type.shape:
            shapes = f"{show_shape(sample_shape(y.type.shape))} for {show_shape(sample_shape(x.type.shape))}"
            raise ShapeError(
                f"`{self.kind}` gives {shapes}, an activation gives a number for each",
                "reductions are over all units: use them beside `x`, as in `x / sum(x)`",
            )
        return y


def activation(
    name: str, *, formula: str, reference: str, stable: str | None = None, **parameters: float
) -> type[FormulaActivation]:
    """Declare the activation ``name``; the keywords left over are its parameters with their defaults."""
    doc = f"``{formula}``\n\nReference: {reference}."
    members = {"formula": formula, "stable": stable or formula, "reference": reference, "__doc__": doc}
    return declare(FormulaActivation, name, parameters, members)


def defined_activation(name: str, formula: str, parameters: Mapping[str, float | None]) -> type[FormulaActivation]:
    """The activation that a spec defines.

    Args:
        name: Its name in the spec.
        formula: Text over ``x`` and the parameters; reductions are over the last axis, draws are taken in training only
            and are their mean elsewhere.
        parameters: Defaults by name; None where a use must give the value.

    Raises:
        FormulaError: if the text is not such a formula.
    """
    found = parse(formula, ("x", *parameters))
    if len(found.outputs) != 1:
        raise FormulaError(f"an activation has one result, this formula has {len(found.outputs)}", 0, len(formula))
    if "x" not in names(found.output):
        raise FormulaError("an activation depends on `x`, this formula does not", 0, len(formula))
    members = {"formula": formula, "stable": formula, "reference": "the spec", "__doc__": f"``{formula}``"}
    return declare(FormulaActivation, name, parameters, members, registered=False)
