"""What an op's lowering speaks of: buffers, the axis that a kernel is split on, calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from netspec.compiler.graph.node import Graph, Node, Value
from netspec.compiler.kernels.kernel import Kernel
from netspec.tensortype import ITEM_BYTES, Dim, TensorType, product, size

if TYPE_CHECKING:
    from netspec.compiler.kernels.processor import Tile

INDEX = size("|index|")
"""How many rows the index of a run names: its steps times the batch."""

Place: TypeAlias = Literal["arena", "stored", "persistent", "index", "step", "constant"]


Padding: TypeAlias = Literal["none", "vectors", "spill"]
"""Behind each row: nothing, up to whole vectors, or a vector more, for stores that begin anywhere in the row."""


@dataclass(frozen=True, eq=False)
class Buffer:
    """Memory of one value; ``persistent`` outlives a step, ``step`` holds one scalar for every step of a run.

    Rows of a buffer are padded to whole vectors and strides are in bytes, maybe symbolic in the batch. In lanes, the
    row stride is that of a block of 16 samples and the panel stride that of a channel.

    A part of another buffer begins at its ``offset`` and, in a loop, moves on by ``step`` from round to round, both in
    bytes; ``block``: its rows are one of equal blocks of rows that the whole has.
    """

    name: str
    type: TensorType
    place: Place
    rows: Dim
    row_stride: Dim
    panel_stride: Dim
    bytes: Dim
    whole: Buffer | None = None
    offset: Dim = 0
    step: Dim = 0
    block: bool = False

    @property
    def memory(self) -> Buffer:
        """What the bytes belong to: another buffer, if this one only sees that in another shape."""
        return self if self.whole is None else self.whole

    @property
    def contiguous(self) -> bool:
        """Whether elements follow one another without padding."""
        if self.type.layout.kind != "rows":
            return False
        features = product(self.type.shape[1:])
        return self.rows == 1 or self.row_stride == features * ITEM_BYTES[self.type.dtype]


@dataclass(frozen=True)
class Pointer:
    """The address of a buffer plus ``offset`` bytes."""

    buffer: Buffer
    offset: Dim = 0


@dataclass(frozen=True)
class Clock:
    """The address of the step counters."""


@dataclass(frozen=True)
class Scratch:
    """Scratch memory, ``bytes`` for each thread: its address, and how far apart what threads have lies.

    That distance is the program's, not the call's own need: threads that run apart between two barriers are in
    different calls, whose memory must not overlap.
    """

    bytes: Dim


Word: TypeAlias = "int | Dim | Pointer | Clock | Scratch"


@dataclass(frozen=True)
class Split:
    """The axis along which threads own units of a buffer; equal splits give a thread the same part.

    ``blocks``: of each block of so many rows, as of the steps of a loop, those that ``rows`` would be of one block.
    ``pairs`` are columns by pairs of vectors. ``pieces`` are cut as suits one call: only what it writes is split so and
    whoever reads that reads all of it.
    """

    axis: Literal["rows", "columns", "pairs", "blocks", "pieces"]
    extent: Dim


@dataclass(frozen=True)
class Access:
    """What a call touches of a buffer: its own part of ``split``, or all of it."""

    buffer: Buffer
    split: Split | None = None


Pack: TypeAlias = "Callable[..., Sequence[int]]"
Argument: TypeAlias = "Word | bool | Sequence[Argument]"


@dataclass(frozen=True)
class Call:
    """One row of the program: a kernel, the words of its arguments, and what it reads and writes.

    ``pack`` makes the words once addresses and sizes are known: it is called with ``arguments``, every `Word` in them
    replaced by its number. ``over`` are pairs of a result and an input that it may be written over, element by element.
    """

    kernel: Kernel
    pack: Pack
    arguments: Mapping[str, Argument]
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    node: Node
    over: tuple[tuple[Buffer, Buffer], ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        return (self,)


@dataclass(frozen=True)
class Loop:
    """Calls that run ``rounds`` times one after the other; a barrier stands after each phase if there are several.

    What they touch is told as if they were one call.
    """

    phases: tuple[tuple[Call, ...], ...]
    rounds: Dim
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    node: Node

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(call for phase in self.phases for call in phase)


class Lowering(ABC):
    """What an op may ask and say while it is lowered."""

    tile: Tile

    @abstractmethod
    def buffer(self, value: Value, padding: Padding = "vectors") -> Buffer:
        """The memory of a value; results get theirs here."""

    @abstractmethod
    def call(
        self,
        kernel: Kernel,
        pack: Pack,
        arguments: Mapping[str, Argument],
        reads: Sequence[Access],
        writes: Sequence[Access],
        over: Sequence[tuple[Buffer, Buffer]] = (),
    ) -> None:
        """Run ``kernel`` for the node that is being lowered, after the calls it made before.

        ``over``: results and inputs, both elements of which are only touched together.
        """

    @abstractmethod
    def loop(self, body: Graph, buffers: Mapping[Value, Buffer], rounds: Dim) -> None:
        """Run ``body`` that often: values in ``buffers`` lie there, and all others live within a round."""

    @abstractmethod
    def extent(self, value: Value, size: Dim) -> None:
        """``value`` is the number ``size``, known when the program is bound."""

    @abstractmethod
    def alias(self, value: Value, other: Value) -> bool:
        """Let ``value`` lie in the memory of ``other``, element for element; False if padding stands in the way."""

    @abstractmethod
    def inside(self, value: Value, other: Value, axis: int, start: Dim) -> bool:
        """Let ``value`` be the part of ``other`` from ``start`` along the first or last axis; False if it cannot be."""

    @abstractmethod
    def turn(self, value: Value, other: Value) -> None:
        """Let ``value`` be ``other`` transposed, in the same memory; one of them lies in columns."""

    @abstractmethod
    def temporary(self, type_: TensorType, padding: Padding = "none") -> Buffer:
        """Memory for what the node that is being lowered has to lay out anew."""
