"""Markdown with formulas in LaTeX as plain text: what a docstring gives the site, for a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from unicodedata import lookup

_LETTERS: Final = ("alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "lambda", "mu", "pi", "rho", "sigma",
                   "tau", "phi")  # fmt: skip
_SYMBOLS: Final[Mapping[str, str]] = {
    # Unicode has the same names as LaTeX, but for one.
    **{name: lookup(f"GREEK SMALL LETTER {'LAMDA' if name == 'lambda' else name.upper()}") for name in _LETTERS},
    "Delta": "Δ", "sum": "Σ", "partial": "∂", "leftarrow": "←", "rightarrow": "→", "to": "→", "mapsto": "↦",
    "in": "∈", "le": "≤", "ge": "≥", "ne": "≠", "sim": "~", "approx": "≈", "cdot": "·", "cdots": "···", "ldots": "…",
    "times": "\N{MULTIPLICATION SIGN}", "top": "T", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉",
    "left": "", "right": "", "bigl": "", "bigr": "", "Bigl": "", "Bigr": "", "quad": "  ",
    ",": " ", ";": " ", "!": "", " ": " ", "{": "{", "}": "}", "|": "‖", "_": "_",
}  # fmt: skip
_ACCENTS: Final = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
_PLAIN: Final = {"mathrm", "operatorname", "text", "mathit", "mathcal", "mathbf", "boldsymbol"}
_LOW: Final = dict(zip("0123456789+-aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
_HIGH: Final = dict(zip("0123456789+-nijkTtm", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱʲᵏᵀᵗᵐ", strict=True))
_TOKEN: Final = re.compile(r"\\[A-Za-z]+|\\.|[{}_^]|\s+|.", re.DOTALL)


def plain(markdown: str) -> str:
    """Paragraphs without marks: formulas in signs, double backticks single, links as their text."""
    text = re.sub(r"``(.+?)``", r"`\1`", markdown)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"\$\$?([^$]+)\$\$?", lambda found: formula(found[1]), text)


def formula(latex: str) -> str:
    """A formula in signs that a terminal has, such as `p ← p - η g`."""
    return re.sub(r" +", " ", _Formula(latex).read()).strip()


class _Formula:
    """One pass over the tokens of a formula."""

    def __init__(self, latex: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(latex)
        self.at = 0

    def read(self) -> str:
        """Everything up to the closing brace or the end."""
        parts = []
        while self.at < len(self.tokens):
            token = self._next()
            if token == "}":
                break
            parts.append(self._part(token))
        return "".join(parts)

    def _next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def _argument(self) -> str:
        """A group in braces, or the next token alone."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        if self.at == len(self.tokens):
            return ""
        return self._part(self._next())

    def _part(self, token: str) -> str:
        if token == "{":
            return self.read()
        if token in "_^":
            return _raised(self._argument(), _LOW if token == "_" else _HIGH, token)
        if token.startswith("\\"):
            return self._command(token[1:])
        return " " if token.isspace() else token

    def _command(self, name: str) -> str:
        if name == "frac":
            return f"{_grouped(self._argument())}/{_grouped(self._argument())}"
        if name == "sqrt":
            return f"√{_grouped(self._argument())}"
        if name in _ACCENTS:
            return self._argument() + _ACCENTS[name]
        return self._argument() if name in _PLAIN else _SYMBOLS.get(name, name)


def _raised(text: str, signs: Mapping[str, str], mark: str) -> str:
    if all(c in signs for c in text):
        return "".join(signs[c] for c in text)
    return f"{mark}{text}" if len(text) == 1 or re.fullmatch("[A-Za-z0-9]+", text) else f"{mark}({text})"


def _grouped(text: str) -> str:
    """In parentheses if it is more than a number or a letter with its marks."""
    is_one = re.fullmatch(r"[0-9.]+|\w[\u0300-\u036f₀-₉ₐ-ₜ⁰-⁹]*", text)
    return text if is_one else f"({text})"
