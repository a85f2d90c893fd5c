"""Text to formulas: a walk over Python's syntax tree that admits a closed list of nodes and evaluates nothing."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from keyword import iskeyword
from typing import ClassVar, Final

from netspec.compiler.formula.expr import Call, Constant, Expr, Name, Reduction
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.functions import CALLABLE, FUNCTIONS, REDUCTIONS, SHORT, is_condition
from netspec.diagnostics import suggestion

KNOWN: Final = tuple(sorted({*CALLABLE, *REDUCTIONS, *SHORT, "mean"}))
"""Every name that can be called."""

LONGEST = 20_000
"""Characters that a formula may have."""

DEEPEST = 100
"""Levels of nesting that a formula may have."""

_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_INSTEAD: dict[type[ast.AST], tuple[str, str]] = {
    ast.BitXor: ("`^` is not a power here", "write `**` for a power"),
    ast.FloorDiv: ("`//` is not part of formulas", "write `floor(a / b)`"),
    ast.Mod: ("`%` is not part of formulas", "write `a - b * floor(a / b)`"),
    ast.MatMult: ("`@` is only for the step of a cell", "use a layer such as `dense` for a matrix product"),
    ast.BitAnd: ("`&` is not part of formulas", "write `and` between conditions"),
    ast.BitOr: ("`|` is not part of formulas", "write `or` between conditions"),
    ast.Not: ("`not` is not part of formulas", "turn the comparison round, or swap the two values of `where`"),
    ast.Invert: ("`~` is not part of formulas", "turn the comparison round, or swap the two values of `where`"),
    ast.IfExp: ("`if` is not part of formulas", "write `where(condition, a, b)`"),
    ast.Attribute: ("a formula has no attributes", "write a function alone, as in `exp(x)`"),
    ast.Subscript: ("a formula has no elements to pick", "it applies to each element by itself"),
    ast.Lambda: ("`lambda` is a word of Python", "give the parameter another name"),
    ast.List: ("a formula has no lists", "separate several results by commas"),
    ast.Starred: ("`*` before a value is not part of formulas", "write the operands one by one"),
}


class FormulaError(ValueError):
    """A text that is no formula; ``offset`` to ``end`` count code points of the text, from 0."""

    def __init__(self, message: str, offset: int = 0, end: int | None = None, advice: str | None = None) -> None:
        super().__init__(message)
        self.message, self.offset, self.advice = message, offset, advice
        self.end = offset + 1 if end is None else max(end, offset + 1)


def parse(text: str, inputs: Iterable[str] | None = None) -> Formula:
    """Read a formula: assignments, then one or more results, as in ``t = exp(a); t, t + b``.

    A name may be assigned again, as in ``m = 0.9 * m + g; m``; it means its latest value. Every ``normal()`` and
    ``uniform()`` that is written is a draw of its own.

    Args:
        text: arithmetic as in Python, with the functions of `functions`.
        inputs: the names that may occur; None takes every name for an input, in the order in which they are met.

    Raises:
        FormulaError: if the text is not a formula.
    """
    return _parse(text, None if inputs is None else tuple(inputs))


@lru_cache(maxsize=1024)
def _parse(text: str, inputs: tuple[str, ...] | None) -> Formula:
    walk = Walk(text, inputs)
    outputs = formula_of(walk, text)
    return Formula(tuple(walk.met) if inputs is None else inputs, outputs)


def formula_of(walk: Walk, text: str) -> tuple[Expr, ...]:
    """The results of a text as ``walk`` reads it."""
    if not text.strip():
        raise FormulaError("the formula is empty", advice="write an expression such as `max(x, 0)`")
    if len(text) > LONGEST:
        raise FormulaError(f"the formula has {len(text)} characters, the most is {LONGEST}")
    return walk.module(_syntax_tree(text))


def _syntax_tree(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():  # of texts such as `0or 1`, which are refused or read all the same
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        before = sum(len(line) for line in _lines(text)[: (error.lineno or 1) - 1])
        offset = min(before + max((error.offset or 1) - 1, 0), max(len(text) - 1, 0))
        message = (error.msg or "invalid syntax").split(". ")[0]
        advice = "write a product with `*`, as in `2 * x`" if "decimal literal" in message else None
        for word in re.findall(r"[^\W\d]\w*", text):
            if iskeyword(word) and word not in ("and", "or", "not"):
                advice = f"`{word}` is a word of Python and cannot be a name here"
        raise FormulaError(f"this is not arithmetic: {message}", offset, advice=advice) from None
    except (ValueError, RecursionError, MemoryError, OverflowError):
        raise FormulaError("the formula is nested too deeply or holds an unreadable character") from None


class Walk:
    """One reading of one text; a kind of syntax is admitted by an entry in ``kinds``."""

    def __init__(self, text: str, inputs: tuple[str, ...] | None) -> None:
        self.text = text
        self.lines = _lines(text)
        self.inputs = inputs
        self.assigned: dict[str, Expr] = {}
        self.met: dict[str, None] = {}
        self.draws: dict[str, int] = {}
        self.depth = 0

    def module(self, tree: ast.Module) -> tuple[Expr, ...]:
        """All statements; the last one holds the results."""
        for statement in tree.body[:-1]:
            self.assign(statement)
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, ast.Expr):
            if last is None:
                raise FormulaError("the formula is empty", advice="write an expression such as `max(x, 0)`")
            raise self.fault(
                last, "the formula has no result", "end it with an expression, as in `t = exp(x); t / (1 + t)`"
            )
        results = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]
        if not results:
            raise self.fault(last, "the formula has no result")
        return tuple(self.number(result) for result in results)

    def assign(self, statement: ast.stmt) -> None:
        """Read ``name = expression``."""
        if not (isinstance(statement, ast.Assign) and len(statement.targets) == 1):
            raise self.fault(
                statement, "only assignments may stand before the result", "as in `t = exp(x); t / (1 + t)`"
            )
        target = statement.targets[0]
        if not isinstance(target, ast.Name):
            raise self.fault(target, "only a name can be assigned")
        self.assigned[target.id] = self.visit(statement.value)

    def visit(self, node: ast.expr) -> Expr:
        """The expression of one node, number or condition."""
        read = self.kinds.get(type(node))
        if read is None:
            raise self.fault(node, *self.refusal(node))
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fault(
                node, f"the formula is nested deeper than {DEEPEST}", "name its parts, as in `t = exp(x); t + 1`"
            )
        result: Expr = getattr(self, read)(node)
        self.depth -= 1
        return result

    def number(self, node: ast.expr) -> Expr:
        """An expression that must not be a condition."""
        result = self.visit(node)
        if isinstance(result, Call) and is_condition(result.function):
            raise self.fault(node, "a condition is not a number", "choose numbers by it: `where(condition, 1, 0)`")
        return result

    def condition(self, node: ast.expr) -> Expr:
        """An expression that must be a condition."""
        result = self.visit(node)
        if not (isinstance(result, Call) and is_condition(result.function)):
            raise self.fault(node, "a condition is needed here", "compare two values, as in `x > 0`")
        return result

    def constant(self, node: ast.Constant) -> Expr:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(node, f"`{self.source(node)}` is not a number")
        try:
            if math.isfinite(number := float(value)):
                return Constant(number)
        except OverflowError:
            pass
        raise self.fault(node, f"`{self.source(node)}` is too large for a number")

    def name(self, node: ast.Name) -> Expr:
        name = node.id
        if name in self.assigned:
            return self.assigned[name]
        if self.inputs is None or name in self.inputs:
            self.met[name] = None
            return Name(name)
        if name in KNOWN:
            raise self.fault(node, f"`{name}` is a function", f"write `{name}(...)`")
        known = (*self.inputs, *self.assigned)
        near = suggestion(name, known)
        listed = ", ".join(f"`{n}`" for n in known)
        advice = f"did you mean `{near}`?" if near else (f"known here: {listed}" if listed else None)
        raise self.fault(node, f"unknown name `{name}`", advice)

    def binary(self, node: ast.BinOp) -> Expr:
        symbol = _BINARY.get(type(node.op))
        if symbol is None:
            raise self.fault(node, *self.refusal(node.op))
        return Call(symbol, self.number(node.left), self.number(node.right))

    def unary(self, node: ast.UnaryOp) -> Expr:
        if not isinstance(node.op, ast.USub | ast.UAdd):
            raise self.fault(node, *self.refusal(node.op))
        operand = self.number(node.operand)
        if isinstance(node.op, ast.UAdd):
            return operand
        adjacent = node.operand.col_offset == node.col_offset + 1 and isinstance(node.operand, ast.Constant)
        if adjacent and isinstance(operand, Constant):  # a sign right before a number belongs to it
            return Constant(-operand.value)
        return Call("negative", operand)

    def compare(self, node: ast.Compare) -> Expr:
        sides = [self.number(side) for side in (node.left, *node.comparators)]
        result: Expr | None = None
        for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
            symbol = _COMPARE.get(type(operator))
            if symbol is None:
                raise self.fault(node, "this comparison is not part of formulas", "use <, <=, >, >=, == or !=")
            one = Call(symbol, left, right)
            result = one if result is None else Call("and", result, one)  # 0 < x < 1
        assert result is not None
        return result

    def both(self, node: ast.BoolOp) -> Expr:
        function = "and" if isinstance(node.op, ast.And) else "or"
        result, *others = [self.condition(value) for value in node.values]
        for other in others:
            result = Call(function, result, other)
        return result

    def written_out(self, name: str, node: ast.Call) -> Expr:
        """What a short name of one operand stands for."""
        if len(node.args) != 1:
            raise self.fault(node, f"`{name}` takes 1 operand, got {len(node.args)}")
        return SHORT[name][1](self.number(node.args[0]))

    def call(self, node: ast.Call) -> Expr:
        if not isinstance(node.func, ast.Name):
            raise self.fault(node.func, "only a function of the list can be called", f"it has {_listed()}")
        if node.keywords:
            raise self.fault(
                node.keywords[0].value, "a function takes no named operands", "write the operands in their order"
            )
        name, count = node.func.id, len(node.args)
        if count == 1 and (name in REDUCTIONS or name == "mean"):
            return self.reduction(name, node.args[0])
        if name == "mean" or (name in REDUCTIONS and name not in FUNCTIONS):
            raise self.fault(node, f"`{name}` takes one operand, got {count}", f"as in `{name}(x)`, over the last axis")
        if name in SHORT:
            return self.written_out(name, node)
        if name not in CALLABLE:
            near = suggestion(name, KNOWN)
            raise self.fault(node.func, f"unknown function `{name}`", f"did you mean `{near}`?" if near else _listed())
        function = FUNCTIONS[name]
        if not (count in function.arities or (function.folds and count > 2)):
            needed = "one or more" if function.folds else " or ".join(map(str, function.arities))
            raise self.fault(node, f"`{name}` takes {needed} operand{'s' * (needed != '1')}, got {count}")
        read = [self.condition if name == "where" and i == 0 else self.number for i in range(count)]
        operands = [one(argument) for one, argument in zip(read, node.args, strict=True)]
        if function.random and not operands:
            return self.draw(name)
        while function.folds and len(operands) > 2:
            operands[:2] = [Call(name, *operands[:2])]
        return Call(name, *operands)

    def draw(self, name: str) -> Expr:
        """The second draw of a text is ``normal(1)``, another expression than ``normal()``."""
        earlier = self.draws.get(name, 0)
        self.draws[name] = earlier + 1
        return Call(name, Constant(earlier)) if earlier else Call(name)

    def reduction(self, name: str, argument: ast.expr) -> Expr:
        body = self.number(argument)
        if name == "mean":
            return Call("/", Reduction("sum", body), Call("columns"))
        return Reduction(name, body)

    kinds: ClassVar[dict[type[ast.expr], str]] = {
        ast.Constant: "constant", ast.Name: "name", ast.BinOp: "binary", ast.UnaryOp: "unary",
        ast.Compare: "compare", ast.BoolOp: "both", ast.Call: "call",
    }  # fmt: skip

    def refusal(self, node: ast.AST) -> tuple[str, str | None]:
        default = (f"`{type(node).__name__.lower()}` is not part of formulas", "use + - * / ** and the functions")
        return _INSTEAD.get(type(node), default)

    def source(self, node: ast.expr) -> str:
        start, end = self.place(node)
        text = self.text[start:end]
        return text if len(text) <= 40 else text[:37] + "..."

    def place(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno or 1, node.end_col_offset or 0)

    def offset(self, line: int, column: int) -> int:
        """The code point at a line (from 1) and a column, which ``ast`` counts in bytes of UTF-8."""
        before = sum(len(text) for text in self.lines[: line - 1])
        return before + len(self.lines[line - 1].encode()[:column].decode(errors="ignore")) if self.lines else 0

    def fault(self, node: ast.expr | ast.stmt, message: str, advice: str | None = None) -> FormulaError:
        return FormulaError(message, *self.place(node), advice)


def _lines(text: str) -> list[str]:
    """The lines that Python's parser sees, which breaks at fewer characters than ``str.splitlines``."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n|$)", text)


def _listed() -> str:
    return "functions: " + ", ".join(KNOWN)
