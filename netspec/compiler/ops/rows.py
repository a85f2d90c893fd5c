"""Fused element-wise work and reductions over the columns of each row: one pass over memory for a whole loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.compiler.formula import Formula, body, evaluate, parse, select, sweeps
from netspec.compiler.formula.expr import names
from netspec.compiler.formula.sweeps import Sweep as FormulaSweep
from netspec.compiler.formula.sweeps import spread_results, staged
from netspec.compiler.graph import Lanes, Node, Op, Sample, UnsupportedError, Value
from netspec.compiler.graph.lowering import INDEX, Access, Argument, Buffer, Clock, Lowering, Pointer, Split
from netspec.compiler.kernels.kernel import Operand, Result
from netspec.compiler.kernels.rows import Action, Sweep, rows_kernel, rows_words
from netspec.compiler.ops.elementwise import by_place
from netspec.compiler.ops.stretch import block_words, relay, relay_number
from netspec.tensortype import BATCH, ITEM_BYTES, LANES, ROWS, Dim, Layout, ShapeError, TensorType, known, product, size

if TYPE_CHECKING:
    import numpy as np

    from netspec.compiler.graph.op import Array


@dataclass(frozen=True)
class Rows(Op):
    """``formula`` at every element of a domain of rows, middle and columns; its reductions run over the columns.

    A view says which axes of the domain an input or a result has, of ``R``, ``M`` and ``C``: ``RMC`` is a whole array,
    ``R`` one number a row, ``C`` the same row for all, nothing a scalar. An input with ``G`` is a table whose rows are
    taken by the index, which then is the last input of the node. ``shapes`` are the results' shapes as the graph sees
    them, with the same elements in the same order.
    """

    name: ClassVar[str] = "rows"
    stores_exactly: ClassVar[bool] = True
    formula: Formula
    domain: tuple[Dim, Dim, Dim]
    views: tuple[str, ...]
    results: tuple[str, ...]
    shapes: tuple[tuple[Dim, ...], ...]
    layouts: tuple[Layout, ...] = field(default=())

    @property
    def gathers(self) -> bool:
        return any("G" in view for view in self.views)

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if len(inputs) != len(self.views) + self.gathers:
            raise ShapeError(f"`rows` has {len(self.views)} views and {len(inputs)} inputs")
        for view, type_ in zip(self.views, inputs, strict=False):
            shape = type_.shape[1:] if "G" in view else type_.shape
            if product(shape) != product(self._extent(axis) for axis in view if axis != "G"):
                raise ShapeError(f"`rows` cannot see {type_} as {view or 'a scalar'} of {self.domain}")
        layouts = self.layouts or (ROWS,) * len(self.shapes)
        return tuple(TensorType("float32", shape, layout) for shape, layout in zip(self.shapes, layouts, strict=True))

    def reference(self, inputs: Sequence[Array], real: type[np.floating[Any]]) -> tuple[Array, ...]:
        import numpy as np

        index = inputs[-1] if self.gathers else None
        sizes = tuple(known(n) for n in self.domain)
        arrays = []
        for view, array in zip(self.views, inputs, strict=False):
            taken = array[index] if "G" in view else array
            wide = [n if axis in view.replace("G", "R") else 1 for axis, n in zip("RMC", sizes, strict=True)]
            arrays.append(np.asarray(taken).reshape(wide).astype(real))
        made = evaluate(self.formula, arrays, np.dtype(real).name, shape=sizes)
        results = []
        for value, view, shape in zip(made, self.results, self.shapes, strict=True):
            wide = [n if axis in view else 1 for axis, n in zip("RMC", sizes, strict=True)]
            results.append(np.ascontiguousarray(np.broadcast_to(value, wide)).reshape([known(n) for n in shape]))
        return tuple(results)

    def reads_late(self, result: int, source: int) -> bool:
        """Whether input ``source`` is read again once ``result`` has been stored, so that it cannot lie there too."""
        name, view = self.formula.inputs[source], self.views[source]
        stored = False
        for sweep in self._cut():
            reads = any(name in names(output) for output in sweep.body.outputs)
            if stored and reads:
                return True
            stored = stored or ("store", result) in sweep.actions
            if stored and reads and sweep.once and len(sweep.actions) > 1:  # it may become two
                return True
        return view != self.results[result]

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        """It has to be the same at every element, of whole arrays of the results' shape, or numbers of channels."""
        rank = len(self.shapes[0])
        return Lanes(tuple(x.rank == rank for x in inputs)) if self._takes_lanes(inputs) else None

    def _takes_lanes(self, inputs: Sequence[TensorType]) -> bool:
        shape = self.shapes[0]
        if self.formula.reduces or by_place(self.formula) or self.gathers or any(s != shape for s in self.shapes):
            return False
        if len(shape) < 3 or isinstance(shape[0], int) or not all(isinstance(n, int) for n in shape[1:]):
            return False
        return all(
            type_.dtype == "float32" and (type_.shape == shape or self._number_or_channel(view, type_, shape))
            for view, type_ in zip(self.views, inputs, strict=True)
        )

    def _number_or_channel(self, view: str, type_: TensorType, shape: Sequence[Dim]) -> bool:
        if type_.rank == len(shape):
            return type_.shape == (shape[0], *(1 for _ in shape[1:-1]), shape[-1])
        return type_.elements == 1 or (view == "C" and self.domain[2] == shape[-1] and type_.elements == shape[-1])

    def _lower_lanes(self, node: Node, lowering: Lowering) -> None:
        """A block of 16 samples is a row, its channels the middle, pixels and lanes the columns."""
        inputs, results = ([lowering.buffer(v) for v in values] for values in (node.inputs, node.values))
        samples, *space, channels = self.shapes[0]

        def seen(buffer: Buffer) -> tuple[Operand, tuple[Pointer, Dim, Dim, Dim]]:
            if buffer.type.layout == LANES:
                of_sample = buffer.type.shape != self.shapes[0]  # a number for each channel of each sample
                place = Pointer(buffer), buffer.row_stride, buffer.panel_stride, 0
                return Operand(spread=of_sample, lanes=of_sample), place
            by_channel = ITEM_BYTES["float32"] if buffer.type.elements != 1 else 0
            return Operand(spread=True, stepped=buffer.place == "step"), (Pointer(buffer), 0, by_channel, 0)

        operands = [seen(buffer) for buffer in inputs]
        kinds = (Result(),) * len(results)
        arguments: dict[str, Argument] = {
            "clock": Clock(),
            "rows": samples,
            "columns": product(space) * 16,
            "operands": [place for _, place in operands],
            "results": [seen(buffer)[1] for buffer in results],
            "middle": channels,
        }
        kernel = rows_kernel(tuple(operand for operand, _ in operands), self._sweeps(kinds), kinds)
        split = Split("rows", samples)
        reads = [Access(b, split if b.type.layout == LANES else None) for b in inputs]
        lowering.call(kernel, block_words, arguments, reads, [Access(b, split) for b in results])

    def lower(self, node: Node, lowering: Lowering) -> None:
        if LANES in self.layouts:
            self._lower_lanes(node, lowering)
            return
        rows, middle, columns = self.domain
        split = Split("rows", rows)
        inputs = [self._seen(lowering, *seen) for seen in zip(self.views, node.inputs, strict=False)]
        wanted = [
            lowering.buffer(value, "vectors" if "C" in view else "none")
            for value, view in zip(node.values, self.results, strict=True)
        ]
        once = self._stored_once()
        results = [
            lowering.temporary(buffer.type) if buffer.place == "step" and not single else buffer
            for buffer, single in zip(wanted, once, strict=True)
        ]
        kinds = tuple(_result(buffer, once=single) for buffer, single in zip(results, once, strict=True))
        operands = tuple(_operand(view, buffer) for view, buffer in zip(self.views, inputs, strict=False))
        widths = {b.type.layout.width for b in (*inputs, *results) if b.type.layout.kind == "panels"}
        seen = [self._address(v, b) for v, b in zip(self.views, inputs, strict=False)]
        arguments: dict[str, Argument] = {
            "clock": Clock(),
            "rows": rows,
            "columns": columns,
            "operands": seen,
            "results": [self._address(v, b) for v, b in zip(self.results, results, strict=True)],
            "middle": middle,
            "panel_width": max(widths, default=0),
        }
        if self.gathers:
            index = Pointer(lowering.buffer(node.inputs[-1]))
            arguments |= {"index": index, "batch": rows, "index_length": INDEX}
        if (waits := self._staged()) is not None:
            operands += (Operand(),)
            seen.append(self._address(self.results[waits], results[waits]))
        kernel = rows_kernel(operands, self._sweeps(kinds), kinds)
        reads = [Access(b, split if "R" in v else None) for v, b in zip(self.views, inputs, strict=False)]
        writes = [Access(b, split if "R" in v else None) for v, b in zip(self.results, results, strict=True)]
        over = [
            (result, source)
            for i, result in enumerate(results)
            for j, source in enumerate(inputs)
            if "C" in self.views[j] and result.type == source.type and not self.reads_late(i, j)
        ]
        lowering.call(kernel, rows_words, arguments, reads, writes, over)
        for made, target in zip(results, wanted, strict=True):
            if made is not target:
                relay_number(lowering, made, target)

    @property
    def _spread(self) -> list[str]:
        return [name for name, view in zip(self.formula.inputs, self.views, strict=True) if "C" not in view]

    def _cut(self) -> tuple[FormulaSweep, ...]:
        """The formula's sweeps; the first result that has room for it may hold what would be computed twice."""
        plain = sweeps(self.formula, self._spread)
        full = [i for i, view in enumerate(self.results) if view == ("RC" if self.domain[1] == 1 else "RMC")]
        cuts = (staged(plain, i, self._spread) for i in full)
        return next((cut for cut in cuts if cut != plain), plain)

    def _staged(self) -> int | None:
        """The result that holds something else for a while, which the kernel then reads too."""
        stores = [action for sweep in self._cut() for action in sweep.actions if not isinstance(action, str)]
        return next((i for i in range(len(self.results)) if stores.count(("store", i)) > 1), None)

    def _stored_once(self) -> tuple[bool, ...]:
        """For each result whether it is one number a row; a draw is not, even where a row has one column."""
        single = spread_results(self.formula, self._spread)
        return tuple(s and "C" not in view for s, view in zip(single, self.results, strict=True))

    def _sweeps(self, results: Sequence[Result]) -> tuple[Sweep, ...]:
        """The formula cut into sweeps; a value of the row that fills whole rows has a sweep over the columns."""
        found: list[Sweep] = []
        for sweep in self._cut():
            filling = [i for i, action in enumerate(sweep.actions) if sweep.once and _fills(action, results)]
            others = [i for i in range(len(sweep.actions)) if i not in filling]
            if filling:
                found.append(Sweep(body(select(sweep.body, filling)), tuple(sweep.actions[i] for i in filling)))
            if others:
                actions = tuple(sweep.actions[i] for i in others)
                found.append(Sweep(body(select(sweep.body, others)), actions, sweep.once))
        return tuple(found)

    def _seen(self, lowering: Lowering, view: str, value: Value) -> Buffer:
        """The buffer of an input; a copy without padding where its rows are not the rows of the view."""
        buffer = lowering.buffer(value)
        if self._strides(view, buffer) is not None:
            return buffer
        flat = lowering.temporary(TensorType("float32", value.type.shape))
        relay(lowering, buffer, flat)
        return flat

    def _strides(self, view: str, buffer: Buffer) -> tuple[Dim, Dim] | None:
        """Bytes from row to row and from middle to middle, 0 along an axis that the view lacks.

        None: the view's axes cut across the buffer's rows.
        """
        rows, middle, columns = self.domain
        inner = (columns if "C" in view else 1) * ITEM_BYTES[buffer.type.dtype]
        within = inner if "M" in view else 0
        if "G" in view:
            return buffer.row_stride, within
        if buffer.type.layout.kind == "panels":
            return (buffer.row_stride if "R" in view else 0, 0) if "M" not in view else None
        if buffer.contiguous:
            return (inner * (middle if "M" in view else 1) if "R" in view else 0), within
        by_rows, by_middle = "R" in view, "M" in view
        if by_rows and buffer.rows == rows:
            return buffer.row_stride, within
        if by_middle and buffer.rows == (rows * middle if by_rows else middle):
            return (middle * buffer.row_stride if by_rows else 0), buffer.row_stride
        return None

    def _address(self, view: str, buffer: Buffer) -> tuple[Pointer, Dim, Dim, Dim]:
        """Pointer, and the strides of rows, middle and panels."""
        strides = self._strides(view, buffer)
        if strides is None:
            raise UnsupportedError(f"`rows` cannot write {buffer.type} as {view} of {self.domain}")
        return Pointer(buffer), *strides, buffer.panel_stride if "C" in view else 0

    def _extent(self, axis: str) -> Dim:
        return self.domain["RMC".index(axis)]

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        softmax = parse("t = exp(x0 - max(x0)); t / sum(t), log(sum(t)) + max(x0)", ("x0",))
        for columns in (1, 10, 15, 16, 17, 33, 100):
            views, shapes = ("RC" if columns > 1 else "R", "R"), ((BATCH, columns), (BATCH, 1))
            yield Sample(
                cls(softmax, (BATCH, 1, columns), views[:1], views, shapes), (TensorType("float32", shapes[0]),)
            )
        scaled = parse("(x0 - x1) * x2", ("x0", "x1", "x2"))
        table = (TensorType("uint8", (size("N"), 7, 5)), TensorType("float32", (7, 5)), TensorType("float32", ()))
        yield Sample(
            cls(scaled, (BATCH, 1, 35), ("GC", "C", ""), ("RC",), ((BATCH, 7, 5),)),
            (*table, TensorType("int64", (BATCH,))),
        )
        channel = parse("x0 * x1 + x2", ("x0", "x1", "x2"))
        types = (TensorType("float32", (BATCH, 3, 5)), TensorType("float32", (5,)), TensorType("float32", (3, 1)))
        yield Sample(cls(channel, (BATCH, 3, 5), ("RMC", "C", "M"), ("RMC",), ((BATCH, 3, 5),)), types)


def _fills(action: Action, results: Sequence[Result]) -> bool:
    return not isinstance(action, str) and results[action[1]].kind == "rows"


def _operand(view: str, buffer: Buffer) -> Operand:
    stepped = buffer.place == "step"
    return Operand(buffer.type.dtype, spread="C" not in view, gathered="G" in view, stepped=stepped)


def _result(buffer: Buffer, *, once: bool) -> Result:
    if not once:
        return Result("rows")
    return Result("stepped" if buffer.place == "step" else "spread")
