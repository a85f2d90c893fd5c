"""The only module that knows the order of the phases: document, model, graphs, passes, executables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from netspec.catalog.losses import Loss
from netspec.catalog.losses.targets import numbers
from netspec.catalog.metrics import Collected, Metric, Reading
from netspec.catalog.optimizers import Rule
from netspec.compiler.autodiff import gradients
from netspec.compiler.graph import Graph, GraphBuilder, Origin, Value
from netspec.compiler.ops import Cast, Extent, Gather, Map, Reduce, Reshape, apply
from netspec.compiler.passes import optimize
from netspec.data.fieldtype import FieldType
from netspec.diagnostics import Report
from netspec.spec.binding import Binding
from netspec.spec.document import Document
from netspec.spec.lowering import Model, Parameter, input_type
from netspec.spec.network import ValueRef
from netspec.spec.rules import Lesson, lessons
from netspec.tensortype import BATCH, Dim, DType, Layout, TensorType, bind, product, size, total

if TYPE_CHECKING:
    from netspec.compiler.codegen.executable import Executable
    from netspec.compiler.kernels.processor import Tile

Kind: TypeAlias = Literal["step", "evaluate", "predict", "gradient"]
SCALAR = TensorType("float32", ())
ROWS_OF_DATA = size("N")

SUMMED = "metric."
"""Before the name of a metric: an output that is its sum over the samples of a step."""

COLLECTED = "rows."
"""Before the name of a metric: an output that is a row for each sample of a step."""


FLOPS_WORTH_A_THREAD = 2_000_000
"""Below this a second thread costs more at barriers than it gives: some 10 us of work on one core."""


@dataclass(frozen=True)
class FieldFacts:
    """What the graphs must know of a field beside its type: whether it is scaled, and where a single target is cut."""

    type: FieldType
    dtype: DType
    scaling: tuple[int, ...] | None = None
    middle: float = 0.5


@dataclass(frozen=True)
class Program:
    """A spec as graphs. Everything here is known without running anything, and most of it without data."""

    document: Document
    model: Model = field(repr=False)
    fields: Mapping[str, FieldFacts]

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """The weights by path; the graph of the step has made them all."""
        _ = self.values
        return dict(self.model.parameters)

    @cached_property
    def step(self) -> Graph:
        """One training step: loss and metrics of a batch, new parameters and optimizer state."""
        return _Builder(self, training=True).step()

    @cached_property
    def evaluate(self) -> Graph:
        """Sums of loss and metrics over a batch, as in prediction."""
        return _Builder(self, training=False).evaluate()

    @cached_property
    def predict(self) -> Graph:
        """The network's outputs, as prediction shows them."""
        return _Builder(self, training=False).predict()

    @cached_property
    def values(self) -> Mapping[ValueRef, Value]:
        """Every value of the network in a graph of its own, auxiliary heads too."""
        return _Builder(self, training=False).values

    @cached_property
    def gradient(self) -> Graph:
        """The loss of a batch, penalties included, and its gradient by every weight that training may change."""
        return _Builder(self, training=True).gradient()

    def graph(self, kind: Kind) -> Graph:
        """The graph as it is built, before any pass."""
        graph = getattr(self, kind)
        assert isinstance(graph, Graph)
        return graph

    def threads(self, kind: Kind, batch: int) -> int:
        """As many threads as there is work for in a batch, and no more than this process may use."""
        work = 2 * multiply_adds(self.graph(kind), batch)
        return max(1, min(processors(), work // FLOPS_WORTH_A_THREAD))

    def executable(
        self,
        kind: Kind,
        tile: Tile,
        given: Mapping[str, Layout] | None = None,
        after: Callable[[str, Graph], None] | None = None,
    ) -> Executable:
        """The scheduled kernels of a graph; ``given`` are the layouts of weights that are in memory already."""
        from netspec.compiler.codegen.executable import prepare

        return prepare(optimize(self.graph(kind), 16 * tile.vectors, given, after), tile)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields that the network reads."""
        return tuple(given.name for given in self.document.network.inputs)

    def counts(self) -> tuple[Dim, Dim]:
        """Numbers that training may change, and numbers that it may not."""
        trainable = [product(p.shape) for p in self.parameters.values() if p.trainable]
        frozen = [product(p.shape) for p in self.parameters.values() if not p.trainable]
        return total(trainable), total(frozen)


def static_program(document: Document, report: Report) -> Program:
    """The program of a spec whose data have not been opened; faults of shape go to ``report``."""
    facts = {
        name: FieldFacts(type_, stored_dtype(type_))
        for name, type_ in (document.fields or {}).items()
        if type_.shape is not None
    }
    return Program(document, Model(document, report), facts)


def stored_dtype(type_: FieldType) -> DType:
    """How a field lies in memory."""
    return type_.dtype or ("int32" if type_.kind in ("category", "index") else "float32")


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def multiply_adds(graph: Graph, batch: int) -> int:
    """Those of a graph for a batch."""
    costs = (node.op.multiply_adds([value.type for value in node.inputs]) for node in graph.nodes)
    bound = bind(total(costs), {"B": batch})
    return bound if isinstance(bound, int) else 0


class _Builder:
    """One graph of a program while it is built."""

    def __init__(self, program: Program, *, training: bool) -> None:
        self.program, self.training = program, training
        self.document, self.model = program.document, program.model
        self.g = GraphBuilder()
        self.index = self.g.input("index", TensorType("int64", (BATCH,)), "index")
        self._fields: dict[str, Value] = {}
        inputs = {given.name: self._input(given.name) for given in self.document.network.inputs}
        self.values = self.model.build(self.g, inputs, training=training)

    def step(self) -> Graph:
        g, outputs = self.g, dict[str, Value]()
        loss = self._loss()
        if loss is None:
            return g.graph("step", {})
        mean = apply(g, "total / n", total=self._total(loss), n=g.add(Extent(BATCH)))
        outputs["loss"] = mean
        outputs.update(self._metrics())
        for parameter, value, gradient in self._gradients(mean):
            with g.at(Origin(parameter.key, parameter.span.line)):
                outputs.update(self._update(parameter, value, gradient))
        return g.graph("step", outputs)

    def gradient(self) -> Graph:
        loss = self._loss()
        if loss is None:
            return self.g.graph("gradient", {})
        mean = apply(self.g, "total / n", total=self._total(loss), n=self.g.add(Extent(BATCH)))
        trained = [p for p in self.model.parameters.values() if p.trainable]
        values = [self.g.input(p.key, TensorType("float32", p.shape), "parameter") for p in trained]
        whole = self._penalized(mean, trained, values)
        found = gradients(self.g, whole, values)
        pairs = zip(trained, found, strict=True)
        return self.g.graph("gradient", {"loss": whole, **{f"gradient.{p.key}": x for p, x in pairs if x is not None}})

    def evaluate(self) -> Graph:
        loss = self._loss()
        totals = {} if loss is None else {"loss": self._total(loss)}
        return self.g.graph("evaluate", {**totals, **self._metrics()})

    def predict(self) -> Graph:
        outputs = {}
        for name, ref in self.document.network.outputs.items():
            value = self.values.get(ref)
            if value is not None:
                outputs[name] = self._shown(ref, value)
        return self.g.graph("predict", outputs)

    def _input(self, name: str) -> Value:
        given = next(i for i in self.document.network.inputs if i.name == name)
        if name in self.program.fields:
            return self._field(name)
        whole = given.kind == "index"
        dtype: DType = "int32" if whole else "float32"
        shape = input_type(given, None, self.model.sizes).shape[1:]
        table = self.g.input(f"data.{name}", TensorType(dtype, (ROWS_OF_DATA, *shape)), "stored")
        return self.g.add(Gather(), table, self.index)

    def _field(self, name: str) -> Value:
        """The rows of a field that the batch names, scaled as it was fitted."""
        known = self._fields.get(name)
        if known is not None:
            return known
        facts = self.program.fields[name]
        table = self.g.input(
            f"data.{name}", TensorType(facts.dtype, (ROWS_OF_DATA, *(facts.type.shape or ()))), "stored"
        )
        value = self.g.add(Gather(), table, self.index)
        if facts.type.kind not in ("category", "index"):
            if facts.dtype != "float32":
                value = self.g.add(Cast("float32"), value)
            if facts.scaling is not None:
                scalar = product(facts.scaling) == 1
                type_ = TensorType("float32", () if scalar else facts.scaling)
                offset, scale = (self.g.input(f"data.{name}.{part}", type_, "constant") for part in ("offset", "scale"))
                value = apply(self.g, "(x - offset) * scale", x=value, offset=offset, scale=scale)
        self._fields[name] = value
        return value

    def _bound(self, bindings: Sequence[Binding]) -> list[tuple[Binding, Value, Value]]:
        """Losses or metrics whose output and target exist and fit."""
        found = []
        for binding in bindings:
            output = self.values.get(binding.output) if binding.output else None
            target = binding.target or ""
            if binding.what is None or output is None or target not in self.program.fields:
                continue
            if self.model.check(binding, output, self.program.fields[target].type):
                found.append((binding, output, self._field(target)))
        return found

    def _loss(self) -> Value | None:
        """The weighted sum of all losses, ``float32[B]``."""
        whole: Value | None = None
        for i, (binding, output, target) in enumerate(self._bound(self.document.losses), 1):
            assert isinstance(binding.what, Loss)
            with self.g.at(Origin(binding.name, binding.span.line)):
                scope = self.model.loss_scope(self.g, f"loss_{i}", training=self.training)
                one = binding.what.build(scope, output, target)
                if binding.sample_weight is not None:
                    weight = self._field(binding.sample_weight)
                    one = apply(self.g, "l * w", l=one, w=self.g.add(Reshape((BATCH,)), weight))
                if binding.weight != 1:
                    one = apply(self.g, f"{binding.weight!r} * l", l=one)
                whole = one if whole is None else apply(self.g, "a + b", a=whole, b=one)
        return whole

    def _metrics(self) -> dict[str, Value]:
        found = {}
        for binding, output, target in self._bound(self.document.metrics):
            assert isinstance(binding.what, Metric)
            if self.training and isinstance(binding.what, Collected):
                continue  # it needs all samples at once
            with self.g.at(Origin(binding.name, binding.span.line)):
                scope = self.model.loss_scope(self.g, binding.name, training=self.training)
                given, wanted = (self._own_units(binding.target, value) for value in (output, target))
                one = binding.what.build(scope, given, wanted, self._reading(binding))
                if isinstance(binding.what, Collected):
                    found[f"{COLLECTED}{binding.name}"] = one
                else:
                    found[f"{SUMMED}{binding.name}"] = self._total(one)
        return found

    def _reading(self, binding: Binding) -> Reading:
        """How the outputs of a metric are to be read: as the losses on them read them."""
        middle = self.program.fields[binding.target or ""].middle
        on_it = [loss.what for loss in self.document.losses if loss.output == binding.output]
        logits = any(isinstance(what, Loss) and what.takes_logits for what in on_it)
        return Reading(0.0 if logits else middle, middle, logits)

    def _gradients(self, loss: Value) -> list[tuple[Parameter, Value, Value]]:
        """Every weight that a step changes, with its gradient, clipped: of the loss, or of a rule's objectives."""
        pairs: list[tuple[Parameter, Value, Value]] = []
        rule = self.document.optimizer
        if isinstance(rule, Rule):
            for lesson in lessons(rule, self.model, self.values):
                own = [p for p in self.model.parameters.values() if p.key.rpartition(".")[0] == lesson.path]
                pairs += self._downhill(self._objective(rule, lesson), own)
        else:
            pairs = self._downhill(loss, self.model.parameters.values())
        clipped = self._clipped([gradient for *_, gradient in pairs])
        return [(parameter, value, gradient) for (parameter, value, _), gradient in zip(pairs, clipped, strict=True)]

    def _downhill(self, loss: Value, parameters: Iterable[Parameter]) -> list[tuple[Parameter, Value, Value]]:
        """Those of the weights that may change and that ``loss`` depends on, with its gradient, penalties included."""
        trained = [p for p in parameters if p.trainable]
        values = [self.g.input(p.key, TensorType("float32", p.shape), "parameter") for p in trained]
        found = gradients(self.g, self._penalized(loss, trained, values), values)
        return [(p, v, ct) for p, v, ct in zip(trained, values, found, strict=True) if ct is not None]

    def _objective(self, rule: Rule, lesson: Lesson) -> Value:
        """What a learning rule goes downhill on in one layer: the mean over samples."""
        path, target = lesson.path, None
        with self.g.at(Origin(path, self.document.network.node(path).line)):
            scope = self.model.loss_scope(self.g, path, training=True)
            if lesson.binding is not None:
                target = numbers(scope, lesson.units.output, self._field(lesson.binding.target or ""))
            parameter = self.model.parameters[f"{path}.kernel"]
            kernel = self.g.input(parameter.key, TensorType("float32", parameter.shape), "parameter")
            each = rule.objective(scope, lesson.units, kernel, target)
            whole = self.g.add(Reduce("sum", tuple(range(each.type.rank))), each)
            return apply(self.g, "total / n", total=whole, n=self.g.add(Extent(BATCH)))

    def _total(self, samples: Value) -> Value:
        return self.g.add(Reduce("sum", (0,)), samples)

    def _shown(self, ref: ValueRef, value: Value) -> Value:
        """An output as prediction shows it: probabilities where a loss takes logits, own units where it was scaled."""
        for i, binding in enumerate(self.document.losses, 1):
            if binding.output != ref or not isinstance(binding.what, Loss):
                continue
            value = binding.what.probabilities(self.model.loss_scope(self.g, f"loss_{i}", training=False), value)
            value = self._own_units(binding.target, value)
            break
        return value

    def _own_units(self, target: str | None, value: Value) -> Value:
        """A value in the units of a target that is standardized, as its data have them."""
        facts = self.program.fields.get(target or "")
        if facts is None or facts.type.kind != "number" or facts.scaling is None:
            return value
        type_ = TensorType("float32", () if product(facts.scaling) == 1 else facts.scaling)
        parts = {p: self.g.input(f"data.{target}.{p}", type_, "constant") for p in ("offset", "scale")}
        return apply(self.g, "y / scale + offset", y=value, **parts)

    def _penalized(self, loss: Value, trained: Sequence[Parameter], values: Sequence[Value]) -> Value:
        for parameter, value in zip(trained, values, strict=True):
            for rate, text in ((parameter.l1, "abs(p)"), (parameter.l2, "p * p")):
                if rate:
                    every = self.g.add(Reduce("sum", tuple(range(value.type.rank))), apply(self.g, text, p=value))
                    loss = apply(self.g, f"loss + {rate!r} * penalty", loss=loss, penalty=every)
        return loss

    def _clipped(self, found: list[Value]) -> list[Value]:
        clip, g = self.document.train.clip, self.g
        if clip is None:
            return found
        if clip.value is not None:
            found = [apply(g, f"min(max(x, {-clip.value!r}), {clip.value!r})", x=x) for x in found]
        if clip.norm is not None:
            whole: Value | None = None
            for x in found:
                one = g.add(Reduce("sum", tuple(range(x.type.rank))), apply(g, "x * x", x=x))
                whole = one if whole is None else apply(g, "a + b", a=whole, b=one)
            assert whole is not None
            factor = apply(g, f"where(s > {clip.norm**2!r}, {clip.norm!r} / sqrt(s), 1)", s=whole)
            found = [apply(g, "x * f", x=x, f=factor) for x in found]
        return found

    def _update(self, parameter: Parameter, value: Value, gradient: Value) -> dict[str, Value]:
        """The optimizer's new parameter and states."""
        optimizer = self.document.optimizer
        assert optimizer is not None
        keys = [f"{parameter.key}/{state}" for state in optimizer.states]
        states = [self.g.input(key, value.type, "state") for key in keys]
        scalars = [
            self.g.input(scalar_key(name, parameter.lr_scale), SCALAR, "step") for name in optimizer.scalar_names
        ]
        node = self.g.node(Map(optimizer.update()), value, gradient, *states, *scalars)
        return dict(zip([parameter.key, *keys], node.values, strict=True))


def scalar_key(name: str, lr_scale: float) -> str:
    """The graph input of an optimizer's scalar, for parameters with that factor on the learning rate."""
    return f"optimizer.{name}" if lr_scale == 1 else f"optimizer.{name}@{lr_scale!r}"
