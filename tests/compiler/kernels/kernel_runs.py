"""What the tests of kernels share: matrices in the layouts that kernels read, and calls of compiled kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.compiler.codegen import objects
from netspec.compiler.kernels.kernel import Body, Kernel

PARTS = (1, 2, 3, 5)
EDGES = (1, 2, 10, 15, 16, 17, 33, 100)
THREADS = 8


def clock_at(step: int) -> NDArray[np.int64]:
    """Step counters of all threads, a cache line apart."""
    clock = np.zeros(8 * THREADS, np.int64)
    clock[::8] = step
    return clock


def address(array: NDArray[Any], offset: int = 0) -> int:
    """Where element `offset` of an array lies."""
    return int(array.ctypes.data) + offset * array.itemsize


def run(kernel: Kernel, words: Sequence[int], parts: int = 1) -> None:
    """Call a kernel for each part in turn."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    function = kind(objects.load([kernel])[kernel])
    arguments = np.array(words, np.int64)
    for part in range(parts):
        function(arguments.ctypes.data, part, parts, part)


@dataclass
class Laid:
    """A float32 matrix in memory, its padding full of NaN."""

    memory: NDArray[np.float32]
    words: tuple[int, int, int, int]
    shape: tuple[int, int]

    def read(self) -> NDArray[np.float32]:
        """The logical matrix."""
        rows, columns = self.shape
        whole = np.concatenate(list(self.memory), axis=1) if self.memory.ndim == 3 else self.memory
        return np.ascontiguousarray(whole[:rows, :columns])

    @property
    def padding(self) -> NDArray[np.float32]:
        """What lies past the last column."""
        whole = np.concatenate(list(self.memory), axis=1) if self.memory.ndim == 3 else self.memory
        return whole[:, self.shape[1] :]


def lay(matrix: NDArray[np.float32], panel_width: int = 0) -> Laid:
    """A matrix in rows of whole vectors, or in panels."""
    rows, columns = matrix.shape
    width = panel_width or -(-columns // 16) * 16
    panels = -(-columns // width)
    whole = np.full((rows, panels * width), np.nan, np.float32)
    whole[:, :columns] = matrix
    if panel_width == 0:
        return Laid(whole, (address(whole), 4 * width, 0, 0), (rows, columns))
    memory = np.ascontiguousarray(whole.reshape(rows, panels, width).transpose(1, 0, 2))
    return Laid(memory, (address(memory), 4 * width, 0, 4 * width * rows), (rows, columns))


def blank(rows: int, columns: int, panel_width: int = 0) -> Laid:
    """Memory for a result, full of NaN."""
    return lay(np.full((rows, columns), np.nan, np.float32), panel_width)


def body(text: str, emit: Callable[..., Sequence[Any]]) -> Body:
    """A body of ``emit(vectors, inputs, place)``."""

    def emitted(builder: Any, inputs: Sequence[Any], place: Any) -> Sequence[Any]:
        from netspec.compiler.kernels.vector_math import Vectors

        return emit(Vectors(builder), inputs, place)

    return Body(text, emitted)


def column_numbers(vectors: Any, place: Any) -> Any:
    """The index of each lane's column, as float32."""
    from llvmlite import ir as llvm

    from netspec.compiler.kernels import ir

    first = ir.splat(vectors.b, vectors.b.sitofp(place.column, ir.F32))
    return vectors.b.fadd(first, llvm.Constant(ir.VEC, [float(lane) for lane in range(16)]))
