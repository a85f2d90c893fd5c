"""A step of training for those rows of a table that a batch has read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula
from netspec.compiler.ops.places import at_places, places_shape, samples_of_places, summed, update_call
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class UpdateRows(Op):
    """The update of a table, and of its states, at the rows that ``index`` names; all others stay as they are.

    Inputs: whole numbers, ``x`` and maybe factors as in `scatter_add`; the table and its states
    ``float32[V, C]``, numbers. ``formula`` is of a row of the table, the sum of what stands at its places (added in the
    order of the batch), a row of each state, the numbers; it gives the new row and those of the states.
    """

    name: ClassVar[str] = "update_rows"
    formula: Formula
    outer: bool = False
    steps: Dim = 0

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        index, *x = inputs[: self.table]
        table, *others = inputs[self.table :]
        shape = places_shape(self.name, self.outer, index, x, self.steps)
        states, scalars = others[: self.states], others[self.states :]
        if table.rank != 2 or shape[-1] != table.channels or any(state != table for state in states):
            raise ShapeError(f"`{self.name}` needs a table and states alike, got {', '.join(map(str, inputs))}")
        if any(scalar.rank for scalar in scalars):
            raise ShapeError(f"`{self.name}` takes single numbers beside its tables")
        return infer_formula(self.name, self.formula, [table, table, *others])

    @property
    def table(self) -> int:
        """Which input the table is; its states follow, and the results come in the same order."""
        return 2 + self.outer

    @property
    def states(self) -> int:
        return len(self.formula.outputs) - 1

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        index, *x = inputs[: self.table]
        tables, scalars = (
            inputs[self.table : self.table + 1 + self.states],
            inputs[self.table + 1 + self.states :],
        )
        rows = np.unique(index[index >= 0])
        sums = summed(len(tables[0]), index, at_places(self.outer, x, real, self.steps))[rows]
        own, *kept = (np.asarray(each, real)[rows] for each in tables)
        results = [np.array(each, real) for each in tables]
        made = evaluate_formula(self.formula, [own, sums, *kept, *scalars], real)
        for result, changed in zip(results, made, strict=True):
            result[rows] = changed
        return tuple(results)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.stretch import relay

        index, *x = node.inputs[: self.table]
        others = node.inputs[self.table :]
        tables, scalars = others[: 1 + self.states], others[1 + self.states :]
        results = [lowering.buffer(value) for value in node.values]
        for table, result in zip(tables, results, strict=True):
            if lowering.buffer(table).memory is not result.memory:  # else it lies there already
                relay(lowering, lowering.buffer(table), result)
        update_call(lowering, self.formula, index, x, results, scalars, results, self.steps)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        sgd, momentum = parse("p - r * g", ("p", "g", "r")), parse("w = u * v + g; p - r * w, w", tuple("pgvru"))
        number = TensorType("float32", ())
        for outer, types in samples_of_places((1, 15, 16, 17, 33)):
            table = TensorType("float32", (9, types[1].channels))
            yield Sample(cls(sgd, outer), (*types, table, number), integers=7)
            yield Sample(cls(momentum, outer), (*types, table, table, number, number), integers=7)
        types = TensorType("int32", (3 * BATCH,)), TensorType("float32", (BATCH, 17))
        yield Sample(cls(sgd, steps=3), (*types, TensorType("float32", (9, 17)), number), integers=7)
