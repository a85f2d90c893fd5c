"""Putting formulas together: renaming, inlining one into another, several as one. What passes fuse with.

A name stands for one value throughout: `inline` and `union` merge inputs of the same name. A pass therefore names the
inputs of both sides by the values they are (`rename`), and gives the result canonical names afterwards (`canonical`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netspec.compiler.formula.expr import Expr, Name, names, replace_all
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.simplify import simplified


def rename(formula: Formula, inputs: Sequence[str]) -> Formula:
    """The same formula with other names for its inputs, all changed at once.

    Two inputs may get the same name and are then one input, at the place of the first.
    """
    changed: dict[Expr, Expr] = {Name(old): Name(new) for old, new in zip(formula.inputs, inputs, strict=True)}
    return Formula(tuple(dict.fromkeys(inputs)), replace_all(formula.outputs, changed))


def canonical(formula: Formula) -> Formula:
    """The formula with its inputs called ``x0, x1, ...`` by position."""
    return rename(formula, [f"x{i}" for i in range(len(formula.inputs))])


def substitute(formula: Formula, values: Mapping[str, Expr], inputs: Sequence[str]) -> Formula:
    """Expressions over ``inputs`` put in the place of some inputs, all at once, and simplified."""
    changed: dict[Expr, Expr] = {Name(name): value for name, value in values.items()}
    return Formula(tuple(inputs), simplified(*replace_all(formula.outputs, changed)))


def inline(consumer: Formula, at: int, producer: Formula, output: int = 0) -> Formula:
    """Put a result of ``producer`` in the place of input ``at`` of ``consumer``.

    Inputs of the same name are the same value, apart from input ``at``, whose name goes with it.

    Returns:
        A formula over the producer's inputs, which stand where the input was, among the consumer's others.
    """
    before, name, after = consumer.inputs[:at], consumer.inputs[at], consumer.inputs[at + 1 :]
    inputs = tuple(dict.fromkeys((*before, *producer.inputs, *after)))
    return substitute(consumer, {name: producer.outputs[output]}, inputs)


def union(*formulas: Formula) -> Formula:
    """All results of several formulas, one after the other, over the inputs of all; shared work is done once."""
    inputs = dict.fromkeys(name for formula in formulas for name in formula.inputs)
    return Formula(tuple(inputs), tuple(output for formula in formulas for output in formula.outputs))


def trim(formula: Formula) -> tuple[Formula, tuple[int, ...]]:
    """Without the inputs that do not occur, and the positions of those that stay."""
    used = set(names(*formula.outputs))
    kept = tuple(i for i, name in enumerate(formula.inputs) if name in used)
    return Formula(tuple(formula.inputs[i] for i in kept), formula.outputs), kept


def select(formula: Formula, outputs: Sequence[int]) -> Formula:
    """Only some of the results, in the order asked for."""
    return Formula(formula.inputs, tuple(formula.outputs[i] for i in outputs))
