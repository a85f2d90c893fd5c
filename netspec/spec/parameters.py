"""The weights of a network: made once under their path, shared, given, frozen as the spec says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netspec.catalog.initializers.initializer import Initializer
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops import Transpose
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.network import LayerNode, Regularize, WeightRef
from netspec.tensortype import Dim, ShapeError, TensorType, product, show_shape

# The weights that a bare `init` and `regularize` mean.
MAIN = ("kernel", "table")


@dataclass(frozen=True)
class Parameter:
    """One weight: ``path`` is its key everywhere."""

    path: str
    value: Value
    initializer: Initializer
    fans: tuple[Dim, Dim]
    frozen: bool
    lr_scale: float
    regularize: Regularize
    span: Span

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.value.type.shape

    @property
    def size(self) -> Dim:
        return product(self.shape)


@dataclass
class Parameters:
    """Makes weights for layers: a `ParameterSource`."""

    graph: GraphBuilder
    nodes: Mapping[str, LayerNode]
    report: Report
    made: dict[str, Parameter] = field(default_factory=dict)
    asked: dict[str, list[str]] = field(default_factory=dict)
    """The weights that each layer asked for."""

    def parameter(self, path: str, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim]) -> Value:
        """The weight ``name`` of the layer at ``path``, its own or another's.

        Raises:
            ShapeError: if it is shared and has another shape there.
        """
        node = self.nodes[path]
        asked = self.asked.setdefault(path, [])
        if name in asked:
            raise ValueError(f"`{path}` makes its weight `{name}` twice")
        asked.append(name)
        owner, transposed = self._owner(path, name)
        if owner == (path, name):
            return self._own(node, name, shape, init, fans).value
        return self._shared(node, name, shape, init, fans, owner, transposed)

    def _owner(self, path: str, name: str) -> tuple[tuple[str, str], bool]:
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
                return (path, name), transposed

    def _own(self, node: LayerNode, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim]) -> Parameter:
        common = node.common
        key = f"{node.path}.{name}"
        known = self.made.get(key)
        if known is not None:
            return known
        given = common.init.get(name) or (common.init.get("") if name in MAIN else None)
        if given is not None:
            init = given.initializer
            self._check(init, shape, key, given.span)
        value = self.graph.input(key, TensorType("float32", shape), "parameter")
        regularize = common.regularize if name in MAIN else Regularize()
        made = Parameter(key, value, init, fans, common.freeze, common.lr_scale, regularize, node.span)
        self.made[key] = made
        return made

    def _check(self, init: Initializer, shape: tuple[Dim, ...], key: str, span: Span) -> None:
        try:
            init.check(shape)
        except ShapeError as fault:
            helps = [fault.advice] if fault.advice else []
            self.report.error("shape-mismatch", f"`{key}`: {fault}", span, helps=helps)

    def _shared(
        self, node: LayerNode, name: str, shape: tuple[Dim, ...], init: Initializer, fans: tuple[Dim, Dim],
        owner: tuple[str, str], transposed: bool,
    ) -> Value:  # fmt: skip
        owner_path, weight = owner
        there = shape[::-1] if transposed else shape
        known = self.made.get(f"{owner_path}.{weight}")
        if known is None:
            # In the predictor the owner may have fallen away; its weight has not.
            if owner_path in self.asked:
                raise ShapeError(*_no_weight(owner_path, weight, self.asked[owner_path]))
            known = self._own(self.nodes[owner_path], weight, there, init, fans[::-1] if transposed else fans)
        if known.shape != there:
            raise ShapeError(*_other_shape(node, name, shape, known, transposed))
        if not transposed:
            return known.value
        if len(shape) != 2:
            raise ShapeError(f"`.T` transposes matrices, and `{name}` is {show_shape(shape)}")
        return self.graph.add(Transpose((1, 0)), known.value)

    def check_names(self, node: LayerNode) -> None:
        """Whether every weight that the spec speaks of is one that the layer asked for."""
        asked = self.asked.get(node.path, [])
        named: dict[str, Span] = {name: ref.span for name, ref in node.common.share.items()}
        named |= {name: ref.span for name, ref in node.common.init.items() if name}
        bare = node.common.init.get("")
        for name, span in named.items():
            if name not in asked:
                message, advice = _no_weight(node.path, name, asked)
                self.report.error("unknown-weight", message, span, helps=[advice] if advice else [])
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


def _other_shape(
    node: LayerNode, name: str, shape: tuple[Dim, ...], known: Parameter, transposed: bool
) -> tuple[str, str | None]:
    mark = ".T" if transposed else ""
    has = known.shape[::-1] if transposed else known.shape
    message = f"`{name}` is {show_shape(shape)} here, and `{known.path}{mark}` on line {known.span.line} is {show_shape(has)}"
    fits = known.shape == (shape if transposed else shape[::-1])
    advice = f"share `{known.path}{'' if transposed else '.T'}`" if fits and len(shape) == 2 else None
    return message, advice


def weight_refs(node: LayerNode) -> tuple[WeightRef, ...]:
    """The single weights that a layer shares."""
    return tuple(node.common.share.values())
