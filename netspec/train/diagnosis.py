"""Where a training stopped being finite: its batch is computed once more, and the first layer that breaks is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from netspec.compiler.formula.evaluate import evaluate
from netspec.compiler.formula.expr import Call, Constant, Expr
from netspec.compiler.formula.formula import Formula
from netspec.compiler.graph import Graph, Input, Node, Value, key_of
from netspec.compiler.graph.interpreter import interpret_values
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.reduce import Reduce
from netspec.data.dataset import AnyDataset, Dataset
from netspec.diagnostics import Diagnostic, Span
from netspec.runs.checkpoint import load_checkpoint
from netspec.runs.metrics import MetricsLog
from netspec.runs.run import Run
from netspec.spec.carried import CARRIED
from netspec.tensortype import BATCH, lengths
from netspec.train.engine import Engine
from netspec.train.loop import Limits, NotFiniteError, Position, Trainer, Where
from netspec.train.opening import Opened
from netspec.train.progress import Silent

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

ROWS: Final = 1024
"""Rows of a batch that are computed at once: NumPy keeps every value of the step."""

LARGE: Final = 1e3
"""Weights and inputs beyond this are what a trained network hardly has."""

# What helps where an operation has no finite result, by its name in formulas.
_KEPT: Final[Mapping[str, str]] = {
    "exp": "keep what `exp` is given below 88, as in `exp(min(x, 80))`",
    "log": "keep what `log` is given above 0, as in `log(max(x, 1e-7))`",
    "/": "keep what is divided by away from 0, as in `x / max(y, 1e-7)`",
    "sqrt": "keep what `sqrt` is given above 0, as in `sqrt(max(x, 1e-7))`",
}


@dataclass(frozen=True, eq=False)
class Broken:
    """The first value of a step that is not finite; all that it was computed from is."""

    value: Value
    arrays: Mapping[Value, Array]
    rows: Array
    """The batch, as rows of the data."""

    @property
    def array(self) -> Array:
        return self.arrays[self.value]

    @property
    def at(self) -> tuple[int, ...]:
        """Its first element that is not finite."""
        import numpy as np

        return tuple(int(i) for i in np.argwhere(~np.isfinite(self.array))[0])


@dataclass(frozen=True)
class Given:
    """What a step reads, by the graph's keys, and the sizes of its batch."""

    arrays: Mapping[str, Array]
    sizes: Mapping[str, int]


class Replay(Trainer):
    """A training from its last checkpoint up to a batch; it writes nothing."""

    def save(self, log: MetricsLog) -> None:
        return

    def reach(self, where: Where) -> Given:
        """Train up to the batch, and give what its step reads."""
        self.resume(load_checkpoint(self.run.state))
        with _Unwritten(self.run.metrics) as log:
            while self.at.epoch < where.epoch:
                self.advance(self.steps.batches)
                self._end_epoch(log)
        self.advance(where.batch)
        rows, lr = self.upcoming()
        gathering = self.steps.gathering(self.at.epoch, where.batch, 1) if self.train.accumulate > 1 else None
        return Given(*self.engine.given(rows, self.at.step, lr, gathering))

    def before(self, where: Where) -> Where | None:
        """The batch before, unless the last checkpoint lies between."""
        saved = Position(**load_checkpoint(self.run.state).progress)
        epoch, batch = (where.epoch, where.batch - 1) if where.batch else (where.epoch - 1, self.steps.batches - 1)
        done = saved.step_in_epoch * self.train.accumulate + saved.batch_in_step
        if (epoch, batch) < (saved.epoch, done):
            return None
        return Where(epoch, batch, epoch * self.steps.steps + batch // self.train.accumulate + 1)


class _Unwritten(MetricsLog):
    """The metrics of steps that were taken before: they have been told."""

    def append(self, line: Mapping[str, Any]) -> None:
        return


def explain(fault: NotFiniteError, engine: Engine, opened: Opened, run: Run) -> NotFiniteError:
    """The same fault with the layer in which it begins, and what has likely led to it.

    The checkpoint holds good weights; from there on the steps are taken again, to the same bits.
    """
    where = fault.where
    if where is None or not run.state.exists():
        return fault
    replay, graph = Replay(engine, opened, run, Silent(), Limits()), engine.program.step
    given = replay.reach(where)
    if not _is_finite(given.arrays, graph) and (before := replay.before(where)) is not None:
        where, given = before, replay.reach(before)  # the step before it broke the weights
    broken = next((found for part in _parts(given) if (found := first_broken(graph, part))), None)
    if broken is None:
        return fault
    return _Explanation(fault, where, engine, opened, broken).fault()


def _is_finite(given: Mapping[str, Array], graph: Graph) -> bool:
    """Whether the weights and states that a step begins with are finite."""
    import numpy as np

    return all(np.isfinite(given[key_of(v)]).all() for v in graph.inputs_of("parameter", "state"))


def _parts(given: Given) -> Iterator[Given]:
    """The batch in parts that memory holds, each with the rows of what is carried."""
    rows = given.arrays["index"]
    at_once = max(1, ROWS * given.sizes["B"] // prod(given.sizes.values()))
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        carried = {k: a[start : start + at_once] for k, a in given.arrays.items() if k.endswith(CARRIED)}
        yield Given({**given.arrays, **carried, "index": part}, {**given.sizes, "B": len(part)})


def first_broken(graph: Graph, given: Given) -> Broken | None:
    """The first value, each after what it is computed from, that is not finite; metrics do not count."""
    import numpy as np

    arrays = interpret_values(graph, given.arrays, sizes=given.sizes)
    trained = Graph(
        graph.name, graph.inputs, tuple((k, v) for k, v in graph.outputs if k == "loss" or k in graph.by_key)
    )
    for node in trained.nodes:
        if isinstance(node.op, Input):
            continue
        for value in node.values:
            array = arrays.get(value)
            if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
                return Broken(value, arrays, given.arrays["index"])
    return None


class _Explanation:
    """What is said of a value that is not finite."""

    def __init__(self, fault: NotFiniteError, where: Where, engine: Engine, opened: Opened, broken: Broken) -> None:
        self.told, self.told_at, self.where = fault.diagnostics[0], fault.where, where
        self.opened, self.broken = opened, broken
        self.program, self.document = engine.program, engine.program.document
        self.graph = engine.program.step
        self.operation = _operation(broken)

    def fault(self) -> NotFiniteError:
        assert self.told_at is not None
        earlier = f"step {self.where.step}, in " if self.where.step != self.told_at.step else ""
        notes = [
            f"it begins in {earlier}{self._place()}{self._count()}",
            *self._arithmetic(),
            *self._read(),
            *self._weights(),
        ]
        diagnostic = Diagnostic(
            self.told.code,
            self.told.message,
            self._span(),
            notes=(*notes, *self.told.notes),
            helps=tuple(self._helps()),
        )
        return NotFiniteError(diagnostic, sources=self.document.sources, where=self.told_at)

    # --- where ---

    @property
    def _path(self) -> str:
        """The layer, loss or weight that the value is of; empty where it is of the data, or of several losses."""
        losses = self.document.losses
        alone = losses[0].name if len(losses) == 1 and not self._fields() else ""
        return _path(self.broken.value.node) or alone

    @cached_property
    def _forward(self) -> frozenset[Node]:
        """What the loss is computed from; the rest are gradients and updates."""
        return frozenset(Graph("loss", (), (("loss", dict(self.graph.outputs)["loss"]),)).nodes)

    @property
    def _is_forward(self) -> bool:
        return self.broken.value.node in self._forward

    def _place(self) -> str:
        path = self._path
        if path in self.program.parameters:
            return f"the update of `{path}`"
        is_layer = any(node.path == path for node in self.document.network.nodes)
        what = f"`{path}`" if is_layer else f"the loss `{path}`" if path else "the sum of losses"
        if fields := self._fields():
            what = f"the field `{fields[0]}`"
        return what if self._is_forward else f"the gradient of {what}"

    def _fields(self) -> list[str]:
        """The fields of the data that the value is made of, and nothing else."""
        node = self.broken.value.node
        keys = [key_of(v) for v in node.inputs if isinstance(v.node.op, Input)] if node.origin is None else []
        return [key.split(".")[1] for key in keys if key.startswith("data.")]

    def _span(self) -> Span | None:
        path = self._path
        spans = {b.name: b.span for b in (*self.document.metrics, *self.document.losses)}
        spans |= {node.path: node.span for node in self.document.network.nodes}
        spans |= {key: parameter.span for key, parameter in self.program.parameters.items()}
        return spans.get(path)

    def _count(self) -> str:
        import numpy as np

        array, at = self.broken.array, self.broken.at
        if not array.ndim:
            return ""
        count = f": in {int((~np.isfinite(array)).sum()):,} of {array.size:,} numbers"
        rows = self.broken.value.type.shape[0]
        if (rows != BATCH and not lengths(rows)) or not self._is_forward:
            return count
        sample = self.broken.rows[at[0] % len(self.broken.rows)]
        return f"{count}, first for {self.opened.dataset.place(int(sample))}"

    # --- why ---

    def _arithmetic(self) -> list[str]:
        import numpy as np

        node, found = self.broken.value.node, self.broken.array[self.broken.at]
        if self.operation is not None:
            call, result = self.operation
            large = isinstance(call, Call) and call.function in ("exp", "*", "+", "-", "**")
            infinite = "more than float32 holds" if large else "infinite"
            return [f"there `{call}` is {'not a number' if np.isnan(result) else infinite}"]
        became = "not a number" if np.isnan(found) else "more than float32 holds"
        if isinstance(node.op, Contract | Reduce):
            sizes = [float(np.abs(self.broken.arrays[v]).max(initial=0)) for v in node.inputs]
            what = " times ".join(f"{size:.3g}" for size in sizes[:2])
            return [f"there a sum of numbers as large as {what} is {became}"]
        return []

    def _read(self) -> list[str]:
        """How large the outputs are, where a loss breaks."""
        import numpy as np

        notes = []
        for loss in self.document.losses if self._is_forward else ():
            made = [v for v in self.broken.arrays if v.node in self._forward and _path(v.node) == str(loss.output)]
            if loss.name == self._path and made:
                largest = np.abs(self.broken.arrays[made[-1]]).max(initial=0)
                notes.append(f"it reads `{loss.output}`, as large as {largest:.3g}")
        return notes

    def _largest(self, role: str) -> tuple[str, float]:
        """The key and size of the largest number that the step is given in some role."""
        import numpy as np

        found = [
            (key_of(v), self.broken.arrays[v]) for v in self.graph.inputs if _is(v, role) and v in self.broken.arrays
        ]
        sizes = {key: float(np.abs(array).max(initial=0)) for key, array in found}
        key = max(sizes, key=sizes.__getitem__, default="")
        return key, sizes.get(key, 0.0)

    def _weights(self) -> list[str]:
        key, size = self._largest("parameter")
        if size <= LARGE:
            return []
        return [f"weights {'are' if self.where.step > 1 else 'begin'} as large as {size:.3g}, in `{key}`"]

    def _inputs(self) -> float:
        """The largest number that the network reads in the batch, as it is scaled."""
        import numpy as np

        largest, dataset = 0.0, self.opened.dataset
        for name in self.program.inputs:
            fitted = dataset.fitted.fields[name]
            if fitted.type.kind in ("number", "image"):
                rows = _values(dataset, name, self.broken.rows).astype(np.float64)
                offset, scale = fitted.offset, fitted.scale
                scaled = rows if offset is None or scale is None else (rows - offset) * scale
                largest = max(largest, float(np.abs(scaled).max(initial=0)))
        return largest

    def _helps(self) -> list[str]:
        """What may have led to it, the likeliest first."""
        _, size = self._largest("parameter")
        call = self.operation[0] if self.operation else None
        kept = [_KEPT[call.function]] if isinstance(call, Call) and call.function in _KEPT else []
        data, begun = [], []
        if (large := self._inputs()) > LARGE:
            data.append(f"inputs are as large as {large:.3g}: `data: {{standardize: true}}` brings them to size 1")
        if self.where.step == 1 and size > LARGE:
            begun.append("begin with smaller weights: see `init`")
        rate = list(self.told.helps)
        if self.document.train.clip is None:
            rate.append("or limit what a step may change: `--set train.clip.norm=1`")
        if size > LARGE:  # it grew, or began, too large for anything to be finite
            return [*data, *(begun or rate), *kept]
        before_any_update = self.where.step == 1 and self._path not in self.program.parameters
        return [*kept, *data, *([] if before_any_update and (kept or data) else rate)]


def _values(dataset: AnyDataset, name: str, rows: Array) -> Array:
    """What rows hold; zeros behind the ends of those that are shorter than others."""
    if isinstance(dataset, Dataset) and name in dataset.ragged:
        return dataset.ragged[name].padded(rows)
    found: Array = dataset.columns[name][rows]
    return found


def _path(node: Node) -> str:
    return node.origin.path if node.origin else ""


def _is(value: Value, role: str) -> bool:
    return isinstance(value.node.op, Input) and value.node.op.role == role


def _operation(broken: Broken) -> tuple[Expr, float] | None:
    """The operation of a formula that makes the first bad number of finite ones, with these, and what it makes."""
    import numpy as np

    node: Node = broken.value.node
    if not isinstance(node.op, Map):
        return None
    formula, shape = node.op.formula, broken.array.shape
    every = list(formula.nodes)
    results = evaluate(Formula(formula.inputs, tuple(every)), [broken.arrays[v] for v in node.inputs], "float32", shape)
    numbers = {e: float(np.broadcast_to(r, shape)[broken.at]) for e, r in zip(every, results, strict=True)}
    expr = formula.outputs[broken.value.index]
    while True:
        operands = expr.operands
        if isinstance(expr, Call) and expr.function == "where":
            operands = (operands[1] if numbers[operands[0]] else operands[2],)
        bad = [operand for operand in operands if not np.isfinite(numbers[operand])]
        if not bad:
            break
        expr = bad[0]
    if not isinstance(expr, Call):
        return None
    return Call(expr.function, *(Constant(float(f"{numbers[o]:.4g}")) for o in expr.operands)), numbers[expr]
