"""Types of tensors: a dtype and a shape whose sizes may be symbolic, and how the tensor lies in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

DType: TypeAlias = Literal["float32", "float64", "uint8", "uint16", "int32", "int64"]
DTYPES: Final[tuple[str, ...]] = get_args(DType)
ITEM_BYTES: Final[Mapping[str, int]] = {"float32": 4, "float64": 8, "uint8": 1, "uint16": 2, "int32": 4, "int64": 8}


class ShapeError(ValueError):
    """Shapes that do not fit; ``advice`` is the way out, for the diagnostic's help line."""

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True)
class Size:
    """A polynomial with integer coefficients over symbols: ``25*|chars| + 231100``, ``B``, ``B*T``.

    ``terms`` maps a sorted tuple of symbols to its coefficient, as sorted pairs; no coefficient is zero. A size without
    symbols is never a `Size` but an ``int``: build sizes with the operators and `size`.
    """

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @property
    def symbols(self) -> frozenset[str]:
        return frozenset(symbol for powers, _ in self.terms for symbol in powers)

    def bind(self, values: Mapping[str, Dim]) -> Dim:
        """The size with some symbols replaced by numbers or sizes."""
        total: Dim = 0
        for powers, coefficient in self.terms:
            product: Dim = coefficient
            for symbol in powers:
                product = product * values.get(symbol, size(symbol))
            total = total + product
        return total

    def __add__(self, other: Dim) -> Dim:
        return _collect([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __mul__(self, other: Dim) -> Dim:
        if isinstance(other, int):  # nearly always
            return Size(tuple((p, a * other) for p, a in self.terms)) if other else 0
        return _collect((tuple(sorted(p + q)), a * b) for p, a in self.terms for q, b in _terms(other))

    __rmul__ = __mul__

    def __sub__(self, other: Dim) -> Dim:
        return self + (other * -1)

    def __rsub__(self, other: Dim) -> Dim:
        return other + (self * -1)

    def __str__(self) -> str:
        text = ""
        for powers, coefficient in sorted(self.terms, key=lambda term: (-len(term[0]), term[0])):
            sign = (" - " if text else "-") if coefficient < 0 else (" + " if text else "")
            factors = [str(abs(coefficient))] * (abs(coefficient) != 1 or not powers) + list(powers)
            text += sign + "*".join(factors)
        return text

    __repr__ = __str__


Dim: TypeAlias = "int | Size"


def size(symbol: str) -> Size:
    """The size that is the symbol itself."""
    return Size((((symbol,), 1),))


def _terms(value: Dim) -> tuple[tuple[tuple[str, ...], int], ...]:
    return value.terms if isinstance(value, Size) else (((), value),)


def _collect(terms: Iterable[tuple[tuple[str, ...], int]]) -> Dim:
    total: dict[tuple[str, ...], int] = {}
    for powers, coefficient in terms:
        total[powers] = total.get(powers, 0) + coefficient
    kept = {powers: coefficient for powers, coefficient in total.items() if coefficient}
    if not kept.keys() - {()}:
        return kept.get((), 0)
    return Size(tuple(sorted(kept.items())))


BATCH: Final = size("B")


@dataclass(frozen=True)
class Layout:
    """How a tensor lies in memory; the interpreter ignores it.

    ``rows``: the first axis strides over rows of all others, each row padded to whole vectors.
    ``panels``: of a matrix, ``[column / width][row][width]``; what a product streams as its right side.
    ``lanes``: ``[sample / 16][channel][pixel][16]``; what kernels over windows read and write for many samples.
    ``filters``: of weights ``[*taps, in, out]`` in ``width`` groups, ``[group][out / 16][in][taps][16]``; what kernels
    over windows stream for few samples. ``turned``: the same with the two kinds of channels swapped.
    ``columns``: of a matrix, ``[column][row]``; its transpose is the same memory in ``rows``.
    """

    kind: Literal["rows", "panels", "lanes", "filters", "turned", "columns"] = "rows"
    width: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.width}" if self.width else self.kind


ROWS: Final = Layout()
LANES: Final = Layout("lanes")
COLUMNS: Final = Layout("columns")


@dataclass(frozen=True)
class TensorType:
    """A dtype, a shape and a layout: ``float32[B, 784]``."""

    dtype: DType
    shape: tuple[Dim, ...]
    layout: Layout = ROWS

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def channels(self) -> Dim:
        """The size of the last axis."""
        return self.shape[-1]

    @property
    def elements(self) -> Dim:
        return product(self.shape)

    def with_shape(self, shape: Iterable[Dim]) -> TensorType:
        return replace(self, shape=tuple(shape), layout=ROWS)

    def with_layout(self, layout: Layout) -> TensorType:
        return replace(self, layout=layout)

    def bind(self, values: Mapping[str, Dim]) -> TensorType:
        return replace(self, shape=tuple(bind(n, values) for n in self.shape))

    def __str__(self) -> str:
        layout = "" if self.layout == ROWS else f"{{{self.layout}}}"
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]{layout}"


def laid_out(types: tuple[TensorType, ...], layouts: tuple[Layout, ...]) -> tuple[TensorType, ...]:
    """``types`` in the layouts that a pass has chosen, if any."""
    return tuple(t.with_layout(layout) for t, layout in zip(types, layouts, strict=True)) if layouts else types


def is_length(n: Dim) -> bool:
    """Whether a size is a length that differs from sample to sample, not a number that the data will tell, ``|F|``."""
    return isinstance(n, Size) and not any(symbol.startswith("|") for symbol in n.symbols)


def merged(shape: Iterable[Dim]) -> tuple[Dim, ...]:
    """The shape of a sample as graphs have it, with batch and lengths as one axis: ``[T, C, 8]`` is ``[B*T*T.C, 8]``.

    Rows go by time: step t of sample b is row ``t*B + b``, and of a length inside another the inner step counts most.
    That a length is inside another is in its symbol, ``T.C``, so that the axis alone tells the lengths in their order.

    Raises:
        ShapeError: if a length stands behind a fixed axis.
    """
    rows: Dim = BATCH
    path, fixed = "", list[Dim]()
    for n in shape:
        if not is_length(n):
            fixed.append(n)
        elif fixed:
            raise ShapeError(f"lengths stand before fixed axes, got {show_shape(shape)}")
        else:
            path = f"{path}.{n}" if path else str(n)
            rows = rows * size(path)
    return (rows, *fixed)


def lengths(rows: Dim) -> tuple[Dim, ...]:
    """The lengths, outermost first, of an axis that merges batch and lengths: of ``B*T - 2*B`` it is ``T - 2``."""
    if not isinstance(rows, Size) or not BATCH.symbols <= rows.symbols:
        return ()
    symbols = sorted(rows.symbols - BATCH.symbols, key=lambda symbol: (symbol.count("."), symbol))
    # Each length is its symbol plus a number, which stands before the product of all other symbols.
    numbers = dict(rows.terms)
    rest = {own: tuple(sorted([*BATCH.symbols, *(s for s in symbols if s != own)])) for own in symbols}
    return tuple(size(symbol) + numbers.get(rest[symbol], 0) for symbol in symbols)


def without_last(rows: Dim) -> Dim:
    """What stands before the last length of an axis that merges batch and lengths: of ``B*T*T.C`` it is ``B*T``."""
    last = lengths(rows)[-1]
    assert isinstance(rows, Size)
    assert isinstance(last, Size)
    # The last length is its symbol plus a number: what the symbol is multiplied by is the rest.
    (symbol,) = last.symbols
    kept = [(tuple(s for s in powers if s != symbol), count) for powers, count in rows.terms if symbol in powers]
    return _collect(kept)


def sample_shape(shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """The shape of one sample, as users write it, of a shape as graphs have it: the inverse of `merged`."""
    own = {
        symbol: size(symbol.rpartition(".")[2])
        for n in lengths(shape[0])
        if isinstance(n, Size)
        for symbol in n.symbols
    }
    return (*(bind(n, own) for n in lengths(shape[0])), *shape[1:])


def bind(value: Dim, values: Mapping[str, Dim]) -> Dim:
    """``value`` with symbols replaced."""
    return value.bind(values) if isinstance(value, Size) else value


def known(value: Dim) -> int:
    """``value`` as a number.

    Raises:
        ShapeError: if it still has symbols.
    """
    if isinstance(value, Size):
        raise ShapeError(f"the size {value} is not known yet")
    return value


def product(sizes: Iterable[Dim]) -> Dim:
    """The product of sizes; 1 for none."""
    total: Dim = 1
    for n in sizes:
        total = total * n
    return total


def total(sizes: Iterable[Dim]) -> Dim:
    """The sum of sizes; 0 for none."""
    found: Dim = 0
    for n in sizes:
        found = found + n
    return found


def broadcast(*shapes: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """The shape that NumPy's rules give.

    Raises:
        ShapeError: if two sizes on one axis differ and neither is 1.
    """
    first = next(filter(None, shapes), ())
    if all(shape in (first, ()) for shape in shapes):  # the most frequent by far
        return first
    rank = max(map(len, shapes), default=0)
    result: list[Dim] = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        wide = [n for n in sizes if n != 1]
        if any(n != wide[0] for n in wide):
            raise ShapeError(f"shapes {', '.join(map(show_shape, shapes))} do not fit together")
        result.append(wide[0] if wide else 1)
    return tuple(result)


def show_shape(shape: Iterable[Dim]) -> str:
    """A shape as users write it: ``[28, 28, 1]``."""
    return f"[{', '.join(map(str, shape))}]"
