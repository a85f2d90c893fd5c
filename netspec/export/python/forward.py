"""The predictor's graph as the body of a function: a few lines a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from netspec.compiler.formula import Constant, substitute
from netspec.compiler.graph import Node, Value, key_of, role_of
from netspec.compiler.graph.node import Input
from netspec.compiler.graph.op import Op
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.compiler.ops.transpose import Transpose
from netspec.export.format import Model
from netspec.export.python.expressions import LONGEST, PRODUCT, Text, Writer, number, unsupported
from netspec.tensortype import Dim

Rule: TypeAlias = Callable[["Forward", Node, Sequence[Text]], Text]
RULES: Final[dict[type[Op], Rule]] = {}


def writes(op: type[Op]) -> Callable[[Rule], Rule]:
    """Register how the results of ``op`` are written."""

    def register(rule: Rule) -> Rule:
        RULES[op] = rule
        return rule

    return register


class Forward:
    """Writes one graph; ``lines`` is the body, ``results`` the expressions of the outputs by their names."""

    def __init__(self, model: Model) -> None:
        self.model, self.writer = model, Writer()
        self.arguments = {name: self.writer.name(name) for name in model.inputs}
        self.results: dict[str, str] = {}
        self._texts: dict[Value, Text] = {}
        self._uses: dict[Value, int] = {}
        self._origin: str | None = None

    @property
    def lines(self) -> list[str]:
        return self.writer.lines

    def write(self) -> Forward:
        """Write the whole graph."""
        graph = self.model.graph
        for node in graph.nodes:
            for value in node.inputs:
                self._uses[value] = self._uses.get(value, 0) + 1
        for _, value in graph.outputs:
            self._uses[value] = self._uses.get(value, 0) + 1
        for node in graph.nodes:
            self._node(node)
        for name, value in graph.outputs:
            self.results[name] = self._texts[value].text
        return self

    def _node(self, node: Node) -> None:
        value = node.value()
        if isinstance(node.op, Input):
            self._texts[value] = self._input(value)
            return
        rule = RULES.get(type(node.op))
        if rule is None or len(node.types) != 1:
            raise unsupported(f"`{node.op.name}`", node.origin.path if node.origin else None)
        self._head(node)
        text = rule(self, node, [self._operand(v) for v in node.inputs])
        self._texts[value] = self._named(value, text)

    def _operand(self, value: Value) -> Text:
        text = self._texts[value]
        if len(text.text) > LONGEST // 2 and text.precedence < 10:
            text = self._texts[value] = self.writer.assign("z", text.text)
        return text

    def _named(self, value: Value, text: Text) -> Text:
        """The value by a name, if it is a layer's or is used more than once; else the expression itself."""
        readers = self.model.graph.uses.get(value, ())
        path = value.node.origin.path if value.node.origin else None
        leaves = path is not None and all((r.origin.path if r.origin else None) != path for r in readers)
        scaled = self._scaled_input(value)
        if scaled is not None:
            self.lines.append(f"{scaled} = {text.text}")
            return Text(scaled)
        if text.text.isidentifier() and not leaves:
            return text
        if leaves:
            assert path is not None
            return self.writer.assign(path.replace(".", "_"), text.text)
        if self._uses.get(value, 0) > 1:
            return self.writer.assign(self._wish(readers, value), text.text)
        return text

    def _scaled_input(self, value: Value) -> str | None:
        """The argument that ``value`` is, made ready for the network, if it is the last of that."""
        if value.node.origin is not None:
            return None
        sources = {v for v in _above(value) if role_of(v) == "stored"}
        parameters = any(role_of(v) == "parameter" for v in _above(value))
        readers = self.model.graph.uses.get(value, ())
        if (
            len(sources) != 1
            or parameters
            or any(r.origin is None for r in readers)
            or isinstance(value.node.op, Gather)
        ):
            return None
        return self.arguments[key_of(sources.pop()).removeprefix("data.")]

    def _wish(self, readers: Sequence[Node], value: Value) -> str:
        """What formulas that read it call it."""
        for reader in readers:
            if isinstance(reader.op, Map):
                return reader.op.formula.inputs[reader.inputs.index(value)]
        return "z"

    def _head(self, node: Node) -> None:
        """A comment where a layer begins."""
        path = node.origin.path if node.origin else None
        if path == self._origin:
            return
        if path is None:
            self._begin("as predictions are shown")
        else:
            known = next((n for n in self.model.document.network.nodes if n.path == path), None)
            kind = f": {known.kind}" if known else ""
            self._begin(f"{path}{kind}")
        self._origin = path

    def _begin(self, comment: str) -> None:
        self.lines.extend([*([""] if self.lines else []), f"# {comment}"])

    def _input(self, value: Value) -> Text:
        key, role = key_of(value), role_of(value)
        if role == "stored":
            return Text(self.arguments[key.removeprefix("data.")])
        if role == "constant" and self.model.constants[key].size == 1:
            return Text(number(float(self.model.constants[key].reshape(-1)[0])))
        if role in ("constant", "parameter"):
            return Text(f'W["{key}"]')
        return Text(key)  # the index, which nothing but a gather of rows reads

    def scalars(self, node: Node) -> Mapping[str, float]:
        """The inputs of a map that are one fitted number."""
        found = {}
        assert isinstance(node.op, Map)
        for name, value in zip(node.op.formula.inputs, node.inputs, strict=True):
            if role_of(value) == "constant" and self.model.constants[key_of(value)].size == 1:
                found[name] = float(self.model.constants[key_of(value)].reshape(-1)[0])
        return found

    def shape(self, shape: Sequence[Dim]) -> str:
        """A shape as the arguments of a call; the batch is what is left over."""
        words = [str(n) if isinstance(n, int) else "-1" for n in shape]
        if words.count("-1") > 1:
            raise unsupported("a shape with several lengths", self._origin)
        return ", ".join(words)

    def whole(self, shape: Sequence[Dim]) -> str:
        """A shape as a tuple, the batch said by the first argument."""
        first = next(iter(self.arguments.values()))
        words = [str(n) if isinstance(n, int) else f"len({first})" for n in shape]
        return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def _above(value: Value) -> set[Value]:
    found, waiting = {value}, [value]
    while waiting:
        for v in waiting.pop().node.inputs:
            if v not in found:
                found.add(v)
                waiting.append(v)
    return found


@writes(Gather)
def _gather(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    table, index = given
    return table if role_of(node.inputs[0]) == "stored" else Text(f"{table.inside(10)}[{index.text}]")


@writes(Cast)
def _cast(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Cast)
    return Text(f"{given[0].inside(10)}.astype(np.{node.op.dtype})")


@writes(Map)
def _map(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Map)
    formula, known = node.op.formula, at.scalars(node)
    left = [(name, text) for name, text in zip(formula.inputs, given, strict=True) if name not in known]
    if known:
        numbers = {name: Constant(value) for name, value in known.items()}
        formula = substitute(formula, numbers, [name for name, _ in left])
    columns = node.types[0].shape[-1] if node.types[0].shape else 1
    return at.writer.formula(formula, [text for _, text in left], str(columns) if isinstance(columns, int) else None)


@writes(Contract)
def _contract(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    op = node.op
    assert isinstance(op, Contract)
    if op.epilogue is not None:
        raise unsupported("a fused product", None)
    a = f"{given[0].inside(10)}.T" if op.transpose_a else given[0].inside(PRODUCT)
    b = f"{given[1].inside(10)}.T" if op.transpose_b else given[1].inside(PRODUCT + 1)
    return Text(f"{a} @ {b}", PRODUCT)


@writes(Reduce)
def _reduce(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    op = node.op
    assert isinstance(op, Reduce)
    axis = str(op.axes[0]) if len(op.axes) == 1 else str(op.axes)
    kept = ", keepdims=True" if op.keepdims else ""
    return Text(f"{given[0].inside(10)}.{op.kind}(axis={axis}{kept})")


@writes(Reshape)
def _reshape(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Reshape)
    return Text(f"{given[0].inside(10)}.reshape({at.shape(node.op.shape)})")


@writes(Broadcast)
def _broadcast(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Broadcast)
    return Text(f"np.broadcast_to({given[0].text}, {at.whole(node.op.shape)})")


@writes(Concat)
def _concat(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Concat)
    return Text(f"np.concatenate([{', '.join(text.text for text in given)}], axis={node.op.axis})")


@writes(Slice)
def _slice(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Slice)
    before = ":, " * node.op.axis
    return Text(f"{given[0].inside(10)}[{before}{node.op.start}:{node.op.stop}]")


@writes(Pad)
def _pad(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    op = node.op
    assert isinstance(op, Pad)
    widths = [(op.before, op.after) if axis == op.axis else (0, 0) for axis in range(node.types[0].rank)]
    return Text(f"np.pad({given[0].text}, {widths})")


@writes(Transpose)
def _transpose(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Transpose)
    if node.op.perm == (1, 0):
        return Text(f"{given[0].inside(10)}.T")
    return Text(f"{given[0].inside(10)}.transpose({', '.join(map(str, node.op.perm))})")


@writes(StopGradient)
def _same(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    return given[0]


@writes(Extent)
def _extent(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Extent)
    return Text(f"np.float32({at.whole([node.op.dim])[1:-2]})")


@writes(Iota)
def _iota(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Iota)
    return Text(f"np.indices({at.whole(node.op.shape)})[{node.op.axis}].astype(np.float32)")
