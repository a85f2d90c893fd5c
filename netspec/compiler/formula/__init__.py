"""Scalar expressions: read, differentiate, simplify, evaluate, and turn into vector code."""

from netspec.compiler.formula.compose import canonical, inline, rename, select, substitute, trim, union
from netspec.compiler.formula.differentiate import differentiate, gradients, pullback
from netspec.compiler.formula.evaluate import evaluate, evaluate_scalar
from netspec.compiler.formula.expr import Call, Constant, Expr, Name, Reduction, names, replace, replace_all, walk
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import FormulaError, parse
from netspec.compiler.formula.render import body
from netspec.compiler.formula.simplify import simplified, simplify
from netspec.compiler.formula.sweeps import Sweep, spread_results, sweeps

__all__ = [
    "Call", "Constant", "Expr", "Formula", "FormulaError", "Name", "Reduction", "Sweep",
    "body", "canonical", "differentiate", "evaluate", "evaluate_scalar", "gradients", "inline", "names",
    "parse", "pullback", "rename", "replace", "replace_all", "select", "simplified", "simplify",
    "spread_results", "substitute", "sweeps", "trim", "union", "walk",
]  # fmt: skip
