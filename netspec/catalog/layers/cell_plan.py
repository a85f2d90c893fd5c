"""How the formulas of a cell become products for all steps at once and products of one step.

What no state has a part in is made for all steps before the first one. Products of the same rows by several weights
are one product by these weights beside each other; and where each of its parts is added to something that was made
before, all are added at once and cut afterwards. An LSTM that a spec writes with eight weights is then one product of
each step, as the built-in layer is, and to the last bit the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from netspec.compiler.formula import Call, Expr, Name, names, replace_all, walk
from netspec.compiler.formula.expr import with_operands
from netspec.compiler.formula.products import Product

INPUT, FIRST = "x", "first"
Width: TypeAlias = "str | int"
"""A number, a parameter, or the name of an input for its features."""


@dataclass(frozen=True)
class Definition:
    """A cell as a spec defines it.

    ``step`` stands in an order in which each expression reads, of this step, only what is above it. Products are names
    in it, ``@0`` the first of ``products``.
    """

    name: str
    params: Mapping[str, float | int | None]
    """Defaults by name; None where a use has to give it."""
    numbers: frozenset[str]
    """Those parameters that need not be whole."""
    inputs: tuple[str, ...]
    states: Mapping[str, Width]
    weights: Mapping[str, tuple[Width, ...]]
    step: Mapping[str, Expr]
    products: tuple[Product, ...]
    output: str


@dataclass(frozen=True)
class Group:
    """Products of the same rows: ``left`` by ``weights`` side by side, plus what was made beforehand as ``added``."""

    name: str
    left: Expr
    weights: tuple[str, ...]
    added: str | None = None

    def part(self, index: int) -> str:
        """What expressions call the product by one of the weights."""
        return f"{self.name}.{index}"


@dataclass(frozen=True)
class Columns:
    """Rows by ``weights`` side by side, plus ``biases`` side by side, if there are any."""

    left: Expr
    weights: tuple[str, ...]
    biases: tuple[str, ...]


class Plan:
    """What is made when; pure, and the same for all uses of a cell."""

    def __init__(self, definition: Definition) -> None:
        self.of = definition
        self.outside: list[str] = []
        """Names of the step that no state has a part in, in order."""
        self.beforehand: dict[str, tuple[Expr, ...]] = {}
        """What is made for all steps at once, side by side, by the name that the step calls it."""
        self._find_outside()
        inner = {name: expr for name, expr in definition.step.items() if name not in self.outside}
        lefts = {f"@{i}": self._gathered(p.left) for i, p in enumerate(definition.products) if not self._is_made(p)}
        gathered = {name: self._gathered(expr) for name, expr in inner.items()}
        self.cuts: dict[str, tuple[str, int]] = {}
        """Of what the step names that was made side by side: where, and which part of it that is."""
        self.groups = self._grouped(lefts, gathered)
        """The products of one step."""
        self.step: dict[str, Expr] = gathered
        """The expressions of one step, in order; what a group makes is called by `Group.part`."""
        self._widen()

    @property
    def uses_first(self) -> bool:
        return FIRST in names(*self.of.step.values(), *(product.left for product in self.of.products))

    def product(self, name: str) -> Product:
        return self.of.products[int(name[1:])]

    def columns(self, parts: tuple[Expr, ...]) -> Columns | None:
        """Expressions side by side as one product, where each is one of the same rows plus one bias, or none."""
        found: list[tuple[Product, list[Expr]]] = []
        for part in parts:
            products = [term for term in terms(part) if isinstance(term, Name) and term.name.startswith("@")]
            biases = [term for term in terms(part) if term not in products]
            if len(products) != 1 or not all(isinstance(b, Name) and b.name in self.of.weights for b in biases):
                return None
            found.append((self.product(products[0].name), biases))
        if len({product.left for product, _ in found}) != 1 or {len(b) for _, b in found} not in ({0}, {1}):
            return None
        names_of_biases = tuple(b.name for _, each in found for b in each if isinstance(b, Name))
        return Columns(found[0][0].left, tuple(product.right for product, _ in found), names_of_biases)

    def _find_outside(self) -> None:
        for name, expr in self.of.step.items():
            if name not in self.of.states and self._is_outside(expr):
                self.outside.append(name)

    def _is_made(self, product: Product) -> bool:
        return self._is_outside(product.left)

    def _is_outside(self, expr: Expr) -> bool:
        """Whether no state has a part in it."""
        known = {INPUT, *self.of.inputs, *self.of.weights, *self.of.params, *self.outside}
        return all(self._is_made(self.product(name)) if name.startswith("@") else name in known for name in names(expr))

    def _is_plain(self, expr: Expr) -> bool:
        """Whether it is made of weights and numbers alone, which are the same at every step."""
        return set(names(expr)) <= {*self.of.weights, *self.of.params}

    def _gathered(self, expr: Expr) -> Expr:
        """The expression with a name for all in it that can be made beforehand, the terms of a sum together."""
        if self._is_outside(expr):
            return expr if self._is_plain(expr) else self._named(expr)
        if isinstance(expr, Call) and expr.function == "+":
            made = [term for term in terms(expr) if self._is_outside(term)]
            others = [self._gathered(term) for term in terms(expr) if term not in made]
            if made and not all(map(self._is_plain, made)):
                return added([others[0], self._named(added(made)), *others[1:]])
            return added([*others, *made])
        return with_operands(expr, [self._gathered(operand) for operand in expr.operands])

    def _named(self, expr: Expr) -> Name:
        known = next((name for name, parts in self.beforehand.items() if parts == (expr,)), None)
        name = known or f"made.{len(self.beforehand)}"
        self.beforehand[name] = (expr,)
        return Name(name)

    def _grouped(self, lefts: Mapping[str, Expr], step: dict[str, Expr]) -> list[Group]:
        """The groups of products; ``step`` then names what they make."""
        members: dict[Expr, list[str]] = {}
        for name, left in lefts.items():
            members.setdefault(left, []).append(name)
        groups: list[Group] = []
        replacements: dict[Expr, Expr] = {}
        for left, found in members.items():
            name = f"group.{len(groups)}"
            sums = [self._sum_with(member, [*step.values(), *members]) for member in found]
            keys = [sum_.operands[1].name for sum_ in sums if sum_ is not None and isinstance(sum_.operands[1], Name)]
            joined = len(keys) == len(set(keys)) == len(found)
            group = Group(name, left, tuple(self.product(m).right for m in found), f"{name}.added" if joined else None)
            if joined:
                self.beforehand[f"{name}.added"] = tuple(self.beforehand.pop(key)[0] for key in keys)
            for i, (member, sum_) in enumerate(zip(found, sums, strict=True)):
                replacements[sum_ if joined and sum_ is not None else Name(member)] = Name(group.part(i))
            groups.append(group)
        for name, expr in step.items():
            step[name] = replace_all((expr,), replacements)[0]
        return [replace(group, left=replace_all((group.left,), replacements)[0]) for group in groups]

    def _widen(self) -> None:
        """Make side by side what was to be made by products of the same rows, one by one."""
        alike: dict[tuple[Expr, bool], list[str]] = {}
        for name, parts in self.beforehand.items():
            columns = self.columns(parts) if len(parts) == 1 else None
            if columns is not None:
                alike.setdefault((columns.left, bool(columns.biases)), []).append(name)
        for i, found in enumerate(alike.values()):
            if len(found) > 1:
                self.beforehand[f"wide.{i}"] = tuple(self.beforehand.pop(name)[0] for name in found)
                self.cuts |= {name: (f"wide.{i}", k) for k, name in enumerate(found)}

    def _sum_with(self, member: str, exprs: Sequence[Expr]) -> Expr | None:
        """The sum of a product and something made beforehand, if neither stands anywhere else."""
        nodes = walk(*exprs)
        readers = [node for node in nodes if Name(member) in node.operands]
        if len(readers) != 1 or not isinstance(readers[0], Call) or readers[0].function != "+":
            return None
        first, second = readers[0].operands
        alone = isinstance(second, Name) and second.name in self.beforehand and first == Name(member)
        return readers[0] if alone and sum(second in node.operands for node in nodes) == 1 else None


def terms(expr: Expr) -> list[Expr]:
    """What a sum adds."""
    if isinstance(expr, Call) and expr.function == "+":
        return [term for operand in expr.operands for term in terms(operand)]
    return [expr]


def added(parts: Sequence[Expr]) -> Expr:
    """The sum, from the left."""
    whole = parts[0]
    for part in parts[1:]:
        whole = Call("+", whole, part)
    return whole
