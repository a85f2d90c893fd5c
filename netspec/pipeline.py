"""The only module that knows the order of the phases: document, model, graphs, passes, executables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from netspec.catalog.losses import Loss
from netspec.catalog.losses.targets import labels, numbers, row_sum
from netspec.catalog.metrics import Collected, Compared, Inspected, Reading
from netspec.catalog.optimizers import Rule
from netspec.compiler.autodiff import gradients
from netspec.compiler.graph import Graph, GraphBuilder, Origin, Value, key_of
from netspec.compiler.graph.cost import multiply_adds
from netspec.compiler.kernels.processor import processors
from netspec.compiler.ops import Extent, Gather, Iota, Mates, Reduce, Reshape, apply, over_lengths
from netspec.compiler.passes import optimize
from netspec.data.fieldtype import stored_dtype
from netspec.diagnostics import Report
from netspec.memory import uncollected
from netspec.spec.augmenting import AUGMENT
from netspec.spec.binding import Binding
from netspec.spec.carried import CARRIED, Going
from netspec.spec.document import Document
from netspec.spec.inspecting import check_inspected, inspected
from netspec.spec.lowering import Model, Parameter
from netspec.spec.network import ValueRef
from netspec.spec.parameters import Counts, counts
from netspec.spec.places import Owner, suffix
from netspec.spec.reading import FieldFacts, Reader
from netspec.spec.rules import Lesson, lessons
from netspec.spec.updates import Change, updates
from netspec.tensortype import BATCH, Dim, Layout, TensorType

if TYPE_CHECKING:
    from netspec.compiler.codegen.executable import Executable
    from netspec.compiler.kernels.processor import Tile

Kind: TypeAlias = Literal["step", "evaluate", "predict", "gradient", "trace"]

LOSS = "loss"
"""An output that is a sum over samples; with `suffix` behind it, one over their real places."""

SUMMED = "metric."
"""Before the name of a metric: an output that is its sum over the samples, or real places, of a step."""

COLLECTED = "rows."
"""Before the name of a metric: an output that is a row for each sample, or place, of a step."""

INPUT, NET, OUTPUT, DELTA = "input:", "net:", "output:", "delta:"
"""Before the path of a layer or the name of an input: outputs of `Program.trace`; no name has a colon in it."""

ROW_LOSS = "loss:"
"""The loss of each row, an output of `Program.trace`."""


FLOPS_WORTH_A_THREAD = 2_000_000
"""Below this a second thread costs more at barriers than it gives: some 10 us of work on one core."""

FEW = 10
"""From so many samples on a convolution fills 16 lanes with them, however many of these stay empty.

On one core LeNet-5 predicts 8 samples in 91 us in rows and in 113 us in lanes, 12 in 140 and 110; ResNet-20 predicts 8
in 6.0 and 11.9 ms, 12 in 9.4 and 8.8.
"""


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
        return _Builder(self, training=True, going="asked").step()

    @cached_property
    def trace(self) -> Graph:
        """A training step, and beside it what every layer computed in it.

        ``input:`` what the network reads; ``net:`` and ``output:`` of every layer; ``delta:`` how much less each row's
        own loss becomes when a net input grows, or what else a learning rule goes by; ``loss:`` is the row's own. All
        have an axis of samples.
        """
        return _Builder(self, training=True, going="asked").trace()

    @cached_property
    def evaluate(self) -> Graph:
        """Sums of loss and metrics over a batch, as in prediction."""
        return _Builder(self, training=False, going="asked").evaluate()

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

    def threads(self, kind: Kind, sizes: Mapping[str, int]) -> int:
        """As many threads as there is work for in a batch, and no more than this process may use.

        ``sizes`` are its rows, ``B``, and how long it is along each length.
        """
        work = 2 * multiply_adds(self.graph(kind), sizes)
        return max(1, min(processors(), work // FLOPS_WORTH_A_THREAD))

    def executable(
        self,
        kind: Kind,
        tile: Tile,
        given: Mapping[str, Layout] | None = None,
        after: Callable[[str, Graph], None] | None = None,
        *,
        few: bool = False,
    ) -> Executable:
        """The scheduled kernels of a graph; ``given`` are the layouts of weights that are in memory already.

        ``few``: for batches that are (`few`).
        """
        from netspec.compiler.codegen.executable import prepare

        settled = kind == "predict"  # between evaluations training moves the weights
        with uncollected():
            return prepare(optimize(self.graph(kind), 16 * tile.vectors, given, after, settled=settled, few=few), tile)

    def few(self, kind: Kind, batch: int) -> bool:
        """Whether a batch has a program of its own, which works on samples in rows where others fill lanes with them.

        Gradients fill lanes in any case, and networks without windows lay nothing into lanes.
        """
        return batch < FEW and kind in ("predict", "evaluate") and self._has_windows

    @cached_property
    def _has_windows(self) -> bool:
        rules = (node.op.lanes([v.type for v in node.inputs], node.types) for node in self.predict.nodes)
        return any(rule is not None and rule.rows is not None for rule in rules)

    @cached_property
    def lengths(self) -> Mapping[str, Owner]:
        """The lengths of samples that graphs are bound to, by their symbols: the field that tells each."""
        return Reader(GraphBuilder(), self.model, self.fields, self.document.network.inputs).places.owners

    @cached_property
    def carried(self) -> tuple[str, ...]:
        """The keys of the states that go on from batch to batch, in training and where it is measured."""
        states = (key_of(value) for value in self.evaluate.inputs_of("state"))
        return tuple(key for key in states if key.endswith(CARRIED))

    def places_of(self, binding: Binding) -> str:
        """What a loss or a metric is a mean over: the places that its output has, or a head says; by `suffix`."""
        value = self.values.get(binding.output) if binding.output else None
        if value is None:
            return ""
        head = self.model.heads.get(binding.output) if binding.output and isinstance(binding.what, Loss) else None
        return suffix(value.type.shape[0] if head is None else head.rows)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields that the network reads."""
        return tuple(given.name for given in self.document.network.inputs)

    def counts(self) -> Counts:
        """How many numbers there are of each kind; the weights of layers nobody reads too."""
        return counts(self.parameters.values())


def static_program(document: Document, report: Report) -> Program:
    """The program of a spec whose data have not been opened; faults of shape go to ``report``."""
    facts = {
        name: FieldFacts(type_, "int32" if len(type_.lengths) > 1 else stored_dtype(type_))
        for name, type_ in (document.fields or {}).items()
        if type_.shape is not None
    }
    return Program(document, Model(document, report), facts)


class _Builder:
    """One graph of a program while it is built."""

    def __init__(self, program: Program, *, training: bool, going: Going = "never") -> None:
        self.program, self.training = program, training
        self.document, self.model = program.document, program.model
        self.g = GraphBuilder()
        inputs = self.document.network.inputs
        self.reader = Reader(self.g, self.model, program.fields, inputs, training=training)
        self.places = self.reader.places
        given = {each.name: self.reader.input(each.name) for each in inputs}
        self.values = self.model.build(self.g, given, self.places, training=training, going=going)

    def step(self) -> Graph:
        losses = self._losses()
        return self.g.graph("step", self._stepped(self._mean(losses)) if losses else {})

    def _mean(self, losses: Mapping[Dim, Value]) -> Value:
        """The sum of the means, each over its own real places."""
        whole: Value | None = None
        for rows, loss in losses.items():
            mean = apply(self.g, "total / n", total=self._total(loss), n=self.places.count(self.g, rows))
            whole = mean if whole is None else apply(self.g, "a + b", a=whole, b=mean)
        assert whole is not None
        return whole

    def _stepped(self, mean: Value) -> dict[str, Value]:
        """What a step gives: the loss, metrics, and all that it changes."""
        changes = self._gradients(mean)
        outputs = {"loss": mean, **self._metrics(), **self._inspected(mean, changes)}
        assert self.document.optimizer is not None
        changed = updates(self.g, self.document.optimizer, self.document.train, changes)
        return outputs | changed | self.model.moved | self.model.left

    def trace(self) -> Graph:
        losses, outputs = self._losses(), dict[str, Value]()
        if losses:
            mean = self._mean(losses)
            trained = self._stepped(mean) if self.document.optimizer is not None else {"loss": mean}
            rows, loss = next(iter(losses.items()))
            outputs = {**trained, ROW_LOSS: loss, **self._deltas(mean, self.places.count(self.g, rows))}
        for ref, value in self.values.items():
            if value.type.dtype == "float32":
                outputs[f"{INPUT if ref.is_input else OUTPUT}{ref}"] = value
        outputs.update({f"{NET}{path}": net for path, net in self.model.nets.items()})
        return self.g.graph("trace", outputs)

    def _deltas(self, mean: Value, rows: Value) -> dict[str, Value]:
        """How much less the loss of each row becomes when a net input grows: the row's part of the mean, times rows."""
        nets, rule = self.model.nets, self.document.optimizer
        if isinstance(rule, Rule):
            taught = lessons(rule, self.model, self.values)
            found = {t.path: gradients(self.g, self._objective(rule, t), [t.units.net])[0] for t in taught}
        else:
            found = dict(zip(nets, gradients(self.g, mean, list(nets.values())), strict=True))
        return {f"{DELTA}{path}": apply(self.g, "-n * d", n=rows, d=d) for path, d in found.items() if d is not None}

    def gradient(self) -> Graph:
        losses = self._losses()
        if not losses:
            return self.g.graph("gradient", {})
        mean = self._mean(losses)
        trained = [p for p in self.model.parameters.values() if p.trainable]
        values = [self.g.input(p.key, TensorType("float32", p.shape), "parameter") for p in trained]
        whole = self._penalized(mean, trained, values)
        found = gradients(self.g, whole, values)
        pairs = zip(trained, found, strict=True)
        return self.g.graph("gradient", {"loss": whole, **{f"gradient.{p.key}": x for p, x in pairs if x is not None}})

    def evaluate(self) -> Graph:
        losses = self._losses()
        totals = {f"{LOSS}{suffix(rows)}": self._total(loss) for rows, loss in losses.items()}
        told = {**totals, **self._metrics(), **self._evaluated(losses)}
        return self.g.graph("evaluate", {**told, **self.model.left} if told else {})

    def _evaluated(self, losses: Mapping[Dim, Value]) -> dict[str, Value]:
        """The metrics of what is inside, of which some need gradients."""
        told = {m.what.inside for m in self.document.metrics if isinstance(m.what, Inspected)}
        mean = self._mean(losses) if losses and told else None
        return self._inspected(mean, self._gradients(mean) if mean is not None and "weights" in told else [])

    def predict(self) -> Graph:
        outputs = {}
        for name, ref in self.document.network.outputs.items():
            value = self.values.get(ref)
            if value is not None:
                outputs[name] = self._shown(ref, value)
        return self.g.graph("predict", outputs)

    def _bound(self, bindings: Sequence[Binding]) -> list[tuple[Binding, Value, Value]]:
        """Losses or metrics whose output and target exist and fit."""
        found = []
        for binding in bindings:
            output = self.values.get(binding.output) if binding.output else None
            target = binding.target or ""
            read = {target, binding.sample_weight or target}
            if binding.what is None or output is None or not read <= self.program.fields.keys():
                continue
            if self.model.check(binding, output, self.model.fields[target]):
                found.append((binding, output, self.reader.field(target)))
        return found

    def _losses(self) -> dict[Dim, Value]:
        """The weighted sum of all losses that have the same places, ``float32[rows]``, by the number of the rows.

        What stands behind the end of a sample is 0.
        """
        found: dict[Dim, Value] = {}
        for i, (binding, output, target) in enumerate(self._bound(self.document.losses), 1):
            assert isinstance(binding.what, Loss)
            with self.g.at(Origin(binding.name, binding.span.line)):
                scope = self.model.loss_scope(self.g, f"loss_{i}", training=self.training)
                one = self._weighted(binding, binding.what.build(scope, output, target), target)
                rows = one.type.shape[0]
                if (mixture := self._mixture(binding.target or "")) is not None:
                    share, mate = mixture
                    other = self._weighted(binding, binding.what.build(scope, output, mate), mate)
                    one = apply(self.g, "s * l + (1 - s) * m", s=self._beside(one, share), l=one, m=other)
                one = self._real(one)
                found[rows] = apply(self.g, "a + b", a=found[rows], b=one) if rows in found else one
        return found

    def _real(self, one: Value) -> Value:
        """Numbers of places, 0 for those behind the end of a sample. They are chosen: 0 times a NaN would be one."""
        real = self.places.real(self.g, one.type.shape[0])
        return one if real is None else apply(self.g, "where(r > 0, x, 0)", r=real, x=one)

    def _beside(self, one: Value, number: Value) -> Value:
        """A number for each sample, or each place, as what ``one`` is multiplied by."""
        rows, *others = one.type.shape
        if number.type.shape[0] != rows:
            number = over_lengths(self.g, self.g.add(Reshape((BATCH,)), number), rows)
        return self.g.add(Reshape((rows, *(1,) * len(others))), number)

    def _mixture(self, target: str) -> tuple[Value, Value] | None:
        """Where samples are mixed in pairs: what each keeps of itself, and the target of the other one.

        None where they are not, and for a target that is the mixed image itself.
        """
        found = self.model.mixing
        if not self.training or found is None or target == found.field:
            return None
        scope = self.model.loss_scope(self.g, f"{AUGMENT}{found.name}", training=True)
        draw, own = found.item.draw(scope), self.reader.field(target)
        node = own.node
        read = node.inputs if isinstance(node.op, Gather) else (own,)  # no kernel stores whole numbers of a batch
        return found.item.share(scope), self.g.add(Mates(), *read, draw)

    def _weighted(self, binding: Binding, one: Value, target: Value) -> Value:
        """What each place adds to a loss, times the weights of the sample, of its class and of the loss.

        The mean is over samples, whatever they weigh.
        """
        g = self.g
        if binding.sample_weight is not None:
            one = apply(g, "l * w", l=one, w=self._beside(one, self.reader.field(binding.sample_weight)))
        if binding.class_weight is not None:
            one = apply(g, "l * w", l=one, w=self._beside(one, self._weight_of_class(binding, target)))
        if binding.weight != 1:
            one = apply(g, f"{binding.weight!r} * l", l=one)
        return one

    def _weight_of_class(self, binding: Binding, target: Value) -> Value:
        """The weight of each place's class, ``float32[rows, 1]``."""
        g = self.g
        assert binding.output is not None
        output, size = self.values[binding.output], self.program.fields[binding.target or ""].type.size
        scores = output.type.channels if output.type.rank > 1 else 1
        count = size if size is not None else 2 if scores == 1 else scores
        key = class_weight_key(self.document.losses.index(binding) + 1)
        weights = g.input(key, TensorType("float32", (count,)), "constant")
        scope = self.model.loss_scope(g, binding.name, training=self.training)
        index, own = g.add(Iota((1, count), 1)), labels(scope, target)
        return row_sum(scope, apply(g, "where(c == t, w, 0)", c=index, t=own, w=weights))

    def _metrics(self) -> dict[str, Value]:
        found = {}
        losses = self.document.losses
        sampled = {loss.output for loss in losses if isinstance(loss.what, Loss) and loss.what.samples_scores}
        for binding, output, target in self._bound(self.document.metrics):
            assert isinstance(binding.what, Compared)
            if self.training and (isinstance(binding.what, Collected) or binding.output in sampled):
                continue  # it needs all samples at once, or scores that training does not compute
            with self.g.at(Origin(binding.name, binding.span.line)):
                scope = self.model.loss_scope(self.g, binding.name, training=self.training)
                given, wanted = (self.reader.own_units(binding.target, value) for value in (output, target))
                one = binding.what.build(scope, given, wanted, self._reading(binding))
                if isinstance(binding.what, Collected):
                    found[f"{COLLECTED}{binding.name}"] = one
                else:
                    found[f"{SUMMED}{binding.name}"] = self._total(self._real(one))
        return found

    def _inspected(self, mean: Value | None, changes: Sequence[Change]) -> dict[str, Value]:
        """The metrics of what a step computes inside, each times the samples that it is the mean of."""
        found = {}
        for binding in self.document.metrics:
            if not isinstance(binding.what, Inspected) or not check_inspected(binding, self.model, self.values):
                continue
            if mean is None and binding.what.inside != "values":
                continue  # the target is not known yet
            with self.g.at(Origin(binding.name, binding.span.line)):
                one = inspected(self.g, binding, self.model, self.values, mean, changes)
                if one.type.rank:
                    whole = self._total(self._real(one))
                else:
                    whole = apply(self.g, "x * n", x=one, n=self.g.add(Extent(BATCH)))
                found[f"{SUMMED}{binding.name}"] = whole
        return found

    def _reading(self, binding: Binding) -> Reading:
        """How the outputs of a metric are to be read: as the losses on them read them."""
        middle = self.program.fields[binding.target or ""].middle
        on_it = [loss.what for loss in self.document.losses if loss.output == binding.output]
        logits = any(isinstance(what, Loss) and what.takes_logits for what in on_it)
        return Reading(0.0 if logits else middle, middle, logits)

    def _gradients(self, loss: Value) -> list[Change]:
        """Every weight that a step changes, with its gradient: of the loss, or of a rule's objectives."""
        rule = self.document.optimizer
        if not isinstance(rule, Rule):
            return self._downhill(loss, self.model.parameters.values())
        found: list[Change] = []
        for lesson in lessons(rule, self.model, self.values):
            own = [p for p in self.model.parameters.values() if p.key.rpartition(".")[0] == lesson.path]
            found += self._downhill(self._objective(rule, lesson), own)
        return found

    def _downhill(self, loss: Value, parameters: Iterable[Parameter]) -> list[Change]:
        """Those of the weights that may change and that ``loss`` depends on, with its gradient, penalties included."""
        trained = [p for p in parameters if p.trainable]
        values = [self.g.input(p.key, TensorType("float32", p.shape), "parameter") for p in trained]
        found = gradients(self.g, self._penalized(loss, trained, values), values)
        return [Change(p, v, ct) for p, v, ct in zip(trained, values, found, strict=True) if ct is not None]

    def _objective(self, rule: Rule, lesson: Lesson) -> Value:
        """What a learning rule goes downhill on in one layer: the mean over samples."""
        path, target = lesson.path, None
        with self.g.at(Origin(path, self.document.network.node(path).line)):
            scope = self.model.loss_scope(self.g, path, training=True)
            if lesson.binding is not None:
                target = numbers(scope, lesson.units.output, self.reader.field(lesson.binding.target or ""))
            parameter = self.model.parameters[f"{path}.kernel"]
            kernel = self.g.input(parameter.key, TensorType("float32", parameter.shape), "parameter")
            each = rule.objective(scope, lesson.units, kernel, target)
            if lesson.binding is not None:
                each = self._weighted(lesson.binding, each, self.reader.field(lesson.binding.target or ""))
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
            value = self.reader.own_units(binding.target, value)
            break
        return value

    def _penalized(self, loss: Value, trained: Sequence[Parameter], values: Sequence[Value]) -> Value:
        for parameter, value in zip(trained, values, strict=True):
            for rate, text in ((parameter.regularize.l1, "abs(p)"), (parameter.regularize.l2, "p * p")):
                if rate:
                    every = self.g.add(Reduce("sum", tuple(range(value.type.rank))), apply(self.g, text, p=value))
                    loss = apply(self.g, f"loss + {rate!r} * penalty", loss=loss, penalty=every)
        return loss


def class_weight_key(loss: int) -> str:
    """The graph input of the class weights of a loss, counted from 1."""
    return f"loss_{loss}.class_weight"
