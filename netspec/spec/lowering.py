"""From an expanded network to graph: layers build in order, weights get their paths, shapes that do not fit are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Metric
from netspec.catalog.scope import Scope
from netspec.compiler.graph import GraphBuilder, Origin, Value
from netspec.compiler.ops import Transpose
from netspec.data.fieldtype import FieldType
from netspec.diagnostics import Report, Span
from netspec.spec.binding import Binding
from netspec.spec.document import Document
from netspec.spec.network import LayerNode, NetworkInput, ValueRef
from netspec.tensortype import BATCH, Dim, DType, ShapeError, TensorType, show_shape


@dataclass(frozen=True)
class Parameter:
    """A weight by its path: how it starts and whether training changes it."""

    key: str
    shape: tuple[Dim, ...]
    init: Initializer
    fans: tuple[Dim, Dim]
    trainable: bool
    lr_scale: float
    l1: float
    l2: float
    span: Span


def input_type(given: NetworkInput, field: FieldType | None) -> TensorType:
    """What the network reads at an input, batch first."""
    whole = (field.kind if field else given.kind) in ("category", "index")
    dtype: DType = "int32" if whole else "float32"
    return TensorType(dtype, (BATCH, *given.shape))


class Model:
    """A network on its way into graphs: built once for training and once for prediction, with the same weights.

    Faults of shape go to ``report``; what depends on a layer with a fault is left out, so that no fault causes another.
    """

    def __init__(self, document: Document, report: Report) -> None:
        self.document, self.report = document, report
        self.parameters: dict[str, Parameter] = {}
        self._spans = {node.path: node.span for node in document.network.nodes}
        self._node: LayerNode | None = None
        self._graph = GraphBuilder()

    def build(self, g: GraphBuilder, inputs: Mapping[str, Value], *, training: bool) -> dict[ValueRef, Value]:
        """Every value of the network, from its inputs by name; what has a fault is missing."""
        self._graph = g
        values: dict[ValueRef, Value] = {
            ValueRef(name, is_input=True): value for name, value in inputs.items()
        }
        for node in self.document.network.nodes:
            read = [values.get(ref) for ref in node.inputs]
            if node.layer is not None and all(value is not None for value in read):
                values.update(self._layer(g, node, [v for v in read if v is not None], training=training))
        return values

    def parameter(
        self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim]
    ) -> Value:
        """The weight ``name`` of the layer at ``path``; a shared one is its owner's."""
        node = self._node
        assert node is not None
        shared = node.common.share.get(name)
        owner = node.common.owner
        if shared is not None:
            return self._shared(f"{shared.path}.{shared.weight}", shape, transposed=shared.transposed, span=shared.span)
        if owner is not None:
            return self._shared(f"{owner}.{name}", shape, transposed=False, span=node.span)
        key = f"{path}.{name}"
        given = node.common.init.get(name) or (node.common.init.get("") if name in ("kernel", "table") else None)
        chosen = given.initializer if given else init
        if key not in self.parameters:
            self._check_init(chosen, shape, given.span if given else node.span)
            penalized = name in ("kernel", "table")
            regularize = node.common.regularize
            l1, l2 = (regularize.l1, regularize.l2) if penalized else (0.0, 0.0)
            common = node.common
            self.parameters[key] = Parameter(
                key, shape, chosen, fans, not common.freeze, common.lr_scale, l1, l2, node.span
            )
        return self._graph.input(key, TensorType("float32", shape), "parameter")

    def loss_scope(self, g: GraphBuilder, path: str, *, training: bool) -> Scope:
        """Where a loss or a metric builds."""
        return Scope(g, path, self, training=training)

    def check(self, binding: Binding, output: Value, field: FieldType) -> bool:
        """Whether a loss or a metric can compare ``output`` with ``field``; a fault goes to the report."""
        assert isinstance(binding.what, Loss | Metric)
        try:
            binding.what.check(output.type, field)
        except ShapeError as error:
            notes = [f"it reads {self._place(binding.output)}", f"and compares it with the field `{binding.target}`"]
            self._fault(error, binding.span, notes)
            return False
        return True

    def _layer(self, g: GraphBuilder, node: LayerNode, read: list[Value], *, training: bool) -> dict[ValueRef, Value]:
        assert node.layer is not None
        self._node = node
        try:
            with g.at(Origin(node.path, node.line)):
                built = node.layer.build(Scope(g, node.path, self, training=training), *read)
        except ShapeError as error:
            self._fault(error, node.span, [f"its input is {self._place(ref)}" for ref in node.inputs])
            return {}
        ports = {"": built} if isinstance(built, Value) else built
        return {ValueRef(node.path, port): value for port, value in ports.items()}

    def _shared(self, key: str, shape: tuple[Dim, ...], *, transposed: bool, span: Span) -> Value:
        owner = self.parameters.get(key)
        if owner is None:
            raise ShapeError(f"there is no weight `{key}` to share")
        found = tuple(reversed(owner.shape)) if transposed else owner.shape
        if found != shape:
            of = f"`{key}` transposed" if transposed else f"`{key}`"
            raise ShapeError(f"{of} is {show_shape(found)}, and {show_shape(shape)} is needed here")
        value = self._graph.input(key, TensorType("float32", owner.shape), "parameter")
        return self._graph.add(Transpose((1, 0)), value) if transposed else value

    def _check_init(self, init: Initializer, shape: tuple[Dim, ...], span: Span) -> None:
        try:
            init.check(shape)
        except ShapeError as error:
            self._fault(error, span, [])

    def _place(self, ref: ValueRef | None) -> str:
        if ref is None:
            return "nothing"
        if ref.is_input:
            span = next(i.span for i in self.document.network.inputs if i.name == ref.path)
            return f"the input `{ref.path}`, line {span.line}"
        return f"`{ref}`, line {self._spans[ref.path].line}"

    def _fault(self, error: ShapeError, span: Span, notes: list[str]) -> None:
        self.report.error("shape-mismatch", str(error), span, notes=notes, helps=[error.advice] if error.advice else [])
