"""Formulas as expressions of Python over NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from netspec.compiler.formula import Call, Constant, Expr, Formula, Name
from netspec.compiler.formula.functions import FUNCTIONS
from netspec.diagnostics import Diagnostic, NetspecError

ATOM: Final = 10
LONGEST: Final = 84  # characters of an expression on one line
SHORT: Final = 24  # characters of an operand that may be written twice
PRODUCT: Final = FUNCTIONS["*"].precedence

# What NumPy has under a name of its own; operators are written as they are, the others are `HELPERS`.
_NUMPY: Final[Mapping[str, str]] = {
    "and": "np.logical_and",
    "or": "np.logical_or",
    "min": "np.minimum",
    "max": "np.maximum",
    **{name: f"np.{name}" for name in ("exp", "expm1", "log", "log1p", "sqrt", "abs", "tanh", "sin", "cos")},
    **{name: f"np.{name}" for name in ("floor", "where")},
}

HELPERS: Final[Mapping[str, str]] = {
    "sigmoid": '''\
def sigmoid(x):
    """1 / (1 + exp(-x)), written so that exp cannot overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, np.float32(1)) / (1 + e)
''',
    "softplus": '''\
def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(np.float32(0), x)
''',
    "sign": '''\
def sign(x):
    """-1 below 0, else 1."""
    return np.where(x < 0, np.float32(-1), np.float32(1))
''',
    "step": '''\
def step(x):
    """0 below 0, else 1: the threshold unit of McCulloch and Pitts."""
    return np.where(x < 0, np.float32(0), np.float32(1))
''',
    "erf": '''\
def erf(x):
    """The error function, which NumPy lacks and Python has for one number."""
    return np.vectorize(math.erf, otypes=[np.float32])(x)
''',
}

RESERVED: Final = (
    *("taps", "conv", "conv_transpose", "max_pool", "mean_pool", "taken", "patches", "adaptive_pool"),
    *("repeated", "interpolated", "channels_to_pixels", "pixels_to_channels"),
)
"""Further names that a file may define."""


class Text(NamedTuple):
    """An expression, how strongly its outermost operator binds, and the helpers it calls."""

    text: str
    precedence: int = ATOM

    def inside(self, least: int) -> str:
        """In parentheses where the operator around it binds more strongly."""
        return self.text if self.precedence >= least else f"({self.text})"


def unsupported(what: str, path: str | None) -> NetspecError:
    """The fault of a network that a format has no words for."""
    where = f", which `{path}` needs," if path else ""
    helps = ("export to another format, such as safetensors",)
    return NetspecError(Diagnostic("cannot-export", f"{what}{where} cannot be written with NumPy", helps=helps))


def quoted(text: str) -> str:
    """A text as Python writes it, in double quotes."""
    import json

    return json.dumps(text, ensure_ascii=False)


def packed(items: Iterable[str]) -> str:
    """A list of expressions: on one line if it is short, else on as many as it takes."""
    items = list(items)
    if len(", ".join(items)) <= LONGEST:
        return f"[{', '.join(items)}]"
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > LONGEST:
            lines.append("")
        lines[-1] += f" {item}," if lines[-1] else f"{item},"
    return "\n".join(["[", *(f"    {line}" for line in lines), "]"])


def listed(texts: Iterable[str]) -> str:
    """A list of texts."""
    return packed(map(quoted, texts))


def number(value: float) -> str:
    """The shortest text of a constant that reads back as its float32."""
    import numpy as np

    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    with np.errstate(over="ignore"):
        short = np.float32(value)
    return repr(float(value)) if not np.isfinite(short) else str(short)


class Writer:
    """Writes formulas; ``helpers`` are the definitions of what they call, ``lines`` what was given a name."""

    def __init__(self) -> None:
        self.helpers: dict[str, str] = {}
        self.lines: list[str] = []
        self.taken: set[str] = {"np", "math", "W", *HELPERS, *RESERVED}

    def name(self, wanted: str) -> str:
        """A name like ``wanted`` that nothing has yet."""
        import keyword
        import re

        base = re.sub(r"\W", "_", wanted) or "v"
        base = f"_{base}" if base[0].isdigit() or keyword.iskeyword(base) else base
        found, n = base, 1
        while found in self.taken:
            n += 1
            found = f"{base}_{n}"
        self.taken.add(found)
        return found

    def help(self, name: str, definition: str) -> None:
        """Define what the file calls ``name``."""
        self.helpers[name] = definition

    def assign(self, wanted: str, text: str) -> Text:
        """A line that gives ``text`` a name."""
        name = self.name(wanted)
        self.lines.append(f"{name} = {text}")
        return Text(name)

    def formula(self, formula: Formula, operands: Sequence[Text], columns: str | None = None) -> Text:
        """The only result of a formula.

        Args:
            formula: Without reductions and draws.
            operands: The text of each input.
            columns: The length of the last axis, for ``column()``.
        """
        given = dict(zip(formula.inputs, operands, strict=True))
        uses: dict[Expr, int] = dict.fromkeys(formula.nodes, 0)
        for node in formula.nodes:
            for operand in node.operands:
                uses[operand] += 1
        texts: dict[Expr, Text] = {}
        for node in formula.nodes:
            texts[node] = self._node(node, texts, given, columns)
            short = isinstance(node, Constant) or (isinstance(node, Name) and len(texts[node].text) <= SHORT)
            if uses[node] > 1 and not short:
                texts[node] = self.assign(node.name if isinstance(node, Name) else "t", texts[node].text)
        return texts[formula.output]

    def _node(self, node: Expr, texts: Mapping[Expr, Text], given: Mapping[str, Text], columns: str | None) -> Text:
        match node:
            case Constant():
                text = number(node.value)
                return Text(text, FUNCTIONS["negative"].precedence if text.startswith("-") else ATOM)
            case Name():
                return given[node.name]
            case Call():
                return self._call(node, [texts[operand] for operand in node.operands], columns)
        raise unsupported(f"`{node}`", None)

    def _call(self, node: Call, operands: Sequence[Text], columns: str | None) -> Text:
        function = FUNCTIONS[node.function]
        if node.function in ("column", "columns") and columns is not None:
            return Text(f"np.arange({columns}, dtype=np.float32)" if node.function == "column" else columns)
        if node.function in _NUMPY or node.function in HELPERS:
            name = _NUMPY.get(node.function, node.function)
            if node.function in HELPERS:
                self.help(node.function, HELPERS[node.function])
            # Two plain numbers to choose from would be float64 or integers.
            typed = node.function == "where" and all(isinstance(o, Constant) for o in node.operands[1:])
            words = [f"np.float32({o.text})" if typed and i else o.text for i, o in enumerate(operands)]
            return Text(f"{name}({', '.join(words)})")
        level = function.precedence
        if not level:
            raise unsupported(f"`{node.function}`", None)
        if node.function == "negative":
            return Text(f"-{operands[0].inside(level)}", level)
        left, right = (level + 1, level) if node.function == "**" else (level, level + 1)
        if function.condition:  # `a < b < c` would mean something else
            left = level + 1
        return Text(f"{operands[0].inside(left)} {node.function} {operands[1].inside(right)}", level)
