"""What a spec says as graphs: the step, its gradient, measuring, prediction, decoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netspec.catalog.losses import Loss
from netspec.catalog.losses.targets import numbers
from netspec.catalog.metrics import Collected, Compared, Inspected, Reading
from netspec.catalog.optimizers import Rule
from netspec.compiler.autodiff import gradients
from netspec.compiler.graph import Graph, GraphBuilder, Origin, Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.mates import Mates
from netspec.compiler.ops.over_steps import over_lengths
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.spec.augmenting import AUGMENT
from netspec.spec.binding import Binding
from netspec.spec.carried import Going
from netspec.spec.class_weight import weight_of_class
from netspec.spec.decoding import Between
from netspec.spec.document import Document
from netspec.spec.inspecting import check_inspected, inspected
from netspec.spec.lowering import Model, Parameter, Part
from netspec.spec.network import ValueRef
from netspec.spec.places import suffix
from netspec.spec.reading import FieldFacts, Reader, field_of
from netspec.spec.rules import Lesson, lessons
from netspec.spec.updates import Change, penalized, updates
from netspec.tensortype import BATCH, Dim, TensorType

LOSS = "loss"
"""An output that is a sum over samples; with `suffix` behind it, one over their real places."""

SUMMED = "metric."
"""Before the name of a metric: an output that is its sum over the samples, or real places, of a step."""

COLLECTED = "rows."
"""Before the name of a metric: an output that is a row for each sample, or place, of a step."""

INPUT, NET, OUTPUT, DELTA = "input:", "net:", "output:", "delta:"
"""Before the path of a layer or the name of an input: outputs of `Program.trace`; no name has a colon in it."""

HELD = "held:"
"""Before a value of a layer: an output of `Program.hold`, and an input of `Program.decode`."""

SCORES = "scores"
"""The output of `Program.decode`."""

ROW_LOSS = "loss:"
"""The loss of each row, an output of `Program.trace`."""


class Building:
    """One graph of a program while it is built."""

    def __init__(
        self,
        document: Document,
        model: Model,
        fields: Mapping[str, FieldFacts],
        *,
        training: bool,
        going: Going = "never",
        steps: Between | None = None,
        held: Mapping[ValueRef, Value] | None = None,
    ) -> None:
        """``going`` says which states go on; of decoding ``steps`` are its layers, and ``held`` what they read."""
        self.document, self.model, self.fields, self.training = document, model, fields, training
        held = held or {}
        self.g = GraphBuilder()
        inputs = self.document.network.inputs
        facts = {**fields, **{f"{HELD}{ref}": field_of(value) for ref, value in held.items()}}
        self.reader = Reader(self.g, self.model, facts, inputs, training=training)
        self.places = self.reader.places
        given = {i.name: self.reader.input(i.name) for i in inputs if steps is None or i.name in steps.inputs}
        part = Part(steps.nodes, {ref: self.reader.field(f"{HELD}{ref}") for ref in held}) if steps else None
        self.values = self.model.build(self.g, given, self.places, training=training, going=going, part=part)

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
        whole = penalized(self.g, mean, trained, values)
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

    def hold(self, refs: Iterable[ValueRef]) -> Graph:
        return self.g.graph("hold", {f"{HELD}{ref}": self.values[ref] for ref in refs})

    def decode(self, ref: ValueRef) -> Graph:
        return self.g.graph("decode", {SCORES: self._shown(ref, self.values[ref]), **self.model.left})

    def _bound(self, bindings: Sequence[Binding]) -> list[tuple[Binding, Value, Value]]:
        """Losses or metrics whose output and target exist and fit."""
        found = []
        for binding in bindings:
            output = self.values.get(binding.output) if binding.output else None
            target = binding.target or ""
            read = {target, binding.sample_weight or target}
            if not isinstance(binding.what, Loss | Compared) or output is None or not read <= self.fields.keys():
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
        assert binding.output is not None
        number, field = self.document.losses.index(binding) + 1, self.fields[binding.target or ""]
        scope = self.model.loss_scope(self.g, binding.name, training=self.training)
        return weight_of_class(scope, number, self.values[binding.output], field.type.size, target)

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
        middle = self.fields[binding.target or ""].middle
        on_it = [loss.what for loss in self.document.losses if loss.output == binding.output]
        head = self.model.heads.get(binding.output) if binding.output else None
        logits = any(isinstance(what, Loss) and what.takes_logits for what in on_it) or bool(head and head.logits)
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
        found = gradients(self.g, penalized(self.g, loss, trained, values), values)
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
