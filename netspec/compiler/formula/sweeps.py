"""Formulas with reductions over the last axis, cut into sweeps over the columns of a row.

``exp(x - max(x)) / sum(exp(x - max(x)))`` is three sweeps: the first finds the maximum, the second the sum, the third
stores. What depends on the row alone (the logarithm of a sum) is computed once a row, in a sweep of its own kind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from netspec.compiler.formula.expr import Call, Expr, Name, Reduction, names, replace_all, walk, with_operands
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.functions import FUNCTIONS
from netspec.compiler.formula.simplify import make, simplified

Action: TypeAlias = "tuple[Literal['store'], int] | Literal['sum', 'max', 'min', 'keep']"
"""What becomes of a vector: ``("store", result)``; ``sum``, ``max`` or ``min`` over the columns; or ``keep``."""

STAGED = "staged"
COSTLY = 20
"""Cycles a vector from which on a number is stored and read again rather than computed twice."""


@dataclass(frozen=True)
class Sweep:
    """One pass over the columns of a row, or, if ``once``, a computation from the row's own values alone.

    ``body`` is over the formula's inputs, then the row values so far; ``actions`` say what becomes of each of its
    results. One that is reduced, or kept, is the next row value; its name is among the inputs of the bodies after it.
    """

    body: Formula
    actions: tuple[Action, ...]
    once: bool = False


def sweeps(formula: Formula, spread: Collection[str] = ()) -> tuple[Sweep, ...]:
    """Cut a formula into sweeps; one without reductions gives a single sweep that stores.

    Args:
        formula: any formula. A result that is the same in every column is stored by a sweep that is taken once.
        spread: the inputs that have one value a row (their last axis has length 1).
    """
    outputs = _without_constant_reductions(simplified(*formula.outputs), spread)
    return _Plan(formula.inputs, outputs, spread).sweeps()


def staged(cut: Sequence[Sweep], result: int, spread: Collection[str] = ()) -> tuple[Sweep, ...]:
    """The sweeps, with what would be computed twice waiting where ``result`` is stored in the end.

    The softmax that a loss and its gradient need takes one exponential an element then, not two: the sweep that sums
    them stores them, and the one that divides reads them, as `STAGED`, an input after those of the formula. Sweeps
    after that find the result there, and compute theirs anew. Where nothing is worth it the sweeps come back as they
    are.
    """
    stores = [j for j, sweep in enumerate(cut) if ("store", result) in sweep.actions and not sweep.once]
    if not stores:
        return tuple(cut)
    last = cut[stores[0]]
    inputs = tuple(name for name in last.body.inputs if name in cut[0].body.inputs)
    whole = set(inputs).difference(spread)
    costly = [
        node
        for node in reversed(walk(last.body.outputs[last.actions.index(("store", result))]))
        if isinstance(node, Call) and FUNCTIONS[node.function].cost >= COSTLY and whole.intersection(names(node))
    ]
    for node in costly:
        first = next(sweep for sweep in cut if not sweep.once and node in walk(*sweep.body.outputs))
        if first is not last:
            begin, end = cut.index(first), stores[0]
            return tuple(
                _with_staged(sweep, node, inputs, result if j == begin else None, reads=begin < j <= end)
                for j, sweep in enumerate(cut)
            )
    return tuple(cut)


def _with_staged(sweep: Sweep, node: Expr, inputs: Sequence[str], result: int | None, *, reads: bool) -> Sweep:
    """A sweep that stores ``node`` where ``result`` will be, or, if it ``reads``, finds it there."""
    outputs, actions = sweep.body.outputs, sweep.actions
    if reads and not sweep.once:
        outputs = replace_all(outputs, {node: Name(STAGED)})
    if result is not None:
        outputs, actions = (*outputs, node), (*actions, ("store", result))
    body = Formula((*inputs, STAGED, *sweep.body.inputs[len(inputs) :]), outputs)
    return Sweep(body, actions, sweep.once)


def spread_results(formula: Formula, spread: Collection[str] = ()) -> tuple[bool, ...]:
    """For each result whether it is one value a row, given the inputs that are."""
    rowwise = _rowwise(formula.nodes, spread)
    return tuple(rowwise[output] for output in formula.outputs)


def _rowwise(order: Sequence[Expr], spread: Collection[str]) -> dict[Expr, bool]:
    """Which nodes are the same in every column."""
    rowwise: dict[Expr, bool] = {}
    for node in order:
        if isinstance(node, Name):
            rowwise[node] = node.name in spread
        elif isinstance(node, Call) and FUNCTIONS[node.function].placed:
            rowwise[node] = node.function == "columns"
        else:
            rowwise[node] = isinstance(node, Reduction) or all(rowwise[operand] for operand in node.operands)
    return rowwise


def _without_constant_reductions(outputs: Sequence[Expr], spread: Collection[str]) -> tuple[Expr, ...]:
    """The sum of what is the same in every column is a product, its maximum itself."""
    new: dict[Expr, Expr] = {}
    order = walk(*outputs)
    rowwise = _rowwise(order, spread)
    for node in order:
        operands = tuple(new[operand] for operand in node.operands)
        if isinstance(node, Reduction) and rowwise[node.body]:
            new[node] = make("*", operands[0], Call("columns")) if node.kind == "sum" else operands[0]
        else:
            new[node] = node if operands == node.operands else with_operands(node, operands)
    return tuple(new[output] for output in outputs)


def _action(value: Expr) -> Action:
    """What makes a row value: a reduction, or a computation that is kept."""
    return cast("Action", value.kind) if isinstance(value, Reduction) else "keep"


def _values(node: Expr) -> Iterator[Expr]:
    """The node; of a condition the numbers that it compares, for only numbers can be kept."""
    if isinstance(node, Call) and FUNCTIONS[node.function].condition:
        for operand in node.operands:
            yield from _values(operand)
    else:
        yield node


class _Plan:
    """Levels: a node's is the number of passes over the columns that must be over before it can be computed."""

    def __init__(self, inputs: tuple[str, ...], outputs: Sequence[Expr], spread: Collection[str]) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.order = walk(*outputs)
        self.rowwise = _rowwise(self.order, spread)
        self.level: dict[Expr, int] = {}
        for node in self.order:
            below = max((self.level[operand] for operand in node.operands), default=0)
            self.level[node] = below + isinstance(node, Reduction)
        self.kept = self._kept()
        self.known: dict[Expr, Expr] = {}  # the row values of the sweeps made so far

    def _kept(self) -> list[Expr]:
        """What is computed from reductions once a row, and used in a later pass over the columns."""
        used = {
            operand
            for node in self.order
            if not self.rowwise[node] or isinstance(node, Reduction)
            for operand in node.operands
        }
        used = {value for operand in used for value in _values(operand)}
        used = {x for x in used if self.rowwise[x] and self.level[x] and not isinstance(x, Reduction)}
        return [node for node in self.order if node in used]

    def sweeps(self) -> tuple[Sweep, ...]:
        """All of them: at each level a pass over the columns, then what follows from it for the row."""
        result: list[Sweep] = []
        results = list(enumerate(self.outputs))
        for level in range(1 + max(self.level[output] for output in self.outputs)):
            reduced = [n for n in self.order if isinstance(n, Reduction) and self.level[n] == level + 1]
            passed = [(i, x) for i, x in results if not self.rowwise[x] and self.level[x] == level]
            result += self._sweep(reduced, passed, once=False)
            kept = [n for n in self.kept if self.level[n] == level + 1]
            single = [(i, x) for i, x in results if self.rowwise[x] and max(self.level[x], 1) == level + 1]
            result += self._sweep(kept, single, once=True)
        return tuple(result)

    def _sweep(self, values: Sequence[Expr], stored: Sequence[tuple[int, Expr]], *, once: bool) -> list[Sweep]:
        """A sweep that makes row values and stores results, or nothing if there are none of either."""
        if not (values or stored):
            return []
        roots = [*(n.body if isinstance(n, Reduction) else n for n in values), *(output for _, output in stored)]
        known = tuple(name.name for name in self.known.values() if isinstance(name, Name))
        body = Formula((*self.inputs, *known), replace_all(roots, self.known))
        actions: list[Action] = [_action(n) for n in values]
        actions += [("store", i) for i, _ in stored]
        for node in values:
            name = f"r{len(self.known)}"
            while name in self.inputs:
                name += "_"
            self.known[node] = Name(name)
        return [Sweep(body, tuple(actions), once)]
