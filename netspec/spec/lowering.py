"""From an expanded network to graph: layers build in order, weights get their paths, faults of shape are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from netspec.catalog.head import Head
from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.layers import Layer
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Compared
from netspec.catalog.scope import Incoming, Scope, Units
from netspec.compiler.graph import GraphBuilder, Origin, Value
from netspec.data.fieldtype import FieldType
from netspec.diagnostics import Note, Report, Span
from netspec.spec.augmenting import augmentations, mixing
from netspec.spec.binding import Binding
from netspec.spec.carried import Carried, Going
from netspec.spec.document import Document
from netspec.spec.lengths import suggested_shape, with_named_lengths
from netspec.spec.network import LayerNode, NetworkInput, ValueRef
from netspec.spec.parameters import Parameter, ToldError, Weights
from netspec.spec.places import Places
from netspec.tensortype import Dim, DType, ShapeError, Size, TensorType, bind, merged, sample_shape, show_shape, size

__all__ = ["Model", "Parameter", "check_input", "field_type", "input_type"]

M = TypeVar("M", bound=BaseModel)


def input_type(given: NetworkInput, field: FieldType | None, sizes: Mapping[str, Dim] | None = None) -> TensorType:
    """What the network reads at an input; batch and lengths are one axis (`netspec.tensortype.merged`)."""
    whole = (field.kind if field else given.kind) in ("category", "index")
    dtype: DType = "int32" if whole else "float32"
    return TensorType(dtype, merged(bind(n, sizes or {}) for n in given.shape))


def field_type(field: FieldType) -> TensorType | None:
    """What a loss or metric reads of a field; None before its shape is known."""
    if field.shape is None:
        return None
    return TensorType("int32" if field.kind in ("category", "index") else "float32", merged(field.shape))


@dataclass(frozen=True)
class Part:
    """Some layers of a network, and the values of others that they read."""

    nodes: Sequence[LayerNode]
    known: Mapping[ValueRef, Value]


class Model:
    """A network on its way into graphs: built once for training and once for prediction, with the same weights.

    Faults of shape go to ``report``; what depends on a layer with a fault is left out, so that no fault causes another.
    ``fields`` are the types of the data's fields once they are open; else the document's, as far as they are known.
    """

    def __init__(self, document: Document, report: Report, fields: Mapping[str, FieldType] | None = None) -> None:
        self.document, self.report = document, report
        stored = with_named_lengths(document.network.inputs, fields if fields is not None else document.fields or {})
        self.augmentations = augmentations(document, stored, report)
        """What is done to fields in training, by their names."""
        self.mixing = mixing(document, self.augmentations, report)
        """The augmentation that mixes samples, and their losses too."""
        self.fields = {**stored, **{name: given.type for name, given in self.augmentations.items()}}
        """The types of fields as networks, losses and metrics read them."""
        self.sizes: dict[str, Dim] = {f"|{name}|": f.size for name, f in self.fields.items() if f.size is not None}
        self._nodes = {node.path: node for node in document.network.nodes}
        self._weights = Weights(self._nodes, report)
        self.units: dict[str, Units] = {}
        """What a learning rule can train, by the paths of layers, in the graph that was built last."""
        self.nets: dict[str, Value] = {}
        """The net inputs of layers of units, by their paths, in the graph that was built last."""
        self.places = Places((), {})
        """The real places of lengths, in the graph that was built last."""
        self._carried = Carried()
        self._counts: dict[Value, Dim] = {}
        self.heads: dict[ValueRef, Head] = {}
        """What layers give to losses that their weights are part of, in the graph that was built last."""
        self._headed: dict[Value, Head] = {}
        self.spreads: dict[str, Dim] = {}
        """Over how many numbers layers take variances in training, by their paths, once that has been built."""

    @property
    def movers(self) -> dict[str, list[str]]:
        """The layers that move running statistics in the graph that was built last, by the keys of these."""
        return self._weights.movers

    @property
    def moved(self) -> dict[str, Value]:
        """What running statistics are after a step, by their keys, in the graph that was built last."""
        return self._weights.moved

    @property
    def left(self) -> dict[str, Value]:
        """What the states that are carried are after a run, by their keys, in the graph that was built last."""
        return self._carried.left

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Every weight by its path, in the order in which layers asked for them."""
        return self._weights.made

    def build(
        self,
        g: GraphBuilder,
        inputs: Mapping[str, Value],
        places: Places,
        *,
        training: bool,
        going: Going = "never",
        part: Part | None = None,
    ) -> dict[ValueRef, Value]:
        """Every value of the network, from its inputs by name; what has a fault is missing.

        ``going`` says which states go on where the run of the graph before has left them, ``part`` which layers there
        are, if not all.
        """
        self._weights.begin(g)
        self._carried = Carried(going)
        self.places = places
        given = [each for each in self.document.network.inputs if each.name in inputs]
        self._counts = {inputs[each.name]: n for each in given if (n := self._count(each)) is not None}
        self.units, self.nets, self.heads, self._headed = {}, {}, {}, {}
        values: dict[ValueRef, Value] = {ValueRef(name, is_input=True): value for name, value in inputs.items()}
        values |= part.known if part else {}
        for node in part.nodes if part else self.document.network.nodes:
            read = [self._read(ref, node, values) for ref in node.inputs]
            known = [value for value in read if value is not None]
            if node.layer is not None and len(known) == len(read):
                values.update(self._layer(g, node, known, values, training=training))
        return values

    def _count(self, given: NetworkInput) -> Dim | None:
        """How many values an input of whole numbers can take."""
        field = self.fields.get(given.name)
        if field is not None:
            return bind(field.extent(given.name), self.sizes) if field.kind in ("category", "index") else None
        unknown = size(f"|{given.name}|") if "data" in self.document.spans else None  # the data have a fault
        return unknown if given.size is None else bind(given.size, self.sizes)

    def steps(self, g: GraphBuilder, rows: Dim) -> Value:
        """How many steps of the last length are real, for each row of what stands before it."""
        return self.places.steps(g, rows)

    def real(self, g: GraphBuilder, rows: Dim) -> Value | None:
        """1 at the real places of an axis, else 0; None if all are real."""
        return self.places.real(g, rows)

    def size_of(self, value: Value) -> Dim | None:
        """How many values whole numbers can take that are an input of the network; None where that is not said."""
        return self._counts.get(value)

    def head_of(self, value: Value) -> Head | None:
        """What the layer whose value this is has set as its head; None if it has none."""
        return self._headed.get(value)

    def parameter(
        self,
        path: str,
        name: str,
        shape: tuple[Dim, ...],
        init: Initializer,
        fans: tuple[Dim, Dim],
        incoming: Incoming | None,
    ) -> Value:
        """The weight ``name`` of the layer at ``path``; a shared one is its owner's."""
        return self._weights.parameter(path, name, shape, init, fans, incoming)

    def statistic(self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer) -> Value:
        """The running statistic ``name`` of the layer at ``path``; a shared one is its owner's."""
        return self._weights.statistic(path, name, shape, init)

    def is_frozen(self, path: str, name: str) -> bool:
        """Whether the spec freezes a weight or statistic where its owner stands."""
        return self._weights.is_frozen(path, name)

    def follow(self, path: str, name: str, found: Value, rate: float) -> None:
        """Let a running statistic move towards what a batch shows."""
        self._weights.follow(path, name, found, rate)

    def resumed(self, g: GraphBuilder, path: str, state: str, start: Value, *, asked: bool) -> Value:
        """A state of the layer at ``path`` before the first step of a graph."""
        return self._carried.resumed(g, path, state, start, asked=asked)

    def leave(self, path: str, state: str, value: Value) -> None:
        """What `resumed` gives in the next run of the graph."""
        self._carried.leave(path, state, value)

    def loss_scope(self, g: GraphBuilder, path: str, *, training: bool) -> Scope:
        """Where a loss or a metric builds."""
        return Scope(g, path, self, training=training)

    def check(self, binding: Binding, output: Value, field: FieldType) -> bool:
        """Whether a loss or a metric can compare ``output`` with ``field``; a fault goes to the report."""
        assert isinstance(binding.what, Loss | Compared)
        weights = self.fields.get(binding.sample_weight or "")
        try:
            binding.what.check(output.type, field)
            self._check_head(binding, output, field)
            target = field_type(field)
            if target is not None:
                # A formula of the spec shows only when it is built what it makes of these shapes.
                g = GraphBuilder()
                scope = self.loss_scope(g, binding.name, training=True)
                one = binding.what.build(scope, output, g.input("target", target, "stored"))
                if binding.class_weight is not None and one.type.shape[:1] != target.shape[:1]:
                    advice = "weigh whole sequences: `sample_weight`"
                    raise ShapeError("`class_weight` weighs single steps, and this loss is of whole sequences", advice)
            if weights is not None and (weights.kind != "number" or weights.shape not in ((), (1,), None)):
                raise ShapeError(f"`sample_weight` is one number a sample, and `{binding.sample_weight}` is {weights}")
        except ShapeError as error:
            self._refuse(binding, output, field, error)
            return False
        given = binding.class_weight
        return given is None or given.check(binding.target or "", field, self.report)

    def _check_head(self, binding: Binding, output: Value, field: FieldType) -> None:
        """Whether a loss reads a layer with a head as it is meant."""
        head = self.head_of(output)
        if head is None or not isinstance(binding.what, Loss):
            return
        if not binding.what.reads_head:
            raise ShapeError(
                f"`{binding.kind}` reads the layer's value, and what it learns by is its likelihood",
                "use `negative_log_likelihood`",
            )
        head.check(field)

    def _refuse(self, binding: Binding, output: Value, field: FieldType, error: ShapeError) -> None:
        """Tell that a loss or metric does not fit what it reads."""
        shape = show_shape(sample_shape(output.type.shape))
        notes = [
            self._fact(f"it reads {self._place(binding.output)}, {shape}", binding.output),
            f"its target is the field `{binding.target}`: {field}",
        ]
        self._fault(error, binding.span, notes)

    def _read(self, ref: ValueRef, reader: LayerNode, values: Mapping[ValueRef, Value]) -> Value | None:
        value = values.get(ref)
        if value is None and ref.port and ValueRef(ref.path) in values:
            ports = [f"`{known}`" for known in values if known.path == ref.path and known.port]
            helps = [f"there are {', '.join(ports)}"] if ports else []
            self.report.error("unknown-port", f"`{ref.path}` has no value `{ref.port}`", reader.span, helps=helps)
        return value

    def _layer(
        self, g: GraphBuilder, node: LayerNode, read: list[Value], values: Mapping[ValueRef, Value], *, training: bool
    ) -> dict[ValueRef, Value]:
        assert node.layer is not None
        layer: Layer = _bound(node.layer, self.sizes)
        scope = Scope(g, node.path, self, training=training)
        try:
            with g.at(Origin(node.path, node.line)):
                built = layer.build(scope, *read)
        except ShapeError as error:
            if not isinstance(error, ToldError):
                self._fault(error, node.span, self._producers(node, values))
            return {}
        self._weights.check_names(node)
        if scope.units is not None:
            self.units[node.path] = scope.units
        if scope.net is not None:
            self.nets[node.path] = scope.net
        if scope.spread is not None:
            self.spreads[node.path] = scope.spread
        ports = {"": built} if isinstance(built, Value) else built
        if scope.head is not None:
            self.heads[ValueRef(node.path)] = self._headed[ports[""]] = scope.head
        return {ValueRef(node.path, port): value for port, value in ports.items()}

    def _producers(self, node: LayerNode, values: Mapping[ValueRef, Value]) -> list[str]:
        """Where the inputs of a layer come from, with their lines."""
        verb = "its input is" if len(node.inputs) == 1 else "it reads"
        shapes = {ref: show_shape(sample_shape(values[ref].type.shape)) for ref in node.inputs}
        notes = [self._fact(f"{verb} {self._place(ref)}, {shape}", ref) for ref, shape in shapes.items()]
        outer = reversed(node.uses[:-1])
        return notes + [Note(f"in the block `{use.kind}`, used on line {use.span.line}", use.span) for use in outer]

    def _place(self, ref: ValueRef | None) -> str:
        if ref is None:
            return "nothing"
        what = f"the network's input `{ref.path}`" if ref.is_input else f"`{ref}`"
        return f"{what}, line {self._span(ref).line}"

    def _span(self, ref: ValueRef) -> Span:
        if ref.is_input:
            return next(i.span for i in self.document.network.inputs if i.name == ref.path)
        return self._nodes[ref.path].span

    def _fact(self, text: str, ref: ValueRef | None) -> str:
        """A note about a value, which leads to its line."""
        return text if ref is None else Note(text, self._span(ref))

    def _fault(self, error: ShapeError, span: Span, notes: list[str]) -> None:
        self.report.error("shape-mismatch", str(error), span, notes=notes, helps=[error.advice] if error.advice else [])


def check_input(given: NetworkInput, model: Model, report: Report) -> bool:
    """Whether a field of the data, if it is known, can be an input of the network; nothing is reshaped in silence."""
    found, sizes = model.fields.get(given.name), model.sizes
    if (fault := _misplaced(given)) is not None:
        report.error("shape-mismatch", fault, given.span)
        return False
    if found is None:
        return True
    shape = tuple(bind(n, sizes) for n in given.shape)
    if found.is_raw:
        what = "text" if found.kind == "text" else f"{found.kind}s"
        message = f"the field `{given.name}` is {what}, which no network can read"
        report.error("wrong-kind", message, given.span, helps=["make a field of it under `data.fields`"])
        return False
    if found.shape is None or found.shape == shape:
        return True
    which = "the field of the data is" if given.name not in model.augmentations else "what is made of the field is"
    message = f"the input `{given.name}` is {show_shape(shape)}, and {which} {show_shape(found.shape)}"
    wanted, notes = suggested_shape(given, found.shape, model.document.network.inputs)
    report.error("shape-mismatch", message, given.span, notes=notes, helps=[f"write `{given.name}: {wanted}`"])
    return False


def _misplaced(given: NetworkInput) -> str | None:
    """What is wrong where a length stands behind a fixed axis."""
    try:
        merged(given.shape)
    except ShapeError as error:
        return f"the input `{given.name}`: {error}"
    return None


def _bound(model: M, sizes: Mapping[str, Dim]) -> M:
    """The layer with numbers in the place of sizes that are known by now."""
    changed = {}
    for name in type(model).model_fields if sizes else ():
        old = getattr(model, name)
        new = _bound_value(old, sizes)
        if new is not old:
            changed[name] = new
    return model.model_copy(update=changed) if changed else model


def _bound_value(value: Any, sizes: Mapping[str, Dim]) -> Any:
    if isinstance(value, Size):
        return value.bind(sizes)
    if isinstance(value, tuple) and any(isinstance(part, Size) for part in value):
        return tuple(_bound_value(part, sizes) for part in value)
    return value
