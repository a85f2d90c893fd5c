"""Weights of classes: what the loss of each sample is multiplied by, as the class of its target says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netspec.catalog.losses.targets import labels, row_sum
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.iota import Iota
from netspec.data.fieldtype import FieldType
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.tree import List, Map, Node, Scalar, describe, is_broken
from netspec.tensortype import TensorType


@dataclass(frozen=True)
class ClassWeight:
    r"""Weights by name (1 for classes that are not named), by index, or balanced: ``given`` is None.

    Balanced weights are $n / (K n_c)$ for the $n_c$ of $n$ training rows that are of the class, one of the $K$ that
    occur: every class then counts alike, and the mean weight of a row is 1.

    Reference: King & Zeng 2001, Logistic regression in rare events data.
    """

    given: Mapping[str, float] | Sequence[float] | None
    span: Span
    places: Mapping[str, Span] = field(default_factory=dict)
    """Where the spec names each class."""

    def check(self, name: str, type_: FieldType, report: Report) -> bool:
        """Whether these are weights of the classes of the field ``name``; what is not goes to ``report``."""
        shape = type_.shape or ()
        if type_.kind not in ("category", "index") or len(shape) != len(type_.lengths) or len(shape) > 1:
            message = f"`class_weight` needs one class a sample, or a step, as its target, and `{name}` is {type_}"
            report.error("wrong-kind", message, self.span, helps=["a weight for each row is a field: `sample_weight`"])
            return False
        if isinstance(self.given, Mapping):
            return type_.size is None or self._check_names(name, type_.classes or (), report)
        if self.given is not None and type_.size not in (None, len(self.given)):
            message = f"`class_weight` lists {len(self.given)} weights, and `{name}` has {type_.size} classes"
            report.error("shape-mismatch", message, self.span, helps=[_classes(type_.classes)] if type_.classes else [])
            return False
        return True

    def _check_names(self, name: str, classes: tuple[str, ...], report: Report) -> bool:
        unknown = [key for key in self.places if key not in classes]
        for key in unknown:
            near = suggestion(key, classes)
            helps = [f"did you mean `{near}`?"] if near else [_classes(classes)] if classes else []
            message = f"`class_weight` names `{key}`, which is none of the classes of `{name}`"
            report.error("unknown-class", message, self.places[key], helps=helps)
        return not unknown

    def weights(self, type_: FieldType, counts: Sequence[int]) -> list[float]:
        """The weight of each class; ``counts`` are the training rows of each."""
        if isinstance(self.given, Mapping):
            return [self.given.get(name, 1.0) for name in type_.classes or ()]
        if self.given is not None:
            return list(self.given)
        rows, occur = sum(counts), sum(count > 0 for count in counts)
        return [rows / (occur * count) if count else 1.0 for count in counts]


def _classes(classes: tuple[str, ...]) -> str:
    more = ", ..." if len(classes) > 12 else ""
    return f"there are {', '.join(f'`{name}`' for name in classes[:12])}{more}"


def read_class_weight(node: Node | None, report: Report) -> ClassWeight | None:
    """What a loss says under ``class_weight``, if it says anything."""
    if node is None or is_broken(node):
        return None
    if isinstance(node, Scalar) and node.value == "balanced":
        return ClassWeight(None, node.span)
    if isinstance(node, Map):
        by_name = {entry.key: _number(entry.value, report) for entry in node.entries.values()}
        places = {key: entry.key_span for key, entry in node.entries.items()}
        return ClassWeight({name: w for name, w in by_name.items() if w is not None}, node.span, places)
    if isinstance(node, List):
        listed = [_number(item, report) for item in node.items]
        return ClassWeight(tuple(1.0 if w is None else w for w in listed), node.span)
    helps = ["weights by name, `{spam: 5}`; in the order of the classes, `[1, 5]`; or `balanced`"]
    message = f"`class_weight` takes a map, a list or `balanced`, got {describe(node)}"
    report.error("wrong-type", message, node.span, helps=helps)
    return None


def _number(node: Node, report: Report) -> float | None:
    value = node.value if isinstance(node, Scalar) else None
    if is_broken(node):
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        report.error("wrong-type", f"a class's weight is a number, got {describe(node)}", node.span)
        return None
    if value < 0:
        helps = ["to learn away from a row, give it a negative `sample_weight`"]
        report.error("out-of-range", f"a class's weight must be at least 0, got {value}", node.span, helps=helps)
        return None
    return float(value)


def class_weight_key(loss: int) -> str:
    """The graph input of the class weights of a loss, counted from 1."""
    return f"loss_{loss}.class_weight"


def weight_of_class(g: Scope, loss: int, output: Value, classes: int | None, target: Value) -> Value:
    """The weight of each place's class, ``float32[rows, 1]``, of a loss counted from 1."""
    scores = output.type.channels if output.type.rank > 1 else 1
    count = classes if classes is not None else 2 if scores == 1 else scores
    weights = g.graph.input(class_weight_key(loss), TensorType("float32", (count,)), "constant")
    index, own = g.add(Iota((1, count), 1)), labels(g, target)
    return row_sum(g, apply(g, "where(c == t, w, 0)", c=index, t=own, w=weights))
