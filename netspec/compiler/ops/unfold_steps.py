"""The windows of a sequence as rows: what a convolution over time multiplies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class UnfoldSteps(Op):
    """``y[t*R + r, j*C + c] = x[(t + j*gap - before)*R + r, c]`` for taps j, 0 where there is no such step.

    Steps are there below the number that a second input, ``float32[R]``, has for each row. ``float32[steps*R, C]`` to
    ``float32[windows*R, taps*C]`` with a window for each place that its taps have in the steps, ``before`` more in
    front and ``after`` more behind. ``turned`` goes back: the sum of what was taken of each element, which is the
    gradient.
    """

    name: ClassVar[str] = "unfold_steps"
    taps: int
    steps: Dim
    rows: Dim
    before: int = 0
    after: int = 0
    gap: int = 1
    turned: bool = False

    @property
    def windows(self) -> Dim:
        return self.steps + (self.before + self.after - (self.taps - 1) * self.gap)

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, limit = inputs
        read, written = (self.windows, self.steps) if self.turned else (self.steps, self.windows)
        fits = x.rank == 2 and x.dtype == "float32" and x.shape[0] == read * self.rows and limit.shape == (self.rows,)
        columns = known(x.channels) if fits else 0
        if not fits or (self.turned and columns % self.taps):
            raise ShapeError(f"`unfold_steps` of {self.steps} steps of {self.rows} rows cannot read {x} and {limit}")
        columns = columns // self.taps if self.turned else columns * self.taps
        return (TensorType("float32", (written * self.rows, columns)),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (_, limit), (ct,) = node.inputs, cotangents
        return (None if ct is None else g.add(replace(self, turned=not self.turned), ct, limit), None)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, limit = np.asarray(inputs[0], real), inputs[1]
        steps, windows = known(self.steps), known(self.windows)
        inside = (np.arange(steps)[:, None] < limit)[..., None]
        pads = ((self.before, self.after), (0, 0), (0, 0))
        if not self.turned:
            read = np.pad(np.where(inside, x.reshape(steps, len(limit), -1), 0), pads)
            taken = [read[j * self.gap : j * self.gap + windows] for j in range(self.taps)]
            return (np.concatenate(taken, axis=2).reshape(windows * len(limit), -1),)
        parts = np.split(x.reshape(windows, len(limit), -1), self.taps, axis=2)
        made = np.zeros((self.before + steps + self.after, *parts[0].shape[1:]), real)
        for j, part in enumerate(parts):
            made[j * self.gap : j * self.gap + windows] += part
        made = np.where(inside, made[self.before : self.before + steps], 0)
        return (made.reshape(steps * len(limit), -1).astype(real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.unfold_steps import unfold_steps_kernel, unfold_steps_words

        x, limit = (lowering.buffer(value) for value in node.inputs)
        # The last vector of each tap begins where it falls.
        target = lowering.buffer(node.value(), "vectors" if self.turned else "spill")
        rows = node.types[0].shape[0]
        arguments: dict[str, Argument] = {
            "source": (Pointer(x), x.row_stride),
            "limit": Pointer(limit),
            "target": (Pointer(target), target.row_stride),
            "rows": rows,
            "step_rows": self.rows,
            "steps": self.steps,
            "windows": self.windows,
            "columns": known(node.types[0].channels if self.turned else node.inputs[0].type.channels),
            "taps": (self.taps, self.before, self.gap),
        }
        reads = [Access(x), Access(limit)]
        writes = [Access(target, Split("rows", rows))]
        lowering.call(unfold_steps_kernel(turned=self.turned), unfold_steps_words, arguments, reads, writes)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        limit = TensorType("float32", (BATCH,))
        for columns in (1, 16, 33):
            x = TensorType("float32", (5 * BATCH, columns))
            yield Sample(cls(3, 5, BATCH), (x, limit), 0.0, 6.0)
            yield Sample(cls(2, 5, BATCH, 1, 2, 3), (x, limit), 0.0, 6.0)
            back = TensorType("float32", (5 * BATCH, 3 * columns))
            yield Sample(cls(3, 5, BATCH, 1, 1, turned=True), (back, limit), 0.0, 6.0)
