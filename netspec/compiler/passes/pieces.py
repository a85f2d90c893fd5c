"""How a node looks as work on rows: its domain, its formula, and which axes of the domain each input has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netspec.compiler.formula import Call, Formula, Name, Reduction
from netspec.compiler.graph import Node, Value
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.elementwise import by_place
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.tensortype import Dim, Size, TensorType, product

_IDENTITY = Formula(("a",), (Name("a"),))


@dataclass(frozen=True)
class Domain:
    """Rows, middle and columns; work on row values alone has one column and fits any number of them."""

    rows: Dim
    middle: Dim
    columns: Dim
    placed: bool = False  # values depend on their index, which among more columns would be another

    @property
    def sizes(self) -> tuple[Dim, Dim, Dim]:
        return self.rows, self.middle, self.columns

    def fits(self, other: Domain) -> bool:
        """Whether work on both can be one loop."""
        same = (self.rows, self.middle) == (other.rows, other.middle)
        return same and (self.columns == other.columns or self._widens or other._widens)

    @property
    def _widens(self) -> bool:
        return self.columns == 1 and not self.placed

    def joined(self, other: Domain) -> Domain:
        return replace(self if other.columns == 1 else other, placed=self.placed or other.placed)


SCALAR = Domain(1, 1, 1)


@dataclass(frozen=True)
class Piece:
    """A node as row work: ``inputs`` with their views, ``result`` the view of what it makes."""

    domain: Domain
    formula: Formula
    inputs: tuple[tuple[Value, str], ...]
    result: str


def piece_of(node: Node) -> Piece | None:  # noqa: PLR0911  one line for each kind of node
    """``node`` as row work; None if it is none."""
    match node.op:
        case Map(formula=formula):
            return _elementwise(node, formula)
        case Cast() | Broadcast() | StopGradient():
            return _elementwise(node, _IDENTITY) if node.types[0].dtype == "float32" else None
        case Gather():
            return _gather(node)
        case Iota(axis=axis):
            return _iota(node, axis)
        case Random(kind=kind):
            return _random(node, kind)
        case Reduce(epilogue=None):
            return _reduction(node)
    return None


def keeps_rows(shape: TensorType, other: TensorType) -> bool:
    """Whether a reshape between two types keeps rows as they are, so that both are seen alike."""
    rows = shape.shape[0] if shape.rank else 1
    other_rows = other.shape[0] if other.rank else 1
    return rows == other_rows or 1 in (shape.elements, other.elements)


def _elementwise(node: Node, formula: Formula) -> Piece | None:
    shape = node.types[0].shape
    if any(type_.shape != shape for type_ in node.types):
        return None
    by_column = any(isinstance(e, Call) and e.function in ("column", "columns") for e in formula.nodes)
    domain = _domain(shape, [value.type.shape for value in node.inputs], by_column=by_column)
    if domain is None:
        return None
    views = [_view(value.type.shape, shape, domain) for value in node.inputs]
    result = _canonical("RMC", domain)
    domain = replace(domain, placed=by_place(formula))
    inputs = tuple((value, view) for value, view in zip(node.inputs, views, strict=True) if view is not None)
    return Piece(domain, formula, inputs, result) if len(inputs) == len(views) else None


def _domain(shape: Sequence[Dim], inputs: Sequence[tuple[Dim, ...]], *, by_column: bool) -> Domain | None:
    """The domain with the fewest axes in which every input has whole axes or none.

    ``by_column``: the formula looks at the index along the last axis, which then may not be merged with others.
    """
    if is_column(shape):
        return None if by_column else Domain(shape[0], 1, 1)
    if len(shape) <= 1:
        return Domain(1, 1, product(shape))
    flat = Domain(shape[0], 1, product(shape[1:]))
    deep = Domain(shape[0], product(shape[1:-1]), shape[-1])
    for domain in (deep,) if by_column else (flat, deep):
        if all(_view(small, shape, domain) is not None for small in inputs):
            return domain
    return None


def is_column(shape: Sequence[Dim]) -> bool:
    """One number a sample."""
    return len(shape) == 1 and isinstance(shape[0], Size)


def _view(small: tuple[Dim, ...], shape: Sequence[Dim], domain: Domain) -> str | None:
    """The axes of ``domain`` that an input of shape ``small`` has; None if it has a part of one."""
    wide = (1,) * (len(shape) - len(small)) + small
    if len(shape) <= 1:
        axis = "R" if is_column(shape) else "C"
        return _canonical(axis if wide and wide == tuple(shape) else "", domain)
    # Where the middle has one element, all axes of a sample are columns.
    cut = 1 if domain.middle == 1 else len(shape) - 1
    groups = (wide[:1], wide[1:cut], wide[cut:])
    whole = (tuple(shape[:1]), tuple(shape[1:cut]), tuple(shape[cut:]))
    view = ""
    for axis, part, full in zip("RMC", groups, whole, strict=True):
        if part == full:
            view += axis
        elif any(n != 1 for n in part):
            return None
    return _canonical(view, domain)


def _canonical(view: str, domain: Domain) -> str:
    """Without axes of size 1, so that equal views are written alike."""
    sizes = dict(zip("RMC", domain.sizes, strict=True))
    return "".join(axis for axis in view if sizes[axis] != 1)


def _gather(node: Node) -> Piece:
    shape = node.types[0].shape
    domain = Domain(shape[0], 1, product(shape[1:]))
    view = _canonical("RC", domain)
    return Piece(domain, _IDENTITY, ((node.value(), view),), view)


def _iota(node: Node, axis: int) -> Piece | None:
    shape = node.types[0].shape
    if axis not in (-1, len(shape) - 1) or is_column(shape):
        return None
    if len(shape) == 1 or product(shape[:-1]) == 1:
        domain = Domain(1, 1, shape[-1])
    else:
        domain = Domain(shape[0], product(shape[1:-1]), shape[-1], placed=True)
    return Piece(domain, Formula((), (Call("column"),)), (), _canonical("RMC", domain))


def _random(node: Node, kind: str) -> Piece:
    shape = node.types[0].shape
    by_rows = len(shape) > 1 or is_column(shape)
    domain = Domain(shape[0], 1, product(shape[1:])) if by_rows else Domain(1, 1, product(shape))
    formula = Formula(("hi", "lo", "step"), (Call(kind, Name("hi"), Name("lo"), Name("step")),))
    inputs = tuple((value, "") for value in node.inputs)
    return Piece(replace(domain, placed=True), formula, inputs, _canonical("RMC", domain))


def _reduction(node: Node) -> Piece | None:
    """A reduction over all axes at the end; one over the rows is a fold and stands apart."""
    assert isinstance(node.op, Reduce)
    shape = node.inputs[0].type.shape
    first = min(node.op.axes)
    if first == 0 or sorted(node.op.axes) != list(range(first, len(shape))):
        return None
    domain = Domain(shape[0], product(shape[1:first]), product(shape[first:]))
    formula = Formula(("a",), (Reduction(node.op.kind, Name("a")),)) if domain.columns != 1 else _IDENTITY
    inputs = ((node.inputs[0], _canonical("RMC", domain)),)
    return Piece(domain, formula, inputs, _canonical("RM", domain))
