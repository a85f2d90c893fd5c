"""Formulas with matrix products in them: the steps of recurrent cells."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from netspec.compiler.formula.expr import Expr, Name
from netspec.compiler.formula.parse import FormulaError, Walk, formula_of


@dataclass(frozen=True)
class Product:
    """``left @ right``: each row of an expression times a weight."""

    left: Expr
    right: str


@dataclass(frozen=True)
class WithProducts:
    """An expression in which each product is a name: ``@0`` is the first of ``products``."""

    expr: Expr
    products: tuple[Product, ...]


def parse_products(text: str, inputs: Iterable[str], weights: Iterable[str]) -> WithProducts:
    """Read a formula with one result whose products are by a weight each, as in ``tanh(x @ U + h @ W)``.

    Args:
        text: As `parse` reads it, and ``@`` beside.
        inputs: The names that may occur, weights among them.
        weights: Those that may stand on the right of ``@``.

    Raises:
        FormulaError: if the text is no such formula.
    """
    walk = _Walk(text, tuple(inputs), frozenset(weights))
    results = formula_of(walk, text)
    if len(results) != 1:
        raise FormulaError(f"a step has one result, this formula has {len(results)}", 0, len(text))
    return WithProducts(results[0], tuple(walk.products))


class _Walk(Walk):
    def __init__(self, text: str, inputs: tuple[str, ...], weights: frozenset[str]) -> None:
        super().__init__(text, inputs)
        self.weights = weights
        self.products: list[Product] = []

    def binary(self, node: ast.BinOp) -> Expr:
        if not isinstance(node.op, ast.MatMult):
            return super().binary(node)
        left, right = self.number(node.left), node.right
        if not isinstance(right, ast.Name) or right.id not in self.weights:
            listed = ", ".join(f"`{name}`" for name in sorted(self.weights))
            advice = f"a matrix of the cell's weights: {listed}" if listed else "declare it under the cell's `weights`"
            raise self.fault(right, "on the right of `@` stands a weight", advice)
        self.met[right.id] = None
        product = Product(left, right.id)
        if product not in self.products:
            self.products.append(product)
        return Name(f"@{self.products.index(product)}")
