"""Kinds that are a formula: the class of one, its parameters as fields, and the graph of the formula."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field

from netspec.catalog.scope import Scope
from netspec.compiler.formula import Constant, Expr, Formula, Name, parse, replace_all, substitute
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import lower_formula
from netspec.compiler.ops.random import Random
from netspec.declared import Declared

Kind = TypeVar("Kind", bound=Declared)

MEANS: Mapping[str, float] = {"uniform": 0.5, "normal": 0.0}
"""What a draw stands for outside training, where the same input must give the same output."""


class Parametric(Declared):
    """A kind whose fields are the parameters of its formula."""

    formula: ClassVar[str]

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        return tuple(cls.model_fields)

    def bound(self, text: str, inputs: tuple[str, ...]) -> Formula:
        """The formula of ``text`` over ``inputs``, with the parameters' values put in."""
        values = {name: getattr(self, name) for name in self.parameters()}
        return with_numbers(parse(text, (*inputs, *values)), values)


def declare(
    base: type[Kind],
    name: str,
    parameters: Mapping[str, float | None],
    members: Mapping[str, str],
    *,
    registered: bool = True,
) -> type[Kind]:
    """The class of the kind ``name``, a ``base``, whose fields are ``parameters``.

    Args:
        base: What it is a kind of.
        name: Its kind.
        parameters: Defaults by name; None where a use must give the value. The only one, or the only one without a
            default, is the main field.
        members: Further attributes of the class; ``__doc__`` among them.
        registered: Whether it joins the family; what a spec defines does not, so that it may hide a kind of its name.
    """
    required = [key for key, default in parameters.items() if default is None]
    main = required if len(required) == 1 else list(parameters) if len(parameters) == 1 else []
    annotations = dict.fromkeys(parameters, float)
    body: dict[str, Any] = {"__module__": base.__module__, "__annotations__": annotations, **members}
    for key, default in parameters.items():
        given: dict[str, Any] = {"json_schema_extra": {"main": True}} if key in main else {}
        if default is not None:
            given["default"] = float(default)
        body[key] = Field(description=f"`{key}` of the formula.", **given)
    if registered:
        body["kind"] = name
    title = "".join(part.capitalize() for part in name.split("_"))
    made: type[Kind] = types.new_class(title, (base,), {}, lambda namespace: namespace.update(body))
    made.kind = name
    return made


def with_numbers(formula: Formula, numbers: Mapping[str, float]) -> Formula:
    """The formula with some inputs replaced by numbers."""
    left = [name for name in formula.inputs if name not in numbers]
    return substitute(formula, {name: Constant(value) for name, value in numbers.items()}, left)


def lower(g: Scope, formula: Formula, values: Mapping[str, Value]) -> Value:
    """The graph of ``formula``; reductions are over the last axis, draws are taken in training only.

    A draw has the shape of the formula's first input, and a stream of its own.
    """
    given, drawn = dict(values), dict[Expr, Expr]()
    for i, call in enumerate(formula.draws):
        if g.training:
            shape = given[formula.inputs[0]].type.shape
            kind: Literal["uniform", "normal"] = "uniform" if call.function == "uniform" else "normal"
            given[f"draw{i}"] = g.add(Random(kind, shape), *g.counter(f"draw{i}"))
            drawn[call] = Name(f"draw{i}")
        else:
            drawn[call] = Constant(MEANS[call.function])
    (result,) = lower_formula(g, Formula(tuple(given), replace_all(formula.outputs, drawn)), given)
    return result
