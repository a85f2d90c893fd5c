"""Recurrent layers that a spec defines by the formulas of one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, create_model

from netspec.catalog.fields import Positive
from netspec.catalog.formulas import with_numbers
from netspec.catalog.initializers import GlorotUniform, Orthogonal, Zeros
from netspec.catalog.layers.axes import last_length, shown
from netspec.catalog.layers.cell_plan import FIRST, INPUT, Definition, Group, Plan, Width
from netspec.catalog.layers.product import product
from netspec.catalog.layers.recurrent import Prepared, Recurrence, Step, beside, gate
from netspec.catalog.scope import Scope
from netspec.compiler.formula import Expr, Formula, Name, names
from netspec.compiler.graph import Value
from netspec.compiler.graph.arithmetic import constant
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.expressions import apply, lower_formula
from netspec.compiler.ops.over_steps import OverSteps
from netspec.tensortype import Dim, ShapeError


class Cell(Recurrence):
    """A layer of a cell that the spec defines."""

    definition: ClassVar[Definition]
    plan: ClassVar[Plan]

    @property
    def states(self) -> Mapping[str, int]:
        own = {name: self.number(width) for name, width in self.definition.states.items()}
        first = {self.definition.output: own.pop(self.definition.output)}
        return first | own | ({FIRST: 1} if self.plan.uses_first else {})

    @property
    def given_states(self) -> tuple[str, ...]:
        return tuple(name for name in self.states if name != FIRST)

    def start(self, g: Scope, state: str, shape: tuple[Dim, Dim]) -> Value:
        return constant(g.graph, float(state == FIRST), shape)

    def prepare(self, g: Scope, side: str, x: Value, *others: Value) -> Prepared:
        steps, rows = last_length(self.kind, x)
        values = {INPUT: x}
        for name, value in zip(self.definition.inputs, others, strict=True):
            if value.type.rank != 2 or value.type.shape[0] != rows:
                raise ShapeError(f"`{self.kind}` reads `{name}` whole at every step, [n], got {shown(value)}")
            values[name] = g.add(OverSteps(steps), value)
        weights = self._weights(g, side, {name: value.type.shape[1] for name, value in values.items()})
        same = {name: weight for name, weight in weights.items() if weight.type.rank == 1}
        making = _Making(self, g, {**values, **same}, weights)
        for name in self.plan.outside:
            making.values[name] = making.made(self.definition.step[name])
        every = {name: making.beside(parts) for name, parts in self.plan.beforehand.items()}
        same |= {group.name: _wide(g, [weights[name] for name in group.weights]) for group in self.plan.groups}
        return Prepared(every, same)

    def step(self, step: Step) -> Mapping[str, Value]:
        making = _Making(self, step.g, {**step.states, **step.given}, {})
        for name, expr in self.plan.step.items():
            found = making.made(expr)
            making.values[f"new {name}" if name in self.definition.states else name] = found
        after = {name: making.values[f"new {name}"] for name in self.definition.states}
        for name, value in after.items():
            if value.type.shape != step.states[name].type.shape:
                width = step.states[name].type.shape[1]
                raise ShapeError(f"`{self.kind}` has a state `{name}` of [{width}], its step gives {shown(value)}")
        return after | ({FIRST: apply(step.g, "0 * f", f=step.states[FIRST])} if self.plan.uses_first else {})

    @property
    def numbers(self) -> dict[str, float]:
        """The parameters of this use, as formulas read them."""
        return {name: float(getattr(self, name)) for name in self.definition.params}

    def number(self, width: Width) -> int:
        """A width that does not depend on what is read."""
        return width if isinstance(width, int) else int(getattr(self, width))

    def _weights(self, g: Scope, side: str, features: Mapping[str, Dim]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for name, shape in self.definition.weights.items():
            sizes = tuple(features.get(str(n)) or self.number(n) for n in shape)
            if len(sizes) == 1:
                found[name] = g.parameter(f"{side}{name}", sizes, Zeros())
            else:
                init = GlorotUniform() if shape[0] in features else Orthogonal()
                found[name] = g.parameter(f"{side}{name}", sizes, init, (sizes[0], sizes[1]))
        return found


class _Making:
    """Expressions of a cell as values, in the graph around the loop or in its body."""

    def __init__(self, cell: Cell, g: Scope, values: dict[str, Value], weights: Mapping[str, Value]) -> None:
        self.cell, self.g, self.values, self.weights = cell, g, values, weights

    def made(self, expr: Expr) -> Value:
        """The value of an expression; the products in it are made first."""
        for name in names(expr):
            if name not in self.values and name not in self.cell.definition.params:
                self._product(name)
        formula = with_numbers(Formula(tuple(names(expr)), (expr,)), self._numbers(expr))
        (value,) = lower_formula(self.g, formula, {name: self.values[name] for name in formula.inputs})
        return value

    def beside(self, parts: Sequence[Expr]) -> Value:
        """Expressions side by side, by one product if they are products of the same rows."""
        columns = self.cell.plan.columns(tuple(parts)) if len(parts) > 1 else None
        if columns is None:
            return beside(self.g, [self.made(part) for part in parts])
        left = self.made(columns.left)
        y = self._multiplied(left, _wide(self.g, [self.weights[name] for name in columns.weights]), columns.weights[0])
        if not columns.biases:
            return y
        return apply(self.g, "y + b", y=y, b=self.g.add(Concat(0), *(self.weights[name] for name in columns.biases)))

    def _numbers(self, expr: Expr) -> dict[str, float]:
        return {name: value for name, value in self.cell.numbers.items() if name in names(expr)}

    def _product(self, name: str) -> None:
        if name in self.cell.plan.cuts:
            wide, index = self.cell.plan.cuts[name]
            columns = self.cell.plan.columns(self.cell.plan.beforehand[wide])
            assert columns is not None
            self.values[name] = self._cut(self.values[wide], columns.weights)[index]
            return
        if name.startswith("@"):
            product = self.cell.plan.product(name)
            self.values[name] = self._multiplied(self.made(product.left), self.weights[product.right], product.right)
            return
        group = next(group for group in self.cell.plan.groups if name.startswith(f"{group.name}."))
        self._group(group)

    def _group(self, group: Group) -> None:
        y = self._multiplied(self.made(group.left), self.values[group.name], group.weights[0])
        if group.added is not None:
            y = apply(self.g, "a + b", a=y, b=self.made(Name(group.added)))
        self.values |= {group.part(i): part for i, part in enumerate(self._cut(y, group.weights))}

    def _cut(self, y: Value, weights: Sequence[str]) -> list[Value]:
        """The columns that each of some weights made."""
        widths = [self.cell.number(self.cell.definition.weights[name][1]) for name in weights]
        ends = [sum(widths[: i + 1]) for i in range(len(widths))]
        cuts = zip(widths, ends, strict=True)
        return [y] if len(weights) == 1 else [gate(self.g, y, end - width, end) for width, end in cuts]

    def _multiplied(self, left: Value, weight: Value, name: str) -> Value:
        if left.type.rank < 2:
            advice = "make it a factor: `2 * (x @ W)`"
            raise ShapeError(f"`{self.cell.kind}` multiplies a number by the matrix `{name}`", advice)
        if left.type.shape[1] != weight.type.shape[0]:
            rows = weight.type.shape[0]
            raise ShapeError(f"`{self.cell.kind}` multiplies {shown(left)} by `{name}`, which has {rows} rows")
        return product(self.g, left, weight)


def _wide(g: Scope, weights: Sequence[Value]) -> Value:
    return beside(g, list(weights))


def defined_cell(definition: Definition, documentation: str) -> type[Cell]:
    """The layer of a cell that a spec defines, its parameters as fields."""
    required = [name for name, default in definition.params.items() if default is None]
    main = required[0] if len(required) == 1 else None
    fields: dict[str, Any] = {}
    for name, default in definition.params.items():
        kind = float if name in definition.numbers else Positive
        given: dict[str, Any] = {"json_schema_extra": {"main": True}} if name == main else {}
        fields[name] = (kind, Field(**given) if default is None else Field(default=default, **given))
    made = create_model(definition.name, __base__=Cell, __doc__=documentation, **fields)
    made.kind, made.definition, made.plan = definition.name, definition, Plan(definition)
    made.reads = (INPUT, *definition.inputs) if definition.inputs else ()
    return made
