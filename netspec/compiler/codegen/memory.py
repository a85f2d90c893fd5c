"""Memory that kernels work in: aligned to cache lines, in huge pages where the system grants them."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.compiler.codegen.buffers import SPARE, pack, unpack
from netspec.compiler.graph.lowering import Buffer
from netspec.tensortype import bind, known

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes: TypeAlias = npt.NDArray[np.uint8]
    Array: TypeAlias = npt.NDArray[Any]

HUGE_PAGE = 2 << 20
ALIGNMENT = 128  # processors fetch cache lines in pairs


def allocate(count: int) -> Bytes:
    """Zeroed bytes, with `SPARE` more behind them that vectors may touch."""
    import numpy as np

    whole = count + SPARE
    if whole < HUGE_PAGE // 2 or not hasattr(mmap, "MADV_HUGEPAGE"):
        raw = np.zeros(whole + ALIGNMENT, np.uint8)
        return raw[-raw.ctypes.data % ALIGNMENT :][:count]
    # A private mapping: the default, shared with children, gets no huge pages.
    pages = mmap.mmap(-1, whole + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.madvise(mmap.MADV_HUGEPAGE)
    raw = np.frombuffer(pages, np.uint8)
    return raw[-raw.ctypes.data % HUGE_PAGE :][:count]


def keep(array: Array) -> Array:
    """A copy of rows of the data where a kernel may read a vector past the end."""
    memory = allocate(array.nbytes).view(array.dtype).reshape(array.shape)
    memory[...] = array
    return memory


class Store:
    """The arrays that outlive a step, by key: parameters, state, what is derived from them, constants."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Buffer, Bytes, tuple[int, ...]]] = {}

    def put(self, buffer: Buffer, array: Array) -> bool:
        """Hold ``array`` as ``buffer`` lays it out; in place if the key is held already and there is room for it.

        Whether the key was held and lies elsewhere now: where the batch is in a size, ``array`` says how large it is.
        """
        held, size = self._held.get(buffer.name), known(bind(buffer.bytes, {"B": len(array) if array.ndim else 1}))
        moves = held is not None and held[1].nbytes < size
        memory = allocate(size) if held is None or moves else held[1]
        pack(buffer, memory, array)
        self._held[buffer.name] = (buffer, memory, array.shape)
        return moves

    def get(self, key: str) -> Array:
        """A copy of the array in its logical form."""
        buffer, memory, shape = self._held[key]
        return unpack(buffer, memory, shape)

    def memory(self, buffer: Buffer) -> Bytes:
        """The bytes of a buffer that must be laid out as the held one.

        Raises:
            KeyError: if nothing is held for it.
            ValueError: if the layouts differ.
        """
        held, memory, _ = self._held[buffer.name]
        if (held.type, held.row_stride) != (buffer.type, buffer.row_stride):
            raise ValueError(
                f"`{buffer.name}` is held as {held.type} and asked for as {buffer.type}, or padded otherwise"
            )
        return memory

    def layouts(self) -> Mapping[str, Buffer]:
        """The buffers held, by key."""
        return {key: buffer for key, (buffer, _, _) in self._held.items()}

    def __contains__(self, key: str) -> bool:
        return key in self._held

    @property
    def bytes(self) -> int:
        """What all arrays take."""
        return sum(memory.nbytes for _, memory, _ in self._held.values())
