"""What a lint is: a warning about a spec that is right and yet hardly what its author meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from netspec.catalog.activations import Activation
from netspec.catalog.layers import Activate
from netspec.catalog.optimizers import Rule
from netspec.compiler.graph import Value
from netspec.diagnostics import Span, declare_warning
from netspec.spec.document import Document
from netspec.spec.lowering import Model
from netspec.spec.network import LayerNode, ValueRef


@dataclass(frozen=True)
class Finding:
    """One place that a lint is about."""

    message: str
    span: Span | None
    notes: Sequence[str] = ()
    helps: Sequence[str] = ()


@dataclass(frozen=True)
class Subject:
    """A spec without faults, as lints see it.

    ``values`` are those of its network, built for training; ``rows`` says how many rows each split has, as far as that
    is known.
    """

    document: Document
    model: Model
    values: Mapping[ValueRef, Value]
    rows: Mapping[str, int] | None = None

    @property
    def trains(self) -> bool:
        """Whether there is something to train, by losses or by a rule of learning."""
        document = self.document
        return document.optimizer is not None and (bool(document.losses) or isinstance(document.optimizer, Rule))

    @cached_property
    def nodes(self) -> Mapping[str, LayerNode]:
        """The layers by their paths."""
        return {node.path: node for node in self.document.network.nodes}

    @cached_property
    def readers(self) -> Mapping[str, Sequence[LayerNode]]:
        """The layers that read a layer's value or one of its ports, by the path of that layer."""
        found: dict[str, list[LayerNode]] = {}
        for node in self.document.network.nodes:
            for path in dict.fromkeys(ref.path for ref in node.inputs):
                found.setdefault(path, []).append(node)
        return found

    @cached_property
    def seen(self) -> frozenset[str]:
        """The layers whose values are read from outside: by losses and metrics, as outputs, by `decode`."""
        document = self.document
        refs = [*document.network.outputs.values(), *(b.output for b in (*document.losses, *document.metrics))]
        refs += [document.decode.output] if document.decode else []
        return frozenset(ref.path for ref in refs if ref is not None)

    def only_reader(self, path: str) -> LayerNode | None:
        """The one layer that reads the value at ``path``, if nobody else does."""
        readers = self.readers.get(path, ())
        return readers[0] if len(readers) == 1 and path not in self.seen else None

    def before(self, refs: Iterable[ValueRef | None]) -> frozenset[str]:
        """The paths of the layers and inputs that values are computed from, their own among them."""
        found: set[str] = set()
        stack = [ref.path for ref in refs if ref is not None]
        while stack:
            path = stack.pop()
            if path not in found:
                found.add(path)
                node = self.nodes.get(path)
                stack += [ref.path for ref in node.inputs] if node else []
        return frozenset(found)

    def has_own_weights(self, path: str) -> bool:
        """Whether training changes a weight that belongs to the layer at ``path``."""
        return path in self._trained

    @cached_property
    def _trained(self) -> frozenset[str]:
        return frozenset(key.rpartition(".")[0] for key, p in self.model.parameters.items() if p.trainable)


@dataclass(frozen=True)
class Lint:
    """One kind of warning: what it means, why it matters, how it is found, and a spec with it and one without.

    ``meaning`` is a sentence for lists; ``why`` says what goes wrong and where thresholds come from.
    """

    code: str
    meaning: str
    why: str
    find: Callable[[Subject], Iterable[Finding]]
    bad: str = field(repr=False)
    good: str = field(repr=False)

    def __post_init__(self) -> None:
        declare_warning(self.code, self.meaning)

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """What it finds; a place once, however often a block or repeat leads there."""
        told: set[Span | None] = set()
        for found in self.find(subject):
            if found.span not in told:
                told.add(found.span)
                yield found


def activation_of(node: LayerNode) -> Activation | None:
    """The activation that a layer is, or that it ends with; none where that is `linear`."""
    layer = node.layer
    found = layer.function if isinstance(layer, Activate) else getattr(layer, "activation", None)
    return found if isinstance(found, Activation) and found.kind != "linear" else None
