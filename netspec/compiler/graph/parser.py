"""Text of `printer` back to an equal graph, and what equal means."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse as parse_formula
from netspec.compiler.graph.node import Graph, Input, Node, Origin, Role, Value
from netspec.compiler.graph.op import OPS, PARTS, Op, make
from netspec.tensortype import DTYPES, ROWS, Dim, DType, Layout, TensorType, product, size

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<formula>`[^`]*`)
    | (?P<layout><[^>]*>)
    | (?P<value>%\d+)
    | (?P<graph>@[^\s,}]+)
    | (?P<float>-?(?:\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+|inf\b|nan\b))
    | (?P<int>\d+)
    | (?P<word>[A-Za-z_][\w.]*|\|[^|]*\|)
    | (?P<sign>[][{}()=,:*+-])
    )""",
    re.VERBOSE,
)
_ORIGIN = re.compile(r"  # (?P<path>.*):(?P<line>\d+)$")
_WORDS = {"none": None, "true": True, "false": False}


class GraphSyntaxError(ValueError):
    """A text that is no graph; the message names the line."""


def parse(text: str) -> Graph:
    """The graph that ``text`` describes.

    Raises:
        GraphSyntaxError: if it is not the text of a graph, or a type does not follow from the op and its inputs.
    """
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    number, first = next(lines, (1, ""))
    return _graph(lines, number, first)


def _graph(lines: Iterator[tuple[int, str]], number: int, first: str) -> Graph:
    head = _Scanner(first, number, {}, {})
    head.expect("word", "graph")
    name = head.string()
    values: dict[str, Value] = {}
    inputs: list[Value] = []
    outputs: list[tuple[str, Value]] = []
    setup: Graph | None = None
    bodies: dict[str, Graph] = {}
    for at, line in lines:
        if line == "}":
            return Graph(name, tuple(inputs), tuple(outputs), setup)
        if line.startswith("setup "):
            setup = _graph(lines, at, line.removeprefix("setup "))
        elif line.startswith("body "):
            body = _graph(lines, at, line.removeprefix("body "))
            bodies[body.name] = body
        elif line.startswith("return "):
            scanner = _Scanner(line.removeprefix("return "), at, values, {})
            key = scanner.string()
            scanner.expect("sign", "=")
            outputs.append((key, scanner.value()))
        else:
            node = _node(line, at, values, bodies)
            if isinstance(node.op, Input):
                inputs.append(node.value())
    raise GraphSyntaxError(f"line {number}: the graph {name!r} has no end")


def _node(line: str, number: int, values: dict[str, Value], bodies: dict[str, Graph]) -> Node:
    mark = _ORIGIN.search(line)
    origin = Origin(mark["path"], int(mark["line"])) if mark else None
    scanner = _Scanner(line[: mark.start()] if mark else line, number, values, bodies)
    names = scanner.separated(lambda: scanner.expect("value"))
    scanner.expect("sign", "=")
    kind = scanner.expect("word")
    inputs: tuple[Value, ...] = ()
    if kind == "input":
        role = cast("Role", scanner.expect("word"))
        key = scanner.string()
        scanner.expect("sign", ":")
        types = (scanner.type(),)
        op = make("input", key=key, type=types[0], role=role)
    else:
        if kind not in OPS:
            scanner.fail(f"no op is called {kind!r}")
        attributes = scanner.fields("}") if scanner.skip("{") else {}
        op = make(kind, **attributes)
        if scanner.peek()[0] == "value":
            inputs = tuple(scanner.separated(scanner.value))
        scanner.expect("sign", ":")
        types = tuple(scanner.separated(scanner.type))
    scanner.end()
    found = op.infer([value.type for value in inputs])
    if found != types or len(names) != len(types):
        scanner.fail(f"`{kind}` gives {', '.join(map(str, found))}")
    node = Node(op, inputs, types, origin)
    values.update(zip(names, node.values, strict=True))
    return node


class _Scanner:
    """One line, read token by token."""

    def __init__(self, text: str, number: int, values: dict[str, Value], bodies: dict[str, Graph]) -> None:
        self.text, self.number, self.values, self.bodies, self.position = text, number, values, bodies, 0

    def fail(self, message: str) -> NoReturn:
        raise GraphSyntaxError(f"line {self.number}, column {self.position + 1}: {message}: {self.text}")

    def peek(self) -> tuple[str, str, int]:
        """Kind, text and end of the next token; an empty kind at the end of the line."""
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            if self.text[self.position :].strip():
                self.fail("unreadable")
            return "", "", len(self.text)
        kind = match.lastgroup or ""
        return kind, match[kind], match.end()

    def next(self) -> tuple[str, str]:
        kind, text, self.position = self.peek()
        return kind, text

    def expect(self, kind: str, text: str | None = None) -> str:
        found, token = self.next()
        if found != kind or text not in (None, token):
            self.fail(f"expected {text or kind}, found {token!r}")
        return token

    def skip(self, sign: str) -> bool:
        """Take the next token if it is ``sign``."""
        kind, text, end = self.peek()
        if (kind, text) != ("sign", sign):
            return False
        self.position = end
        return True

    def end(self) -> None:
        if self.peek()[0]:
            self.fail("more than expected")

    def separated(self, one: Callable[[], Any]) -> list[Any]:
        """One or more, with commas between."""
        items = [one()]
        while self.skip(","):
            items.append(one())
        return items

    def string(self) -> str:
        return str(json.loads(self.expect("string")))

    def value(self) -> Value:
        name = self.expect("value")
        if name not in self.values:
            self.fail(f"{name} is not defined above")
        return self.values[name]

    def fields(self, close: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self.skip(close):
            name = self.expect("word")
            self.expect("sign", "=")
            found[name] = self.attribute()
            self.skip(",")
        return found

    def items(self) -> tuple[Any, ...]:
        found: list[Any] = []
        while not self.skip("]"):
            found.append(self.attribute())
            self.skip(",")
        return tuple(found)

    def attribute(self) -> Any:
        kind, text, end = self.peek()
        plain: dict[str, Callable[[str], Any]] = {
            "string": json.loads, "formula": _formula, "layout": _layout, "float": float, "graph": self.body,
        }  # fmt: skip
        if kind in plain:
            self.position = end
            return plain[kind](text)
        if self.skip("["):
            return self.items()
        if kind == "word" and text in _WORDS:
            self.position = end
            return _WORDS[text]
        if kind == "word" and text in PARTS:
            self.position = end
            self.expect("sign", "(")
            return PARTS[text](**self.fields(")"))
        if kind == "word" and text in DTYPES:
            return self.type()
        return self.dim()

    def body(self, name: str) -> Graph:
        """A graph that stands above."""
        if name[1:] not in self.bodies:
            self.fail(f"no body is called {name[1:]!r}")
        return self.bodies[name[1:]]

    def dim(self) -> Dim:
        """``3``, or a polynomial ``2*B*T - 1``."""
        total: Dim = 0
        sign = -1 if self.skip("-") else 1
        while True:
            factors: list[Dim] = [sign, self.factor()]
            while self.skip("*"):
                factors.append(self.factor())
            total = total + product(factors)
            if self.skip("+"):
                sign = 1
            elif self.skip("-"):
                sign = -1
            else:
                return total

    def factor(self) -> Dim:
        kind, text = self.next()
        if kind not in ("int", "word"):
            self.fail(f"expected a size, found {text!r}")
        return int(text) if kind == "int" else size(text)

    def type(self) -> TensorType:
        dtype = self.expect("word")
        if dtype not in DTYPES:
            self.fail(f"{dtype!r} is no dtype")
        self.expect("sign", "[")
        shape = self.items()
        layout = ROWS
        if self.skip("{"):
            end = self.text.index("}", self.position)
            layout, self.position = _layout(f"<{self.text[self.position : end]}>"), end + 1
        return TensorType(cast("DType", dtype), shape, layout)


def _formula(quoted: str) -> Formula:
    inputs, _, text = quoted.strip("`").partition(" -> ")
    return parse_formula(text, [name for name in inputs.strip("()").split(", ") if name])


def _layout(quoted: str) -> Layout:
    kind, _, width = quoted.strip("<>").partition(" ")
    return Layout(cast("Any", kind), int(width or 0))


def same(a: Graph, b: Graph) -> bool:
    """Whether two graphs are the same but for origins: ops, inputs, types, outputs, node by node in order."""
    if a.name != b.name or len(a.nodes) != len(b.nodes) or (a.setup is None) != (b.setup is None):
        return False
    twin: dict[Value, Value] = {}
    for x, y in zip(a.nodes, b.nodes, strict=True):
        if not _same_op(x.op, y.op) or x.types != y.types or tuple(twin.get(v) for v in x.inputs) != y.inputs:
            return False
        twin.update(zip(x.values, y.values, strict=True))
    outputs = [(key, twin[value]) for key, value in a.outputs] == list(b.outputs)
    inputs = [twin[value] for value in a.inputs] == list(b.inputs)
    return outputs and inputs and (a.setup is None or b.setup is None or same(a.setup, b.setup))


def _same_op(a: Op, b: Op) -> bool:
    inside = list(zip(a.bodies(), b.bodies(), strict=False))
    return a == b or (bool(inside) and all(same(*pair) for pair in inside) and a.with_bodies(b.bodies()) == b)
