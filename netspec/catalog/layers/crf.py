"""A linear chain over the classes of the steps: which may follow which, and how likely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from netspec.catalog.activations.softmax import largest
from netspec.catalog.head import Head
from netspec.catalog.initializers import Zeros
from netspec.catalog.layers.axes import fixed, last_length, shown
from netspec.catalog.layers.layer import Layer, Sight
from netspec.catalog.losses.targets import classes, labels, row_sum
from netspec.catalog.metrics.accuracy import first_largest
from netspec.catalog.scope import Scope
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.graph.arithmetic import constant
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.over_steps import OverSteps
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reduce_steps import ReduceSteps
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.scan import scan
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.transpose import Transpose
from netspec.data.fieldtype import FieldType
from netspec.data.text.tags import may_begin, may_end, may_follow
from netspec.tensortype import Dim, ShapeError, TensorType

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

NEVER = -1e30
"""The score of what is forbidden: its exponential is 0, and no sum of a path of such scores overflows."""

LEAST = 1e-37
"""The least sum whose logarithm is taken, near the smallest float32: e**-85 beside the likeliest path."""


@dataclass(frozen=True)
class Chain(Head):
    """Scores of paths through the classes of a sequence, ``K`` to a step, in ``T`` steps of ``R`` rows."""

    kind: str
    scheme: str | None
    scores: Value
    """``float32[T*R, K]``, of each class at each step."""
    moves: Value
    """``float32[K, K]``, of going from one class to another."""
    start: Value
    """``float32[K]``, of beginning in a class."""
    end: Value
    """``float32[K]``, of ending there."""
    goes: Value
    """``float32[T*R, 1]``, 1 at the real steps but the first."""

    @property
    def steps(self) -> Dim:
        return last_length(self.kind, self.scores)[0]

    @property
    def rows(self) -> Dim:
        return last_length(self.kind, self.scores)[1]

    @property
    def count(self) -> Dim:
        return self.scores.type.channels

    def check(self, target: FieldType) -> None:
        if self.scheme is not None and target.scheme != self.scheme:
            written = f"is written in {target.scheme}" if target.scheme else "has no scheme"
            raise ShapeError(
                f"`transitions: {self.scheme}` needs tags that are written in it, and its target {written}",
                f"write the tags in it: `{{tokens: {{of: COLUMN, scheme: {self.scheme}}}}}`",
            )

    def loss(self, g: Scope, target: Value) -> Value:
        return apply(g, "z - s", z=self._partition(g), s=self._of_path(g, target))

    def _partition(self, g: Scope) -> Value:
        """The logarithm of the sum over all paths of the exponential of their scores, ``float32[R]``.

        From step to step the sums of the paths that end in each class: ``log(exp(a) exp(moves)) + score``, with the
        largest taken out first.
        """
        inner, given = self._body(g, "sums", self._at_start(g))
        inside = g.inside(inner)
        before, ways = given["sums"], inner.input("ways", self.moves.type, "constant")
        top = largest(inside, before)
        reached = inner.add(Contract(), apply(inner, "exp(a - m)", a=before, m=top), ways)
        summed = apply(inner, f"log(max(s, {LEAST})) + m + x", s=reached, m=top, x=given["scores"])
        body = inner.graph(f"{g.path}.partition", {"sums": _held(inner, given, summed, before)})
        made = self._run(g, body, {"sums": self._at_start(g), "ways": apply(g, "exp(w)", w=self.moves)})
        last = apply(g, "a + e", a=self._last(g, made["sums"]), e=self.end)
        top = largest(g, last)
        total = apply(g, "log(s) + m", s=row_sum(g, apply(g, "exp(z - m)", z=last, m=top)), m=top)
        return g.add(Reshape((self.rows,)), total)

    def _of_path(self, g: Scope, target: Value) -> Value:
        """The score of the path that the target is, ``float32[R]``."""
        kinds, own = classes(g, self.scores), labels(g, target)
        chosen = _one_hot(g, self.scores, own)
        whole = self.steps * self.rows
        before = g.add(Slice(0, 0, whole), g.add(Pad(0, self.rows, 0), chosen))  # of a first step none
        moved = g.add(Contract(), before, self.moves)
        each = apply(g, "where(c == t, x + w, 0)", c=kinds, t=own, x=self.scores, w=moved)
        ends = apply(g, "where(c == t, e, 0)", c=kinds, t=own, e=self.end)
        first = g.add(Slice(0, 0, self.rows), own)
        starts = apply(g, "where(c == t, s, 0)", c=kinds, t=first, s=self.start)
        parts = [self._over(g, "sum", row_sum(g, each)), self._over(g, "last", row_sum(g, ends)), row_sum(g, starts)]
        total = apply(g, "a + b + c", a=parts[0], b=parts[1], c=parts[2])
        return g.add(Reshape((self.rows,)), total)

    def best(self, g: Scope) -> Value:
        """The path with the largest score, one-hot, ``float32[T*R, K]``.

        Forwards the largest score of the paths that end in each class, backwards the class before each that was chosen:
        the first from which the largest score comes, of the very sums that were compared on the way there.
        """
        from_each = g.add(Transpose((1, 0)), self.moves)
        tops = self._largest(g, from_each)
        last = apply(g, "a + e", a=self._last(g, tops), e=self.end)
        chosen = _one_hot(g, last, first_largest(g, last))
        inner, given = self._body(g, "chosen", chosen)
        inside = g.inside(inner)
        ways = inner.input("ways", from_each.type, "constant")
        towards = inner.add(Contract(), given["chosen"], ways)
        sums = apply(inner, "a + w", a=given["scores"], w=towards)
        new = _one_hot(inside, sums, first_largest(inside, sums))
        body = inner.graph(f"{g.path}.path", {"chosen": _held(inner, given, new, given["chosen"])})
        before = g.add(Slice(0, 0, self.steps * self.rows), tops)
        made = self._run(g, body, {"chosen": chosen, "ways": from_each, "scores": before}, reverse=True)
        return g.add(Slice(0, self.rows, (self.steps + 1) * self.rows), made["chosen"])

    def _largest(self, g: Scope, from_each: Value) -> Value:
        """The track ``float32[(T + 1)*R, K]`` of the largest score of all paths that end in each class."""
        begin = self._at_start(g)
        inner, given = self._body(g, "tops", begin)
        before, ways = given["tops"], inner.input("ways", from_each.type, "constant")
        beside = inner.add(Reshape((self.rows, 1, self.count)), before)
        top = inner.add(Reduce("max", (2,)), apply(inner, "a + w", a=beside, w=ways))
        new = apply(inner, "t + x", t=top, x=given["scores"])
        body = inner.graph(f"{g.path}.best", {"tops": _held(inner, given, new, before)})
        return self._run(g, body, {"tops": begin, "ways": from_each})["tops"]

    def _at_start(self, g: Scope) -> Value:
        return apply(g, "x + s", x=g.add(Slice(0, 0, self.rows), self.scores), s=self.start)

    def _last(self, g: Scope, track: Value) -> Value:
        return g.add(Slice(0, self.steps * self.rows, (self.steps + 1) * self.rows), track)

    def _over(self, g: Scope, how: Literal["sum", "last"], each: Value) -> Value:
        """The sum over the real steps, or the last one's, ``float32[R, 1]``."""
        return g.graph.node(ReduceSteps(how, self.steps, self.rows), each, g.steps(self.scores)).value(0)

    def _body(self, g: Scope, state: str, begin: Value) -> tuple[GraphBuilder, dict[str, Value]]:
        """A graph of one step, with its state, the scores and whether it goes on."""
        inner = GraphBuilder(g.graph.origin)
        row = TensorType("float32", (self.rows, self.count))
        given = {state: inner.input(state, begin.type, "state"), "scores": inner.input("scores", row, "slice")}
        given["goes"] = inner.input("goes", TensorType("float32", (self.rows, 1)), "slice")
        return inner, given

    def _run(self, g: Scope, body: Any, given: Mapping[str, Value], *, reverse: bool = False) -> dict[str, Value]:
        every = {"scores": self.scores, "goes": self.goes, **given}
        return scan(g.graph, body, every, self.steps, reverse=reverse)


class Crf(Layer):
    r"""The path $y$ with the largest $s(y) = b_{y_1} + \sum_t x_{t,y_t} + \sum_t A_{y_{t-1},y_t} + e_{y_T}$.

    A conditional random field over the classes of each step, of which ``x`` are the scores: $A$ are those of the
    transitions. Its value is 1 for the class that the best path goes through, else 0; `negative_log_likelihood` trains
    it by $\log \sum_y e^{s(y)} - s(t)$, the mean over sequences.

    Shapes: ``[T, K] -> [T, K]``.

    Weights: ``transitions`` ``[K, K]``, from and to; ``start`` and ``end`` ``[K]``; zeros.

    Example:
        inputs: {x: [T, 8]}
        layers: [{dense: 5}, crf]

    Reference: Lafferty, McCallum, Pereira 2001, Conditional random fields; Lample et al. 2016, Neural architectures for
    named entity recognition.
    """

    kind: ClassVar[str] = "crf"
    decides: ClassVar[bool] = True
    transitions: Literal["none", "iob2", "iobes"] = Field(
        default="none",
        description="Forbid what no sentence has whose tags are written in this scheme, such as `I-LOC` after `O`.",
        json_schema_extra={"main": True},
    )

    @property
    def needs_target(self) -> bool:
        return self.transitions != "none"

    def constants(self, target: FieldType, counts: Sequence[int]) -> Mapping[str, Array]:
        import numpy as np

        if self.transitions == "none":
            return {}
        tags, scheme = target.classes or (), self.transitions
        follow = [[may_follow(a, b, scheme) for b in tags] for a in tags]
        begin, end = [may_begin(tag, scheme) for tag in tags], [may_end(tag, scheme) for tag in tags]
        found = {"may_follow": follow, "may_begin": begin, "may_end": end}
        return {name: np.array(table, np.float32) for name, table in found.items()}

    def sight(self, *inputs: Value) -> Sight:
        return "all"

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        steps, rows = last_length(self.kind, x)
        if len(fixed(self.kind, x)) != 1 or x.type.channels == 1:
            raise ShapeError(f"`crf` reads a score for each class at each step, got {shown(x)}")
        count = x.type.channels
        moves = self._weight(g, "transitions", "may_follow", (count, count))
        start, end = self._weight(g, "start", "may_begin", (count,)), self._weight(g, "end", "may_end", (count,))
        scheme = self.transitions if self.needs_target else None
        chain = Chain(self.kind, scheme, x, moves, start, end, _goes(g, x, steps, rows))
        g.head = chain
        return chain.best(g)

    def _weight(self, g: Scope, name: str, rule: str, shape: tuple[Dim, ...]) -> Value:
        """A weight, where it is forbidden nothing that any path would take."""
        weight = g.parameter(name, shape, Zeros())
        if not self.needs_target:
            return weight
        return apply(g, f"where(r > 0, w, {NEVER})", r=g.constant(rule, shape), w=weight)


def _goes(g: Scope, x: Value, steps: Dim, rows: Dim) -> Value:
    """1 at the real steps but the first, ``float32[T*R, 1]``."""
    one, zero = (constant(g.graph, number, (rows,)) for number in (1.0, 0.0))
    first, real = g.add(OverSteps(steps, "at"), one, zero), g.real(x)
    assert real is not None  # it goes along a length
    return g.add(Reshape((steps * rows, 1)), apply(g, "where(f > 0, 0, r)", f=first, r=real))


def _one_hot(g: Scope, like: Value, index: Value) -> Value:
    """1 at the class of each row's ``index`` ``[rows, 1]``, in the shape of ``like``."""
    return apply(g, "where(c == i, 1, 0)", c=classes(g, like), i=index)


def _held(inner: GraphBuilder, given: Mapping[str, Value], new: Value, old: Value) -> Value:
    return apply(inner, "where(g > 0, new, old)", g=given["goes"], new=new, old=old)
