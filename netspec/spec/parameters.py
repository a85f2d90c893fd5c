"""The weights of a network: made once under their path, shared, given, frozen as the spec says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, NoReturn

from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.scope import Incoming
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.transpose import Transpose
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.network import LayerNode, Regularize
from netspec.tensortype import Dim, ShapeError, TensorType, product, show_shape, total

# The weights that a bare `init` and `regularize` mean.
MAIN: Final = ("kernel", "table")


class ToldError(ShapeError):
    """A layer cannot be built, and the report says why."""


@dataclass(frozen=True)
class Parameter:
    """A weight by its path: how it starts and whether training changes it."""

    key: str
    shape: tuple[Dim, ...]
    init: Initializer
    fans: tuple[Dim, Dim]
    trainable: bool
    lr_scale: float
    regularize: Regularize
    span: Span
    init_span: Span | None = None
    """Where the spec says what it begins with."""
    statistic: bool = False
    """Whether it is a running statistic, which follows the batches of training by itself."""
    incoming: Incoming | None = None
    """What leads into one unit, if not all axes but the last."""

    @property
    def size(self) -> Dim:
        return product(self.shape)


@dataclass
class Weights:
    """Makes weights for layers, into whichever graph is being built; the same weight is the same input of each."""

    nodes: Mapping[str, LayerNode]
    report: Report
    graph: GraphBuilder = field(default_factory=GraphBuilder)
    made: dict[str, Parameter] = field(default_factory=dict)
    asked: dict[str, list[str]] = field(default_factory=dict)
    """The weights that each layer asked for."""
    movers: dict[str, list[str]] = field(default_factory=dict)
    """By the keys of running statistics, the layers that move them in the graph that is being built."""
    moved: dict[str, Value] = field(default_factory=dict)
    """By the keys of running statistics, what they are after the step."""

    def begin(self, graph: GraphBuilder) -> None:
        """Make the weights of another graph."""
        self.graph, self.movers, self.moved = graph, {}, {}

    def statistic(self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer) -> Value:
        """The running statistic ``name`` of the layer at ``path``, its own or another's.

        Raises:
            ShapeError: if it is shared and has another shape there.
        """
        return self.parameter(path, name, shape, init, (1, 1), statistic=True)

    def is_frozen(self, path: str, name: str) -> bool:
        """Whether ``freeze`` stands on the owner of a weight or statistic."""
        owner, _, _ = self._owner(path, name)
        return self.nodes[owner].common.freeze

    def follow(self, path: str, name: str, found: Value, rate: float) -> None:
        """Let a running statistic move; layers that share one move it one after the other."""
        owner, weight, _ = self._owner(path, name)
        key = f"{owner}.{weight}"
        now = self.moved.get(key) or self._input(self.made[key])
        self.movers.setdefault(key, []).append(path)
        self.moved[key] = apply(self.graph, f"s + {rate!r} * (x - s)", s=now, x=found)

    def parameter(
        self,
        path: str,
        name: str,
        shape: tuple[Dim, ...],
        init: Initializer,
        fans: tuple[Dim, Dim],
        incoming: Incoming | None = None,
        *,
        statistic: bool = False,
    ) -> Value:
        """The weight ``name`` of the layer at ``path``, its own or another's.

        Raises:
            ShapeError: if it is shared and has another shape there.
        """
        node = self.nodes[path]
        asked = self.asked.setdefault(path, [])
        if name not in asked:
            asked.append(name)
        owner, weight, transposed = self._owner(path, name)
        if (owner, weight) == (path, name):
            return self._input(self._own(node, name, shape, init, fans, incoming, statistic=statistic))
        there = shape[::-1] if transposed else shape
        known = self.made.get(f"{owner}.{weight}")
        if known is None:
            # Where the owner has not been built, its weight is made for whoever shares it.
            if owner in self.asked:
                self._tell("unknown-weight", *_no_weight(owner, weight, self.asked[owner]), node, name)
            there_fans = fans[::-1] if transposed else fans
            known = self._own(self.nodes[owner], weight, there, init, there_fans, incoming, statistic=statistic)
        if known.shape != there:
            message, advice = _other_shape(name, shape, known, transposed)
            self._tell("shape-mismatch", message, advice, node, name)
        value = self._input(known)
        if not transposed:
            return value
        if len(shape) != 2:
            raise ShapeError(f"`.T` transposes matrices, and `{name}` is {show_shape(shape)}")
        return self.graph.add(Transpose((1, 0)), value)

    def _tell(self, code: str, message: str, advice: str | None, node: LayerNode, name: str) -> NoReturn:
        """Say at the place of `share` why a weight cannot be shared."""
        ref = node.common.share.get(name)
        self.report.error(code, message, ref.span if ref else node.span, helps=[advice] if advice else [])
        raise ToldError(message)

    def _owner(self, path: str, name: str) -> tuple[str, str, bool]:
        """Whose weight it is in the end, and whether an odd number of transposes lies between."""
        transposed = False
        while True:
            common = self.nodes[path].common
            ref = common.share.get(name)
            if ref is not None:
                path, name, transposed = ref.path, ref.weight, transposed != ref.transposed
            elif common.owner is not None and common.owner in self.nodes:
                path = common.owner
            else:
                return path, name, transposed

    def _input(self, parameter: Parameter) -> Value:
        return self.graph.input(parameter.key, TensorType("float32", parameter.shape), "parameter")

    def _own(
        self,
        node: LayerNode,
        name: str,
        shape: tuple[Dim, ...],
        init: Initializer,
        fans: tuple[Dim, Dim],
        incoming: Incoming | None,
        *,
        statistic: bool,
    ) -> Parameter:
        common, key = node.common, f"{node.path}.{name}"
        known = self.made.get(key)
        if known is not None:
            return known
        is_main = name in MAIN
        given = common.init.get(name) or (common.init.get("") if is_main else None)
        if given is not None:
            init = given.initializer
            self._check(init, shape, key, given.span)
        regularize = common.regularize if is_main else Regularize()
        place = None if given is None else given.span
        trained = not (common.freeze or statistic)
        made = Parameter(
            key, shape, init, fans, trained, common.lr_scale, regularize, node.span, place, statistic, incoming
        )
        self.made[key] = made
        return made

    def _check(self, init: Initializer, shape: tuple[Dim, ...], key: str, span: Span) -> None:
        try:
            init.check(shape)
        except ShapeError as fault:
            helps = [fault.advice] if fault.advice else []
            self.report.error("shape-mismatch", f"`{key}`: {fault}", span, helps=helps)

    def check_names(self, node: LayerNode) -> None:
        """Whether every weight that the spec speaks of is one that the layer asked for."""
        asked = self.asked.get(node.path, [])
        named: dict[str, Span] = {name: ref.span for name, ref in node.common.share.items()}
        named |= {name: ref.span for name, ref in node.common.init.items() if name}
        for name, span in named.items():
            if name not in asked:
                message, advice = _no_weight(node.path, name, asked)
                self.report.error("unknown-weight", message, span, helps=[advice] if advice else [])
        if any(name in MAIN for name in asked):
            return
        bare, regularize = node.common.init.get(""), node.common.regularize_span
        if bare is not None:
            helps = [f"say which: `init: {{{asked[0]}: ...}}`"] if asked else []
            message = f"a bare `init` is meant for a kernel or table, and `{node.path}` has none"
            self.report.error("unknown-weight", message, bare.span, helps=helps)
        if regularize is not None:
            message = f"`regularize` is meant for a kernel or table, and `{node.path}` has none"
            self.report.error("unknown-weight", message, regularize)


def _no_weight(path: str, name: str, asked: list[str]) -> tuple[str, str | None]:
    near = suggestion(name, asked)
    if near:
        return f"`{path}` has no weight `{name}`", f"did you mean `{near}`?"
    known = ", ".join(f"`{weight}`" for weight in asked)
    return f"`{path}` has no weight `{name}`", f"it has {known}" if known else None


def _other_shape(name: str, shape: tuple[Dim, ...], known: Parameter, transposed: bool) -> tuple[str, str | None]:
    has = known.shape[::-1] if transposed else known.shape
    there = f"`{known.key}{'.T' if transposed else ''}` on line {known.span.line}"
    fits = len(shape) == 2 and has[::-1] == shape
    advice = f"share `{known.key}{'' if transposed else '.T'}`" if fits else None
    return f"`{name}` is {show_shape(shape)} here, and {there} is {show_shape(has)}", advice


class Counts(NamedTuple):
    """How many numbers weights hold together, apart; formulas over the sizes that data will tell."""

    parameters: Dim
    """What training may change."""
    frozen: Dim
    """Weights that it leaves alone."""
    statistics: Dim
    """Running statistics."""


def counts(parameters: Iterable[Parameter]) -> Counts:
    """How many numbers there are of each kind."""
    known = list(parameters)
    trained = [p.size for p in known if p.trainable]
    frozen = [p.size for p in known if not (p.trainable or p.statistic)]
    return Counts(total(trained), total(frozen), total(p.size for p in known if p.statistic))
