"""Recurrent cells as the spec defines them: states, weights, and the formulas of one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from netspec.catalog.layers.cell_plan import FIRST, INPUT, Definition, Width
from netspec.compiler.formula import Expr, FormulaError, Name, names, replace_all
from netspec.compiler.formula.products import Product, WithProducts, parse_products
from netspec.diagnostics import Report, suggestion
from netspec.spec.blocks import check_name
from netspec.spec.formulas import inside
from netspec.spec.tree import Entry, List, Map, Node, Scalar, describe, is_broken, shorten
from netspec.spec.validation import Place, unknown_key

if TYPE_CHECKING:
    from netspec.catalog.layers.cell import Cell

KEYS: Final[Mapping[str, str]] = {
    "params": "Its parameters by name: `integer` or `number`, which makes it required, or a default.",
    "inputs": "What it reads beside `x`, by name, given whole at every step.",
    "state": "Its states by name, each with its width: `{h: [units]}`.",
    "weights": "Its weights by name, each with its shape: numbers, parameters, or what it reads for its features.",
    "step": "Formulas by name: what each state is after a step, and what else they need.",
    "output": "The state that the layer gives, where there are several.",
}
"""What the definition of a cell holds."""


def read_cell(entry: Entry, report: Report) -> type[Cell] | None:
    """The layer of the cell under one key of `cells`; None if there is a fault, which is told."""
    before = len(report.diagnostics)
    if not check_name(entry.key, "the name of a cell", entry.key_span, report):
        return None
    if not isinstance(entry.value, Map):
        if not is_broken(entry.value):
            report.error("wrong-type", f"a cell is a map with `step`, got {describe(entry.value)}", entry.value.span)
        return None
    definition = _Reading(entry, entry.value, report).definition()
    if definition is None or len(report.diagnostics) > before:
        return None
    from netspec.catalog.layers.cell import defined_cell

    shown = "; ".join(f"{name} = {formula.value}" for name, formula in _formulas(entry.value.get("step")))
    return defined_cell(definition, f"The cell that the spec defines: {shown}.")


def _formulas(node: Node | None) -> Iterator[tuple[str, Scalar]]:
    for key, entry in node.entries.items() if isinstance(node, Map) else ():
        if isinstance(entry.value, Scalar):
            yield key, entry.value


class _Reading:
    """One definition while it is read."""

    def __init__(self, entry: Entry, body: Map, report: Report) -> None:
        self.entry, self.body, self.report = entry, body, report
        self.taken: dict[str, str] = {INPUT: "what the cell reads", FIRST: "1 at the first step"}

    def definition(self) -> Definition | None:
        for key, inner in self.body.entries.items():
            if key not in KEYS:
                unknown_key(key, inner.key_span, list(KEYS), self._place(), self.report)
        numbers: set[str] = set()
        params = {e.key: self._parameter(e, numbers) for e in self._named("params", "a parameter")}
        inputs = self._inputs()
        whole = [name for name in params if name not in numbers]
        states = {e.key: self._shape(e, whole, 1)[0] for e in self._named("state", "a state")}
        weights = {e.key: self._shape(e, whole, 2, [INPUT, *inputs]) for e in self._named("weights", "a weight")}
        step = self._step(params, inputs, states, weights)
        output = self._output(states)
        if step is None or output is None:
            return None
        ordered, products = step
        return Definition(
            self.entry.key, params, frozenset(numbers), inputs, states, weights, ordered, products, output
        )

    def _place(self) -> Place:
        return Place(f"the cell `{self.entry.key}`", self.entry.key_span)

    def _named(self, key: str, what: str) -> list[Entry]:
        """The entries of one map, whose names are new in this cell."""
        node = self.body.get(key)
        if node is None or is_broken(node):
            return []
        if not isinstance(node, Map):
            self.report.error("wrong-type", f"`{key}` takes a map of names, got {describe(node)}", node.span)
            return []
        return [entry for entry in node.entries.values() if self._is_new(entry.key, what, entry)]

    def _is_new(self, name: str, what: str, entry: Entry) -> bool:
        if not check_name(name, what, entry.key_span, self.report, tuple(self.taken)):
            return False
        self.taken[name] = what
        return True

    def _parameter(self, entry: Entry, numbers: set[str]) -> float | int | None:
        value = entry.value.value if isinstance(entry.value, Scalar) else None
        if value in ("integer", "number"):
            numbers |= {entry.key} if value == "number" else set()
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers |= {entry.key} if isinstance(value, float) else set()
            return value
        message = f"a parameter of a cell is `integer`, `number` or a default, got {describe(entry.value)}"
        self.report.error("wrong-type", message, entry.value.span)
        return None

    def _inputs(self) -> tuple[str, ...]:
        node = self.body.get("inputs")
        if node is None or is_broken(node):
            return ()
        if not isinstance(node, List):
            self.report.error("wrong-type", f"`inputs` takes a list of names, got {describe(node)}", node.span)
            return ()
        found = []
        for item in node.items:
            text = item.value if isinstance(item, Scalar) else None
            if check_name(text, "an input", item.span, self.report, tuple(self.taken)):
                self.taken[str(text)] = "an input"
                found.append(str(text))
        return tuple(found)

    def _shape(self, entry: Entry, known: list[str], most: int, read: Sequence[str] = ()) -> tuple[Width, ...]:
        """The sizes of a state or a weight; the rows of a matrix may be as many as what is ``read`` has features."""
        node = entry.value
        items = node.items if isinstance(node, List) else ()
        if not 1 <= len(items) <= most:
            wanted = "its width, `[units]`" if most == 1 else "its shape, `[units]` or `[x, units]`"
            self.report.error("wrong-type", f"`{entry.key}` takes {wanted}, got {describe(node)}", node.span)
            return (1,)
        first = [*read, *known] if len(items) == 2 else known
        return tuple(self._size(item, first if i == 0 else known) for i, item in enumerate(items))

    def _size(self, node: Node, known: list[str]) -> Width:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if isinstance(value, str) and value in known:
            return value
        near = suggestion(str(value), known)
        helps = [f"did you mean `{near}`?"] if near else [f"it may be a number or {', '.join(f'`{n}`' for n in known)}"]
        message = f"a size cannot be {describe(node) if not isinstance(value, str) else f'`{shorten(value)}`'}"
        self.report.error("out-of-range", message, node.span, helps=helps)
        return 1

    def _output(self, states: Mapping[str, Width]) -> str | None:
        node = self.body.get("output")
        if not states:
            if "state" not in self.body.entries:
                helps = ["as in `state: {h: [units]}`"]
                message = f"the cell `{self.entry.key}` needs `state`"
                self.report.error("missing-key", message, self.entry.key_span, helps=helps)
            return None
        if node is None:
            if len(states) > 1:
                helps = [f"`output: {next(iter(states))}`, for example"]
                message = "a cell with several states says which of them it gives"
                self.report.error("missing-key", message, self.entry.key_span, helps=helps)
            return next(iter(states))
        value = node.value if isinstance(node, Scalar) else None
        if value in states:
            return str(value)
        helps = [f"it has {', '.join(f'`{name}`' for name in states)}"]
        self.report.error("bad-cell", f"`output` names a state, got {describe(node)}", node.span, helps=helps)
        return None

    def _step(
        self,
        params: Mapping[str, object],
        inputs: tuple[str, ...],
        states: Mapping[str, Width],
        weights: Mapping[str, tuple[Width, ...]],
    ) -> tuple[dict[str, Expr], tuple[Product, ...]] | None:
        node = self.body.get("step")
        if not isinstance(node, Map):
            if node is None or not is_broken(node):
                helps = ["as in `step: {h: tanh(x @ U + h @ W)}`"]
                span = node.span if node is not None else self.entry.key_span
                self.report.error("missing-key", f"the cell `{self.entry.key}` needs `step`", span, helps=helps)
            return None
        others = [e.key for e in node.entries.values() if e.key not in states and self._is_new(e.key, "a name", e)]
        matrices = [name for name, shape in weights.items() if len(shape) == 2]
        known = [INPUT, FIRST, *inputs, *params, *states, *weights, *others]
        read: dict[str, WithProducts] = {}
        for key, formula in _formulas(node):
            found = self._formula(formula, known, matrices)
            if found is not None:
                read[key] = found
        missing = [name for name in states if name not in node.entries]
        for name in missing:
            helps = [f"say what it is after a step: `{name}: ...`"]
            self.report.error("missing-key", f"`step` does not say what `{name}` becomes", node.span, helps=helps)
        if missing or len(read) < len(node.entries):
            return None
        self._tell_idle(weights, read)
        ordered = self._in_order(read, others, node)
        return None if ordered is None else _together({name: read[name] for name in ordered})

    def _formula(self, node: Scalar, known: list[str], matrices: list[str]) -> WithProducts | None:
        try:
            found = parse_products(str(node.value), known, matrices)
        except FormulaError as fault:
            where = inside(node, fault.offset, fault.end, self.report)
            helps = [fault.advice] if fault.advice else []
            self.report.error("bad-formula", fault.message, where, helps=helps)
            return None
        bare = [name for name in _names_of(found) if name in matrices]
        for name in bare:
            helps = [f"as in `x @ {name}`"]
            self.report.error(
                "bad-formula", f"`{name}` is a matrix: it stands on the right of `@`", node.span, helps=helps
            )
        return None if bare else found

    def _tell_idle(self, weights: Mapping[str, object], read: Mapping[str, WithProducts]) -> None:
        used = {name for formula in read.values() for name in _names_of(formula)}
        used |= {product.right for formula in read.values() for product in formula.products}
        for name in weights:
            if name not in used:
                span = self.body.entries["weights"].value.entries[name].key_span  # type: ignore[union-attr]  # a map
                self.report.error("bad-cell", f"no formula reads the weight `{name}`", span)

    def _in_order(self, read: Mapping[str, WithProducts], others: list[str], node: Map) -> list[str] | None:
        """The names of the step, each after those of this step that it reads; states are read as they were before."""
        order: list[str] = []
        waiting = list(read)
        while waiting:
            ready = [n for n in waiting if not any(m in waiting for m in _names_of(read[n]) if m in others)]
            if not ready:
                chain = " and ".join(f"`{name}`" for name in waiting if name in others)
                self.report.error("bad-formula", f"{chain} need each other in the same step", node.span)
                return None
            order += ready
            waiting = [name for name in waiting if name not in ready]
        return order


def _names_of(formula: WithProducts) -> list[str]:
    """The names that a formula reads, on the left of its products too."""
    found = names(formula.expr, *(product.left for product in formula.products))
    return [name for name in found if not name.startswith("@")]


def _together(read: Mapping[str, WithProducts]) -> tuple[dict[str, Expr], tuple[Product, ...]]:
    """The expressions with one list of products for all of them."""
    products: list[Product] = []
    step: dict[str, Expr] = {}
    for name, formula in read.items():
        own: dict[Expr, Expr] = {}
        for i, product in enumerate(formula.products):
            same = Product(replace_all((product.left,), own)[0], product.right)
            if same not in products:
                products.append(same)
            own[Name(f"@{i}")] = Name(f"@{products.index(same)}")
        step[name] = replace_all((formula.expr,), own)[0]
    return step, tuple(products)
