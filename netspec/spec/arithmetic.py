"""The arithmetic of ``${}``: a closed language of names, numbers and seven signs, parsed and never run as code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from netspec.tensortype import Size

Number: TypeAlias = "int | float | Size"
Result: TypeAlias = "str | int | float | bool | Size"
Lookup: TypeAlias = Callable[[str], "Result | None"]

MAX_LENGTH: Final = 1000
MAX_NESTING: Final = 50
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_0-9]+)*)|(?P<sign>\*\*|//|[-+*/%()])|(?P<other>\S))",
    re.ASCII,
)


class InterpolationError(ValueError):
    """What stands in ``${}`` cannot be worked out; ``advice`` is the way out."""

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.advice = advice


def evaluate(text: str, lookup: Lookup) -> Result | None:
    """The value of ``text``; None, if it needs a name that has none.

    Args:
        text: What stands between the braces.
        lookup: The value of a name; None for one whose value is at fault, so that what is wrong beside it is found
            all the same.

    Raises:
        InterpolationError: if ``text`` is at fault itself.
    """
    if len(text) > MAX_LENGTH:
        raise InterpolationError(f"it is longer than {MAX_LENGTH} characters")
    return _Parser(_tokens(text), lookup).whole()


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens = []
    for match in _TOKEN.finditer(text.rstrip()):
        kind = match.lastgroup or ""
        if kind == "other":
            sign = match["other"]
            advice = "write powers with `**`" if sign == "^" else "it takes + - * // % ** and parentheses"
            raise InterpolationError(f"`{sign}` means nothing here", advice)
        tokens.append((kind, match[kind]))
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], lookup: Lookup) -> None:
        self.tokens, self.lookup, self.at, self.depth = tokens, lookup, 0, 0

    def whole(self) -> Result | None:
        if not self.tokens:
            raise InterpolationError("it is empty")
        value = self.sum()
        if self.at < len(self.tokens):
            raise InterpolationError(f"`{self.tokens[self.at][1]}` cannot follow here")
        return value

    def sum(self) -> Result | None:
        value = self.product()
        while (sign := self.take("+", "-")) is not None:
            value = _apply(sign, value, self.product())
        return value

    def product(self) -> Result | None:
        value = self.signed()
        while (sign := self.take("*", "/", "//", "%")) is not None:
            value = _apply(sign, value, self.signed())
        return value

    def signed(self) -> Result | None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise InterpolationError("it is nested too deep")
        sign = self.take("-", "+")
        value = self.power() if sign is None else _apply(sign, 0, self.signed())
        self.depth -= 1
        return value

    def power(self) -> Result | None:
        value = self.atom()
        if self.take("**") is not None:
            value = _apply("**", value, self.signed())
        return value

    def atom(self) -> Result | None:
        if self.at == len(self.tokens):
            raise InterpolationError("it ends too soon")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return _literal(text)
        if kind == "name":
            return self.lookup(text)
        if text != "(":
            raise InterpolationError(f"`{text}` cannot stand here")
        value = self.sum()
        if self.take(")") is None:
            raise InterpolationError("a `)` is missing")
        return value

    def take(self, *signs: str) -> str | None:
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind == "sign" and text in signs:
                self.at += 1
                return text
        return None


def _literal(text: str) -> int | float:
    if text.isdigit():
        return _bounded(int(text)) if len(text) < 30 else _bounded(1 << 63)
    return _finite(float(text))


def _bounded(value: int) -> int:
    if abs(value) >= 1 << 63:
        raise InterpolationError("the result does not fit into 64 bits")
    return value


def _finite(value: float) -> float:
    if value - value != 0:
        raise InterpolationError("the result is not a finite number")
    return value


def _apply(sign: str, a: Result | None, b: Result | None) -> Number | None:
    for value in (a, b):
        if isinstance(value, bool | str):
            what = "true or false" if isinstance(value, bool) else "text"
            raise InterpolationError(f"`{sign}` takes numbers, got {what}")
    assert not isinstance(a, str)
    assert not isinstance(b, str)
    if a is None or b is None:
        return None
    if isinstance(a, Size) or isinstance(b, Size):
        return _symbolic(sign, a, b)
    if isinstance(a, int) and isinstance(b, int):
        return _bounded(_integer(sign, a, b))
    try:
        return _finite(_real(sign, float(a), float(b)))
    except OverflowError:
        raise InterpolationError("the result is not a finite number") from None


def _integer(sign: str, a: int, b: int) -> int:
    if sign in ("/", "//", "%") and b == 0:
        raise InterpolationError("it divides by zero")
    if sign == "/":
        raise InterpolationError("`/` does not divide integers", "write `//`, which drops the remainder")
    if sign == "**":
        if b < 0:
            raise InterpolationError("an integer to a negative power is no integer", "write the base as 2.0")
        if abs(a) > 1 and b > 63:
            raise InterpolationError("the result does not fit into 64 bits")
        return int(a ** (b if abs(a) > 1 else b % 2 + 2 * (b > 1)))
    if sign in ("//", "%"):
        return a // b if sign == "//" else a % b
    return a + b if sign == "+" else a - b if sign == "-" else a * b


def _real(sign: str, a: float, b: float) -> float:
    if sign in ("/", "//", "%") and b == 0:
        raise InterpolationError("it divides by zero")
    if sign == "**":
        if a == 0 and b < 0:
            raise InterpolationError("it divides by zero")
        if a < 0 and b != int(b):
            raise InterpolationError("a root of a negative number is not a number")
        return float(a**b)
    if sign in ("/", "//", "%"):
        return a / b if sign == "/" else a // b if sign == "//" else a % b
    return a + b if sign == "+" else a - b if sign == "-" else a * b


def _symbolic(sign: str, a: Number, b: Number) -> Number:
    if isinstance(a, float) or isinstance(b, float) or sign not in ("+", "-", "*"):
        unknown = a if isinstance(a, Size) else b
        raise InterpolationError(f"`{sign}` cannot be worked out before the data are open, since {unknown} is unknown")
    return a + b if sign == "+" else a - b if sign == "-" else a * b
