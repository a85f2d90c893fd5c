"""The only module that knows the order of the phases: document, model, graphs, passes, executables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from netspec.catalog.losses import Loss
from netspec.compiler.graph import Graph, GraphBuilder, Value, key_of
from netspec.compiler.graph.cost import multiply_adds
from netspec.compiler.kernels.processor import processors
from netspec.compiler.passes import optimize
from netspec.data.fieldtype import stored_dtype
from netspec.diagnostics import Report
from netspec.graphs import Building
from netspec.memory import uncollected
from netspec.spec.binding import Binding
from netspec.spec.carried import CARRIED, Going
from netspec.spec.decoding import Between, Decoding, between, decoding_of, goes_on
from netspec.spec.document import Document
from netspec.spec.lowering import Model, Parameter
from netspec.spec.network import ValueRef
from netspec.spec.parameters import Counts, counts
from netspec.spec.places import Owner, suffix
from netspec.spec.reading import FieldFacts, Reader
from netspec.tensortype import Layout

if TYPE_CHECKING:
    from netspec.compiler.codegen.executable import Executable
    from netspec.compiler.kernels.processor import Tile

Kind: TypeAlias = Literal["step", "evaluate", "predict", "gradient", "trace", "hold", "decode"]

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

    @property
    def _building(self) -> Callable[..., Building]:
        """What builds a graph of this program."""
        return partial(Building, self.document, self.model, self.fields)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """The weights by path; the graph of the step has made them all."""
        _ = self.values
        return dict(self.model.parameters)

    @cached_property
    def step(self) -> Graph:
        """One training step: loss and metrics of a batch, new parameters and optimizer state."""
        return self._building(training=True, going="asked").step()

    @cached_property
    def trace(self) -> Graph:
        """A training step, and beside it what every layer computed in it.

        ``input:`` what the network reads; ``net:`` and ``output:`` of every layer; ``delta:`` how much less each row's
        own loss becomes when a net input grows, or what else a learning rule goes by; ``loss:`` is the row's own. All
        have an axis of samples.
        """
        return self._building(training=True, going="asked").trace()

    @cached_property
    def evaluate(self) -> Graph:
        """Sums of loss and metrics over a batch, as in prediction."""
        return self._building(training=False, going="asked").evaluate()

    @cached_property
    def predict(self) -> Graph:
        """The network's outputs, as prediction shows them."""
        return self._building(training=False).predict()

    @cached_property
    def decoding(self) -> Decoding | None:
        """How it makes sequences; None if it makes none."""
        return decoding_of(self.document)

    @cached_property
    def steps(self) -> Between:
        """What decoding computes at each step."""
        assert self.decoding is not None
        return between(self.document.network, self.decoding)

    @property
    def goes_on(self) -> bool:
        """Whether a step of decoding goes on from the one before; else all steps before it are computed again."""
        return goes_on(self.steps, self.values)

    @cached_property
    def hold(self) -> Graph:
        """What decoding reads at each step and computes once."""
        return self._building(training=False).hold(self.steps.held)

    @cached_property
    def decode(self) -> Graph:
        """Some steps of decoding: the probabilities of what comes next at each, by tokens, states and what is held."""
        assert self.decoding is not None
        held = {ref: self.values[ref] for ref in self.steps.held}
        going: Going = "always" if self.goes_on else "never"
        building = self._building(training=False, going=going, steps=self.steps, held=held)
        return building.decode(self.decoding.output)

    @cached_property
    def values(self) -> Mapping[ValueRef, Value]:
        """Every value of the network in a graph of its own, auxiliary heads too."""
        return self._building(training=False).values

    @cached_property
    def gradient(self) -> Graph:
        """The loss of a batch, penalties included, and its gradient by every weight that training may change."""
        return self._building(training=True).gradient()

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

        settled = kind in ("predict", "hold", "decode")  # between evaluations training moves the weights
        with uncollected():
            return prepare(optimize(self.graph(kind), 16 * tile.vectors, given, after, settled=settled, few=few), tile)

    def few(self, kind: Kind, batch: int) -> bool:
        """Whether a batch has a program of its own, which works on samples in rows where others fill lanes with them.

        Gradients fill lanes in any case, and networks without windows lay nothing into lanes.
        """
        return batch < FEW and kind in ("predict", "evaluate", "hold") and self._has_windows

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
        return tuple(k for v in self.evaluate.inputs_of("state") if (k := key_of(v)).endswith(CARRIED))

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
