"""Which places of length axes are real: worked out in graphs, of the lengths that fields store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.lengths import Lengths
from netspec.compiler.ops.over_steps import OverSteps
from netspec.compiler.ops.steps import Steps
from netspec.spec.network import NetworkInput
from netspec.tensortype import BATCH, Dim, DType, Size, TensorType, bind, lengths, merged, size, without_last

SCALAR = TensorType("float32", ())
ROWS_OF_DATA = size("rows")
"""In small letters, as no length is written."""


@dataclass(frozen=True)
class Stretches:
    """A field whose rows differ in length, as graphs read it.

    ``shape`` is that of a sample with the lengths as the network calls them; ``dtype`` and ``spelled`` are how values
    are stored, and the letters of words that are spelled; ``gaps``: whether each row leaves out a value.
    """

    shape: tuple[Dim, ...]
    dtype: DType
    spelled: DType = "uint16"
    gaps: bool = False


@dataclass(frozen=True)
class Owner:
    """The field that tells a length, and how many lengths stand before it there: 1 is how long its words are."""

    field: str
    depth: int


class Places:
    """The lengths of a batch, by the fields that have them."""

    def __init__(self, inputs: Iterable[NetworkInput], fields: Mapping[str, Stretches]) -> None:
        self._fields = dict(fields)
        self.owners: dict[str, Owner] = {}
        """The field that tells each length, by its symbol."""
        # What a prediction is given comes first: there are no targets then.
        given = [name for name in (i.name for i in inputs) if name in self._fields]
        for name in [*given, *self._fields]:
            for depth, length in enumerate(lengths(merged(self._fields[name].shape)[0])):
                self.owners.setdefault(str(length), Owner(name, depth))

    def read(self, g: GraphBuilder, name: str) -> Value:
        """The steps of a field: ``[B*T, ...]``, of spelled words ``[B*T*T.C]``."""
        field = self._fields[name]
        found = lengths(merged(field.shape)[0])
        words = self._words(g, name)
        if len(found) == 1:
            return words
        count, letters = size(f"{name}.words"), size(f"{name}.letters")
        table = g.input(f"data.{name}.spellings", TensorType(field.spelled, (letters,)), "stored")
        starts = g.input(f"data.{name}.spellings.starts", TensorType("int64", (count,)), "stored")
        return g.add(Steps(found[-1]), table, starts, self._table(g, name, 1), words)

    def steps(self, g: GraphBuilder, rows: Dim) -> Value:
        """How many steps of the last length are real, for each row of what stands before it: ``float32[R]``."""
        last, before = lengths(rows)[-1], without_last(rows)
        assert isinstance(last, Size)
        (symbol,) = last.symbols
        owner = self.owners[symbol]
        of = self._words(g, owner.field) if owner.depth else index(g)
        count = g.add(Lengths(), self._table(g, owner.field, owner.depth), of)
        more = bind(last, {symbol: 0})
        if more:  # windows over few steps, or none, are one
            count = apply(g, f"where(n > 0, max(n + {more}, 1), 0)", n=count)
        real = self.real(g, before)
        return count if real is None else apply(g, "where(r > 0, n, 0)", r=real, n=count)

    def real(self, g: GraphBuilder, rows: Dim) -> Value | None:
        """1 at the real places of an axis that merges batch and lengths, else 0, ``float32[rows]``; None if all are."""
        if not lengths(rows):
            return None
        count = self.steps(g, rows)
        some = apply(g, "where(n > 0, 1, 0)", n=count)
        return g.add(OverSteps(lengths(rows)[-1], "below"), some, count)

    def count(self, g: GraphBuilder, rows: Dim) -> Value:
        """How many places are real, a scalar: what a mean divides by."""
        if not lengths(rows):
            return g.add(Extent(rows))
        # The host counts them: in the graph, the backward pass would have to wait for the sum over all threads' rows.
        return g.input(f"{COUNTED}{suffix(rows)}", SCALAR, "step")

    def _words(self, g: GraphBuilder, name: str) -> Value:
        """The steps of the first length of a field."""
        field = self._fields[name]
        first, *inner = lengths(merged(field.shape)[0])
        fixed = () if inner else field.shape[1:]
        values = g.input(f"data.{name}", TensorType(field.dtype, (size(f"{name}.values"), *fixed)), "stored")
        starts = g.input(f"data.{name}.starts", TensorType("int64", (ROWS_OF_DATA,)), "stored")
        gaps = [g.input(f"data.{name}.gaps", TensorType("int32", (ROWS_OF_DATA,)), "stored")] if field.gaps else []
        return g.add(Steps(first), values, starts, self._table(g, name, 0), *gaps, index(g))

    def _table(self, g: GraphBuilder, name: str, depth: int) -> Value:
        """How long the rows of a field are, or its spelled words."""
        key, rows = f"data.{name}", ROWS_OF_DATA
        if depth:
            key, rows = f"{key}.spellings", size(f"{name}.words")
        return g.input(f"{key}.lengths", TensorType("int32", (rows,)), "stored")


def index(g: GraphBuilder) -> Value:
    """The rows of the data that the batch is made of."""
    return g.input("index", TensorType("int64", (BATCH,)), "index")


COUNTED = "places:"
"""With `suffix` behind it: the graph input that holds how many places of an axis are real; no name has a colon."""


def suffix(rows: Dim) -> str:
    """The lengths of an axis, as names of inputs and outputs end with them: ``.T - 2, T.C``; of samples nothing."""
    found = lengths(rows)
    return "." + ", ".join(map(str, found)) if found else ""


def lengths_in(text: str) -> tuple[tuple[str, int], ...]:
    """The lengths that `suffix` wrote, each a symbol and what is added to it."""
    found = []
    for part in text.removeprefix(".").split(", ") if text else ():
        symbol, *more = part.split(" ")
        found.append((symbol, int("".join(more) or 0)))
    return tuple(found)
