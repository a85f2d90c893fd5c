"""Scalar expressions as immutable nodes that share: two equal expressions are one object.

Every node is interned: constructing it a second time gives the first one back. Equality is therefore identity, hashing
costs nothing, and a common subexpression is found by looking at the object, however large the expression below it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from math import copysign, isfinite
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

Node = TypeVar("Node", bound="Expr")

_lock = Lock()
_interned: WeakValueDictionary[tuple[Any, ...], Expr] = WeakValueDictionary()


class Expr:
    """A node of a formula: `Constant`, `Name`, `Call` or `Reduction`. Prints as text that parses to the same node."""

    __slots__ = ("__weakref__", "operands")
    operands: tuple[Expr, ...]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a formula's nodes never change, `{name}` cannot be set")

    def __str__(self) -> str:
        from netspec.compiler.formula.printing import render

        return render((self,))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


def _intern(cls: type[Node], key: tuple[Any, ...], operands: tuple[Expr, ...], /, **fields: object) -> Node:
    with _lock:  # two threads that make the same node at once must get the same object
        known = _interned.get(key)
        if known is None:
            known = object.__new__(cls)
            object.__setattr__(known, "operands", operands)
            for name, value in fields.items():
                object.__setattr__(known, name, value)
            _interned[key] = known
    assert isinstance(known, cls)
    return known


class Constant(Expr):
    """A finite number, held in float64."""

    __slots__ = ("value",)
    value: float

    def __new__(cls, value: float) -> Constant:
        value = float(value)
        if not isfinite(value):
            raise ValueError(f"a constant of a formula is finite, got {value}")
        return _intern(cls, (cls, value, copysign(1.0, value)), (), value=value)  # 0.0 and -0.0 are two constants

    def __reduce__(self) -> tuple[type[Constant], tuple[float]]:
        return Constant, (self.value,)


class Name(Expr):
    """An input of the formula."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str) -> Name:
        return _intern(cls, (cls, name), (), name=name)

    def __reduce__(self) -> tuple[type[Name], tuple[str]]:
        return Name, (self.name,)


class Call(Expr):
    """A function or operator of the table in `functions` applied to operands: ``Call("+", a, b)``."""

    __slots__ = ("function",)
    function: str

    def __new__(cls, function: str, *operands: Expr) -> Call:
        return _intern(cls, (cls, function, operands), operands, function=function)

    def __reduce__(self) -> tuple[type[Call], tuple[object, ...]]:
        return Call, (self.function, *self.operands)


class Reduction(Expr):
    """``sum``, ``max`` or ``min`` of an expression over the last axis, which stays with length 1."""

    __slots__ = ("kind",)
    kind: str

    def __new__(cls, kind: str, body: Expr) -> Reduction:
        return _intern(cls, (cls, kind, body), (body,), kind=kind)

    def __reduce__(self) -> tuple[type[Reduction], tuple[object, ...]]:
        return Reduction, (self.kind, self.body)

    @property
    def body(self) -> Expr:
        """What is reduced."""
        return self.operands[0]


ZERO, ONE = Constant(0.0), Constant(1.0)


@lru_cache(maxsize=4096)  # the passes over a network of 50 layers walk some hundred formulas 10,000 times
def walk(*roots: Expr) -> tuple[Expr, ...]:
    """Every node once, operands before the nodes that use them, left to right. Not recursive."""
    order: list[Expr] = []
    done: set[Expr] = set()
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        if node in done:
            continue
        waiting = [operand for operand in node.operands if operand not in done]
        if waiting:
            stack.append(node)
            stack.extend(reversed(waiting))
        else:
            done.add(node)
            order.append(node)
    return tuple(order)


def with_operands(node: Expr, operands: Iterable[Expr]) -> Expr:
    """``node`` over other operands."""
    match node:
        case Call():
            return Call(node.function, *operands)
        case Reduction():
            return Reduction(node.kind, *operands)
    return node


def transform(roots: Iterable[Expr], change: Callable[[Expr, tuple[Expr, ...]], Expr]) -> tuple[Expr, ...]:
    """Rebuild bottom-up: ``change(node, new operands)`` gives what stands in the node's place."""
    roots = tuple(roots)
    new: dict[Expr, Expr] = {}
    for node in walk(*roots):
        new[node] = change(node, tuple(new[operand] for operand in node.operands))
    return tuple(new[root] for root in roots)


def replace_all(roots: Iterable[Expr], replacements: Mapping[Expr, Expr]) -> tuple[Expr, ...]:
    """Put other expressions in the place of whole subexpressions, all at once; what is put in is not searched again."""

    def change(node: Expr, operands: tuple[Expr, ...]) -> Expr:
        if node in replacements:
            return replacements[node]
        return node if operands == node.operands else with_operands(node, operands)

    return transform(roots, change)


def replace(expr: Expr, replacements: Mapping[Expr, Expr]) -> Expr:
    """`replace_all` for one expression.

    The derivative of ``tanh(x)`` is ``1 - tanh(x)**2``: replacing ``tanh(x)`` by the name of its stored value leaves
    an expression in which ``x`` no longer occurs, so ``x`` need not be stored.
    """
    return replace_all((expr,), replacements)[0]


@lru_cache(maxsize=4096)
def names(*roots: Expr) -> tuple[str, ...]:
    """The names that occur, each once, in the order in which they are met."""
    return tuple(node.name for node in walk(*roots) if isinstance(node, Name))


def reductions(*roots: Expr) -> Iterator[Reduction]:
    """The reductions that occur, inner ones first."""
    return (node for node in walk(*roots) if isinstance(node, Reduction))
