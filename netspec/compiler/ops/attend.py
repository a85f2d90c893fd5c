"""Attention: means of the values of one sequence, weighed for each place of another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.compiler.graph.arithmetic import constant
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real
    from netspec.compiler.kernels.attend import Form, Layout


@dataclass(frozen=True)
class Attention(Op):
    """What attention and its gradient share: the sizes, how a query and a key are compared, which places count.

    ``steps`` are those of the queries, ``places`` those of the memory, ``rows`` how many of each belong to one step.
    A place s is live for the query of step t where s is below what the input ``seen`` tells for that query
    (``limited``) and, if attention is ``causal``, not behind t.
    """

    steps: Dim
    places: Dim
    rows: Dim
    heads: int = 1
    score: Literal["dot", "additive"] = "dot"
    causal: bool = False
    limited: bool = False

    @property
    def read(self) -> tuple[str, ...]:
        """The names of the inputs of attention."""
        factors, seen = ["factors"] * (self.score == "additive"), ["seen"] * self.limited
        return ("query", "keys", "values", *factors, *seen)

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of the inputs of this op."""

    @property
    @abstractmethod
    def results(self) -> tuple[str, ...]:
        """The names of its results."""

    def shapes(self, given: Mapping[str, TensorType]) -> dict[str, tuple[Dim, ...]]:
        """The shape that each array has to have, by its name, given queries, keys and values."""
        steps, places, rows = self.steps * self.rows, self.places * self.rows, self.rows
        width, values = given["keys"].channels, given["values"].channels
        query, keys, value = (steps, width), (places, width), (places, values)
        output, weights = (steps, values), (steps, self.heads, self.places)
        return {
            "query": query, "keys": keys, "values": value, "factors": (width,), "seen": (steps,),
            "output": output, "weights": weights, "d_output": output, "d_weights": weights,
            "d_query": query, "d_keys": keys, "d_values": value, "d_factors": (rows, width),
        }  # fmt: skip

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        given = dict(zip(self.names, inputs, strict=True))
        fits = all(given[name].rank == 2 for name in ("keys", "values"))
        shapes = self.shapes(given) if fits else {}
        fits = fits and all(x.dtype == "float32" and x.shape == shapes[name] for name, x in given.items())
        if not fits or any(known(given[name].channels) % self.heads for name in ("keys", "values")):
            told = ", ".join(f"{name} {x}" for name, x in given.items())
            what = f"{self.heads} heads from {self.steps} to {self.places} places of {self.rows} rows"
            raise ShapeError(f"`{self.name}` of {what} cannot read {told}")
        return tuple(TensorType("float32", shapes[name]) for name in self.results)

    def live(self, given: Mapping[str, Array]) -> Array:
        """Whether a query sees a place, ``[steps, rows, 1, places]``."""
        import numpy as np

        t, s = np.arange(known(self.steps)).reshape(-1, 1, 1, 1), np.arange(known(self.places))
        seen = (
            given["seen"].reshape(len(t), -1, 1, 1)
            if self.limited
            else np.full((len(t), known(self.rows), 1, 1), len(s))
        )
        return np.asarray((s < seen) & (s <= t if self.causal else True))

    def by_heads(self, array: Array, real: Real) -> Array:
        """``[steps*rows, heads*n]`` as ``[steps, rows, heads, n]``."""
        import numpy as np

        return np.asarray(array, real).reshape(-1, known(self.rows), self.heads, array.shape[1] // self.heads)

    def activity(self, given: Mapping[str, Array], real: Real) -> Array:
        """Of additive scores ``tanh(q + k)``, ``[steps, places, rows, heads, n]``."""
        import numpy as np

        z = self.by_heads(given["query"], real)[:, None] + self.by_heads(given["keys"], real)[None]
        return np.asarray(np.tanh(z))

    def form(self, tile: object) -> Form:
        """What the code depends on."""
        from netspec.compiler.kernels.attend import Form

        return Form(tile, self.score, self.causal, self.limited, "d_weights" in self.names)  # type: ignore[arg-type]

    def run(self, node: Node, lowering: Lowering, layout: Layout) -> None:
        """The call of its kernel."""
        from netspec.compiler.graph.lowering import Access, Pointer, Scratch, Split

        inputs = {name: lowering.buffer(value) for name, value in zip(self.names, node.inputs, strict=True)}
        made = {name: lowering.buffer(value) for name, value in zip(self.results, node.values, strict=True)}
        width, value_width = (known(inputs[name].type.channels) // self.heads for name in ("keys", "values"))
        buffers = {**inputs, **made}
        arguments: dict[str, Argument] = {
            name: (Pointer(buffers[name]), buffers[name].row_stride) if name in buffers else (0, 0)
            for name in layout.arrays
        }
        arguments |= {"rows": self.rows, "heads": self.heads, "steps": self.steps, "places": self.places}
        arguments |= {"width": width, "value_width": value_width}
        arguments["scratch"] = Scratch(layout.scratch_bytes(self.places, width, value_width))
        own = Split("pieces", self.rows)
        writes = [Access(buffer, own) for buffer in made.values()]
        reads = [Access(buffer) for buffer in inputs.values()]
        lowering.call(layout.kernel(self.form(lowering.tile)), layout.words, arguments, reads, writes)


@dataclass(frozen=True)
class Attend(Attention):
    r"""``output[t] = sum over s of weights[t, s] values[s]`` for each row and head, and the weights themselves.

    ``weights[t] = softmax over live s of score(query[t], keys[s])``, 0 at all other places and where none is live. The
    score of ``dot`` is ``query keys``, of ``additive`` ``factors tanh(query + keys)``.

    Inputs: ``query`` ``[steps*rows, heads*n]``, ``keys`` ``[places*rows, heads*n]``, ``values`` ``[places*rows,
    heads*m]``, for additive scores ``factors`` ``[heads*n]``, if it is limited ``seen`` ``[steps*rows]``. Results:
    ``output`` ``[steps*rows, heads*m]``, ``weights`` ``[steps*rows, heads, places]``.
    """

    name: ClassVar[str] = "attend"
    stores_exactly: ClassVar[bool] = True

    @property
    def names(self) -> tuple[str, ...]:
        return self.read

    @property
    def results(self) -> tuple[str, ...]:
        return ("output", "weights")

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        d_output, d_weights = cotangents
        none = [None] * self.limited
        if d_output is None:
            if d_weights is None:
                return [None] * len(node.inputs)
            d_output = constant(g, 0.0, node.types[0].shape)
        watched = [] if d_weights is None else [d_weights]
        sizes = (self.steps, self.places, self.rows, self.heads, self.score, self.causal, self.limited)
        reverse = AttendReverse(*sizes, watched=bool(watched))
        made = g.node(reverse, *node.inputs, node.value(1), d_output, *watched).values
        factors = [g.add(Reduce("sum", (0,)), made[3])] if self.score == "additive" else []
        return (*made[:3], *factors, *none)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        given = dict(zip(self.names, inputs, strict=True))
        query, keys, values = (self.by_heads(given[name], real) for name in ("query", "keys", "values"))
        live = self.live(given)
        if self.score == "dot":
            scores = np.einsum("trhd,srhd->trhs", query, keys)
        else:
            factors = np.asarray(given["factors"], real).reshape(self.heads, -1)
            scores = np.einsum("tsrhd,hd->trhs", self.activity(given, real), factors)
        top = np.where(live, scores, -np.inf).max(axis=-1, keepdims=True, initial=-np.inf)
        raised = np.exp(np.where(live, scores - np.where(live.any(axis=-1, keepdims=True), top, 0), -np.inf))
        total = raised.sum(axis=-1, keepdims=True)
        weights = raised / np.where(total == 0, 1, total)
        seen = _seen(live)
        output = np.einsum("trhs,srhm->trhm", weights, np.where(seen, values, 0))
        shape = (len(inputs[0]), self.heads, known(self.places))
        return output.reshape(len(inputs[0]), -1).astype(real), weights.reshape(shape).astype(real)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        return self.steps * self.places * self.rows * (inputs[1].channels + inputs[2].channels)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.kernels.attend import ATTEND

        self.run(node, lowering, ATTEND)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for op in _forms():
            made = cls(*op)
            yield Sample(made, tuple(TensorType("float32", shape) for shape in _shapes(made)), -1.0, 4.0)


@dataclass(frozen=True)
class AttendReverse(Attention):
    """The cotangents of queries, keys, values and, for each row, of factors.

    Inputs are those of `attend`, its weights, and the cotangents of its output and, if it is ``watched``, its weights.
    """

    name: ClassVar[str] = "attend_reverse"
    stores_exactly: ClassVar[bool] = True
    watched: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.read, "weights", "d_output", *["d_weights"] * self.watched)

    @property
    def results(self) -> tuple[str, ...]:
        return ("d_query", "d_keys", "d_values", *["d_factors"] * (self.score == "additive"))

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        given = dict(zip(self.names, inputs, strict=True))
        query, keys, values = (self.by_heads(given[name], real) for name in ("query", "keys", "values"))
        live = self.live(given)
        wide = (known(self.steps), known(self.rows), self.heads, known(self.places))
        weights = np.where(live, np.asarray(given["weights"], real).reshape(wide), 0)
        sees, seen = live.any(axis=-1, keepdims=True), _seen(live)
        query, d_output = (np.where(sees, x, 0) for x in (query, self.by_heads(given["d_output"], real)))
        keys, values = (np.where(seen, x, 0) for x in (keys, values))
        pulled = np.einsum("trhm,srhm->trhs", d_output, values)
        if self.watched:
            pulled = pulled + np.where(live, np.asarray(given["d_weights"], real).reshape(wide), 0)
        pulled = weights * (pulled - (weights * pulled).sum(axis=-1, keepdims=True))
        d_values = np.einsum("trhs,trhm->srhm", weights, d_output)
        if self.score == "dot":
            made = [np.einsum("trhs,srhd->trhd", pulled, keys), np.einsum("trhs,trhd->srhd", pulled, query), d_values]
        else:
            activity = self.activity(given, real)
            factors = np.asarray(given["factors"], real).reshape(self.heads, -1)
            slope = np.einsum("trhs,tsrhd->tsrhd", pulled, factors * (1 - activity * activity))
            made = [slope.sum(axis=1), slope.sum(axis=0), d_values, np.einsum("trhs,tsrhd->rhd", pulled, activity)]
        shapes = self.shapes({name: TensorType("float32", array.shape) for name, array in given.items()})
        return tuple(
            array.reshape([known(n) for n in shapes[name]]).astype(real)
            for name, array in zip(self.results, made, strict=True)
        )

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        return 2 * self.steps * self.places * self.rows * (inputs[1].channels + inputs[2].channels)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.kernels.attend import ATTEND_REVERSE

        self.run(node, lowering, ATTEND_REVERSE)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for i, op in enumerate(_forms()):
            made = cls(*op, watched=i % 2 > 0)
            yield Sample(made, tuple(TensorType("float32", shape) for shape in _shapes(made)), -1.0, 4.0)


def _seen(live: Array) -> Array:
    """Whether any query sees a place, ``[places, rows, 1, 1]``."""
    import numpy as np

    return np.asarray(live.any(axis=0)).transpose(2, 0, 1)[..., None]


Fields = tuple[Dim, Dim, Dim, int, Literal["dot", "additive"], bool, bool]


def _forms() -> Iterator[Fields]:
    """Few and many steps, heads, and all kinds of live places."""
    yield 1, 5, BATCH, 1, "dot", False, False
    yield 5, 3, BATCH, 2, "dot", False, True
    yield 17, 17, BATCH, 1, "dot", True, False
    yield 17, 17, BATCH, 3, "dot", True, True
    yield 3, 33, BATCH, 2, "dot", False, True
    yield 18, 5, BATCH, 1, "additive", False, True
    yield 3, 17, BATCH, 2, "additive", True, False


def _shapes(op: Attention) -> Iterator[tuple[Dim, ...]]:
    """Widths around whole vectors, keys and values of different ones."""
    width = {1: 5, 17: 16, 3: 17, 33: 1, 5: 33}[known(op.places)] if op.places in (1, 17, 3, 33, 5) else 16
    given = {"keys": TensorType("float32", (width * op.heads,)), "values": TensorType("float32", (7 * op.heads,))}
    shapes = op.shapes(given)
    return (shapes[name] for name in op.names)
