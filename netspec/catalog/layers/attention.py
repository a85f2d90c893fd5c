"""Attention: each place of a query looks at all places of a memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from netspec.catalog.fields import Positive
from netspec.catalog.initializers import GlorotUniform, Zeros
from netspec.catalog.layers.axes import fixed, last_length, shown
from netspec.catalog.layers.layer import Built, Layer, Sight
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.graph.arithmetic import constant
from netspec.compiler.ops.attend import Attend
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.over_steps import OverSteps
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import Dim, ShapeError, known, lengths


class Attention(Layer):
    r"""$y_t = \sum_s a_{ts} m_s$, $a_t = \operatorname{softmax}_s(e_{ts})$: a mean of the memory for each query.

    The score $e_{ts}$ of query $q_t$ and memory $m_s$ is, for ``dot``, $q_t \cdot m_s$, for ``general``
    $q_t W \cdot m_s$, for ``additive`` $v \cdot \tanh(q_t W + m_s U + b)$. Products are divided by $\sqrt n$ for keys
    of n numbers; ``scaled: false`` leaves that out, as Luong does. Only real places are looked at.

    With ``heads`` queries, keys and values are projections, cut into so many parts of which each attends for itself:
    $y = [y_1, \ldots, y_h] W_O + b_O$, $y_i$ of $q W_{Q,i} + b_{Q,i}$, $m W_{K,i} + b_{K,i}$ and
    $m W_{V,i} + b_{V,i}$. ``from`` one value is self-attention: it is query and memory. ``causal`` attention sees no
    place behind the query's own, so that a language model never sees what it is to predict.

    Shapes: query ``[T, n]``, memory ``[S, m] -> [T, m]``, with heads ``[T, units]``; a query ``[n]`` without a length
    gives one mean, and places may be a fixed axis: ``[49, m]``. The port ``weights`` is $a$: ``[T, S]``, with heads
    ``[T, heads, S]``.

    Weights: with heads ``query``, ``key``, ``value`` and ``output``, from glorot_uniform, and ``query_bias``,
    ``key_bias``, ``value_bias`` and ``output_bias``, from zeros; of ``general`` ``kernel`` ``[n, m]``; of ``additive``
    ``query`` ``[n, units]``, ``key`` ``[m, units]``, ``bias`` and ``score`` ``[units]``.

    Example:
        inputs: {words: [T, 16]}
        layers:
          - attention: {heads: 4, causal: true}

    Reference: Bahdanau, Cho & Bengio 2015, Neural machine translation by jointly learning to align and translate;
    Luong, Pham & Manning 2015, Effective approaches to attention-based neural machine translation; Vaswani et al. 2017,
    Attention is all you need.
    """

    kind: ClassVar[str] = "attention"
    reads: ClassVar[tuple[str, ...]] = ("query", "memory")
    reads_one: ClassVar[bool] = True

    score: Literal["dot", "general", "additive"] = Field(default="dot", description="How a query meets a place.")
    heads: Positive | None = Field(
        default=None, description="How many parts attend for themselves; without it nothing is projected."
    )
    units: Positive | None = Field(
        default=None,
        description="Width of the projections; by default that of the query, of additive scores of the memory.",
        examples=[64],
    )
    causal: bool = Field(default=False, description="Whether a query sees no place behind its own step.")
    scaled: bool = Field(default=True, description="Whether products are divided by the root of their length.")
    bias: bool = Field(default=True, description="Whether projections have a bias.")

    @model_validator(mode="after")
    def _fits(self) -> Attention:
        if self.heads is not None and self.score != "dot":
            raise ValueError(f"`heads` are of the score `dot`, not of `{self.score}`")
        if self.units is not None and self.heads is None and self.score != "additive":
            raise ValueError("`units` are of projections: add `heads`, or take `score: additive`")
        return self

    def sight(self, *inputs: Value) -> Sight:
        query, memory = (lengths(x.type.shape[0]) for x in (inputs[0], inputs[-1]))
        if not query or query != memory:
            return "step"  # a memory of its own
        return "past" if self.causal else "all"

    def build(self, g: Scope, *inputs: Value) -> Built:
        memory = _memory(inputs[-1])
        query = memory if len(inputs) == 1 else _query(inputs[0], memory)
        if self.causal and query.steps != memory.steps:
            raise ShapeError(
                f"causal attention is from a sequence to the same steps, got {query.told} and {memory.told}",
                "without `causal` a query sees the whole memory",
            )
        output, weights = (self._projected if self.heads else self._plain)(g, query, memory)
        return {"": query.restored(g, output), "weights": query.restored(g, weights)}

    def _plain(self, g: Scope, query: _Places, memory: _Places) -> tuple[Value, Value]:
        """The memory itself is what is looked at and what is given."""
        q, m = query.rows_of(g), memory.rows_of(g)
        n, width = known(q.type.channels), known(m.type.channels)
        if self.score == "additive":
            units = self.units or width
            q = self._projection(g, "query", q, units, bias="bias")
            k = self._projection(g, "key", m, units, bias=None)
            given: tuple[Value, ...] = (q, k, m, g.parameter("score", (units,), GlorotUniform(), (units, 1)))
        else:
            if self.score == "general":
                q = g.add(Contract(), q, g.parameter("kernel", (n, width), GlorotUniform(), (n, width)))
            elif n != width:
                raise ShapeError(
                    f"`score: dot` needs queries as long as the memory's values, got {query.told} and {memory.told}",
                    "`score: general` and `score: additive` have weights between them, and so have `heads`",
                )
            given = (self._scaled(g, q, width), m, m)
        output, weights = self._attend(g, query, memory, given)
        return output, g.add(Reshape((weights.type.shape[0], memory.steps)), weights)

    def _projected(self, g: Scope, query: _Places, memory: _Places) -> tuple[Value, Value]:
        """Several heads, each with projections of its own."""
        q, m, heads = query.rows_of(g), memory.rows_of(g), known(self.heads or 1)
        units = self.units or known(q.type.channels)
        if units % heads:
            raise ShapeError(f"{units} units do not divide into {heads} heads", "give `units` that do")
        q, k, v = (
            self._projection(g, name, x, units, bias=f"{name}_bias")
            for name, x in (("query", q), ("key", m), ("value", m))
        )
        output, weights = self._attend(g, query, memory, (self._scaled(g, q, units // heads), k, v))
        return self._projection(g, "output", output, units, bias="output_bias"), weights

    def _projection(self, g: Scope, name: str, x: Value, units: int, *, bias: str | None) -> Value:
        n = known(x.type.channels)
        y = g.add(Contract(), x, g.parameter(name, (n, units), GlorotUniform(), (n, units)))
        return apply(g, "y + b", y=y, b=g.parameter(bias, (units,), Zeros())) if bias and self.bias else y

    def _scaled(self, g: Scope, q: Value, width: int) -> Value:
        return apply(g, f"{1 / math.sqrt(width)!r} * q", q=q) if self.scaled else q

    def _attend(self, g: Scope, query: _Places, memory: _Places, given: tuple[Value, ...]) -> tuple[Value, Value]:
        seen = _seen(g, query, memory)
        op = Attend(
            query.steps,
            memory.steps,
            memory.rows,
            self.heads or 1,
            "additive" if self.score == "additive" else "dot",
            self.causal,
            seen is not None,
        )
        output, weights = g.graph.node(op, *given, *([] if seen is None else [seen])).values
        return output, weights


@dataclass(frozen=True)
class _Places:
    """A sequence of ``steps`` with ``rows`` at each: along its last length, along a fixed axis, or a single place."""

    value: Value
    along: Literal["length", "axis", "nothing"]
    steps: Dim
    rows: Dim

    @property
    def told(self) -> str:
        """Its shape, as users write it."""
        return shown(self.value)

    def rows_of(self, g: Scope) -> Value:
        """``float32[steps*rows, n]``, step by step."""
        if self.along != "axis":
            return self.value
        turned = g.add(Transpose((1, 0, 2)), self.value)
        return g.add(Reshape((self.steps * self.rows, self.value.type.channels)), turned)

    def restored(self, g: Scope, value: Value) -> Value:
        """What was made for each row in the form that these places have."""
        if self.along != "axis":
            return value
        rest = value.type.shape[1:]
        apart = g.add(Reshape((self.steps, self.rows, *rest)), value)
        return g.add(Transpose((1, 0, *range(2, apart.type.rank))), apart)


def _memory(x: Value) -> _Places:
    """The places of a memory: a fixed axis before its values, else its last length."""
    axes = fixed("attention", x)
    if len(axes) == 2:
        return _Places(x, "axis", axes[0], x.type.shape[0])
    if len(axes) > 2:
        raise ShapeError(f"`attention` goes along one axis of places, got {shown(x)}", "put `reshape` before it")
    return _Places(x, "length", *last_length("attention", x))


def _query(x: Value, memory: _Places) -> _Places:
    """The places of a query, for which there may be but one."""
    if len(fixed("attention", x)) == 1 and x.type.shape[0] == memory.rows:
        return _Places(x, "nothing", 1, memory.rows)
    query = _memory(x)
    if query.rows != memory.rows:
        raise ShapeError(
            f"the query {shown(x)} and the memory {memory.told} are not of the same samples and steps",
            "lengths before the one that attention goes along have to be equal",
        )
    return query


def _seen(g: Scope, query: _Places, memory: _Places) -> Value | None:
    """How many places each query sees, ``float32[steps*rows]``, none behind the end of its own sequence.

    None: all queries see all places.
    """
    if query.along != "length" and memory.along != "length":
        return None
    if memory.along == "length":
        count = g.steps(memory.value)
    else:
        count = constant(g.graph, float(known(memory.steps)), (memory.rows,))
    if query.along == "length":
        return g.add(OverSteps(query.steps, "below"), count, g.steps(query.value))
    return g.add(OverSteps(query.steps), count) if query.along == "axis" else count
