"""The weights of a network: made once under their path, shared, given, frozen as the spec says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from netspec.catalog.initializers.initializer import Initializer
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops import Transpose
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.network import LayerNode
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
    l1: float
    l2: float
    span: Span

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

    def parameter(
        self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim]
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
            return self._input(self._own(node, name, shape, init, fans))
        there = shape[::-1] if transposed else shape
        known = self.made.get(f"{owner}.{weight}")
        if known is None:
            # Where the owner has not been built, its weight is made for whoever shares it.
            if owner in self.asked:
                self._tell("unknown-weight", *_no_weight(owner, weight, self.asked[owner]), node, name)
            known = self._own(self.nodes[owner], weight, there, init, fans[::-1] if transposed else fans)
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
        self, node: LayerNode, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim]
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
        l1, l2 = (common.regularize.l1, common.regularize.l2) if is_main else (0.0, 0.0)
        made = Parameter(key, shape, init, fans, not common.freeze, common.lr_scale, l1, l2, node.span)
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
        bare = node.common.init.get("")
        if bare is not None and not any(name in MAIN for name in asked):
            helps = [f"say which: `init: {{{asked[0]}: ...}}`"] if asked else []
            message = f"a bare `init` is meant for a kernel or table, and `{node.path}` has none"
            self.report.error("unknown-weight", message, bare.span, helps=helps)


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


def count(parameters: Iterable[Parameter]) -> Dim:
    """How many numbers weights hold together; a formula over the sizes that data will tell."""
    return total(parameter.size for parameter in parameters)
