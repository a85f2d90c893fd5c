"""What a graph reads of the data: the rows of a batch, scaled as they were fitted, augmented in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from netspec.catalog.augmentations import augmented
from netspec.catalog.scope import Scope
from netspec.compiler.graph import GraphBuilder, Origin, Value
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.gather import Gather
from netspec.data.fieldtype import FieldType, number
from netspec.spec.augmenting import AUGMENT
from netspec.spec.lowering import Model, input_type
from netspec.spec.network import NetworkInput
from netspec.spec.places import ROWS_OF_DATA, Places, Stretches, index
from netspec.tensortype import DType, TensorType, is_length, product, sample_shape


@dataclass(frozen=True)
class FieldFacts:
    """What the graphs must know of a field beside its type.

    How it is stored: values, letters of words that are spelled, and whether rows leave out a value; whether it is
    scaled, and where a single target is cut.
    """

    type: FieldType
    dtype: DType
    scaling: tuple[int, ...] | None = None
    middle: float = 0.5
    spelled: DType = "uint16"
    gaps: bool = False


def field_of(value: Value) -> FieldFacts:
    """What a layer gives, where it is read as a field of the data."""
    return FieldFacts(number(*sample_shape(value.type.shape)), "float32")


def _stretches(model: Model, facts: Mapping[str, FieldFacts], inputs: Sequence[NetworkInput]) -> dict[str, Stretches]:
    """The fields whose rows differ in length, and inputs that the data, which are not known, would tell of."""
    found = {
        name: Stretches(model.fields.get(name, known.type).shape or (), known.dtype, known.spelled, known.gaps)
        for name, known in facts.items()
        if known.type.lengths
    }
    unknown = (i for i in inputs if i.name not in facts and any(map(is_length, i.shape)))
    return found | {i.name: Stretches(i.shape, "int32" if i.kind == "index" else "float32") for i in unknown}


class Reader:
    """The fields of the data in one graph, each read once."""

    def __init__(
        self,
        g: GraphBuilder,
        model: Model,
        facts: Mapping[str, FieldFacts],
        inputs: Sequence[NetworkInput],
        *,
        training: bool = False,
    ) -> None:
        self.g, self.model, self.training, self._facts = g, model, training, facts
        self._inputs = {given.name: given for given in inputs}
        self._fields: dict[str, Value] = {}
        self.index = index(g)
        self.places = Places(inputs, _stretches(model, facts, inputs))

    def input(self, name: str) -> Value:
        """What the network is given: a field, or before the data are known a table in its place."""
        if name in self._facts:
            return self.field(name)
        given = self._inputs[name]
        if any(map(is_length, given.shape)):
            return self.places.read(self.g, name)
        type_ = input_type(given, None, self.model.sizes)
        table = self.g.input(f"data.{name}", TensorType(type_.dtype, (ROWS_OF_DATA, *type_.shape[1:])), "stored")
        return self.g.add(Gather(), table, self.index)

    def field(self, name: str) -> Value:
        """The rows of a field that the batch names, scaled as it was fitted."""
        known = self._fields.get(name)
        if known is not None:
            return known
        facts = self._facts[name]
        value = self._raw(name, facts)
        if facts.type.kind not in ("category", "index"):
            if value.type.dtype != "float32":
                value = self.g.add(Cast("float32"), value)
            value = self._augmented(name, value)
            if facts.scaling is not None:
                scalar = product(facts.scaling) == 1
                type_ = TensorType("float32", () if scalar else facts.scaling)
                offset, scale = (self.g.input(f"data.{name}.{part}", type_, "constant") for part in ("offset", "scale"))
                value = apply(self.g, "(x - offset) * scale", x=value, offset=offset, scale=scale)
        self._fields[name] = value
        return value

    def _raw(self, name: str, facts: FieldFacts) -> Value:
        """The rows as they are stored."""
        if facts.type.lengths:
            return self.places.read(self.g, name)
        type_ = TensorType(facts.dtype, (ROWS_OF_DATA, *(facts.type.shape or ())))
        return self.g.add(Gather(), self.g.input(f"data.{name}", type_, "stored"), self.index)

    def own_units(self, target: str | None, value: Value) -> Value:
        """A value in the units of a target that is standardized, as its data have them."""
        facts = self._facts.get(target or "")
        if facts is None or facts.type.kind != "number" or facts.scaling is None:
            return value
        type_ = TensorType("float32", () if product(facts.scaling) == 1 else facts.scaling)
        parts = {p: self.g.input(f"data.{target}.{p}", type_, "constant") for p in ("offset", "scale")}
        return apply(self.g, "y / scale + offset", y=value, **parts)

    def _augmented(self, name: str, image: Value) -> Value:
        """A field as training draws it anew; its raw pixels, of which 0 is what lies outside a picture."""
        given = self.model.augmentations.get(name)
        if given is None:
            return image
        facts = self._facts[name]
        top = float(facts.type.top) if facts.dtype == "uint8" else 1.0

        @contextmanager
        def scope(item: str) -> Iterator[Scope]:
            path, span = f"{AUGMENT}{item}", given.spans[item]
            with self.g.at(Origin(path, span.line if span else 0)):
                yield self.model.loss_scope(self.g, path, training=self.training)

        return augmented(given.items, image, top, scope, training=self.training)
