"""Matrix products: ``C[m, n] = epilogue(sum over k of A[m, k] B[k, n], extras)``.

Each element is one ascending chain of multiply-adds from zero, whatever tile, edge, block or thread computes it.
``A`` is read as scalars with any two strides, so ``A`` and its transpose cost the same. How the loops are blocked for
the caches are words, not constants: one kernel serves every size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from netspec.compiler.kernels.kernel import UNIT, Body, Kernel, Operand, Result, operand_words
from netspec.compiler.kernels.processor import Tile

WORDS = (
    *("a", "a_row", "a_col", "b", "b_panel", "b_row", "m", "n", "k", "panel_width"),
    *("clock", "scratch", "row_block", "depth_block", "packed", "scratch_thread", "strip", "across"),
)
HEADER = 18  # words before those of the extras and the results
DEEPEST = 256  # rows of a block of B where there are several
DEEPEST_TURNED = 128  # the same where A lies in columns: each of its lines, in the first-level cache, is for one depth
BLOCK_ROWS = 224  # of a product with blocks of depth: the more, the less often B comes from memory
STRIP = 16  # vectors of columns that a block of B has at the most: the more, the less often A comes from memory
PACKED_BYTES = 64 * STRIP * DEEPEST  # of scratch: a block of B
PARTIAL_BYTES = 64 * STRIP * BLOCK_ROWS  # of scratch: accumulators between two blocks of depth
SCRATCH_BYTES = PACKED_BYTES + PARTIAL_BYTES  # for each thread
PACKING_ROWS = 96  # the fewest that pay for packing a block of B
SECOND_LEVEL_BYTES = 448 << 10  # what a block of A may take of a second-level cache (512 kB at the least, here 1 MB)
FAR_BYTES = 1 << 20  # of B, from which on it is not in the second-level cache when it is read


@dataclass(frozen=True)
class Contract:
    """The static description of a product: all that its code depends on."""

    tile: Tile
    extras: tuple[Operand, ...]
    results: tuple[Result, ...]
    epilogue: Body
    deferred: bool

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        extras, results = (", ".join(map(repr, part)) for part in (self.extras, self.results))
        kind = "deferred" if self.deferred else "direct"
        return f"contract {self.tile.rows}x{self.tile.vectors} {kind} [{extras}] -> [{results}]\n{self.epilogue.text}"


def contract_kernel(
    tile: Tile, extras: tuple[Operand, ...], results: tuple[Result, ...], epilogue: Body, deferred: bool
) -> Kernel:
    """The kernel of a product.

    ``epilogue`` takes ``[sum, *extras]`` and gives one vector for each result. ``deferred`` runs it on a tile while
    the next one is summed: for optimizers, whose roots and divisions take long on a unit that sums leave idle. The
    results may then lie where extras lie.

    Raises:
        ValueError: if a result is not whole rows, or an extra is gathered.
    """
    if any(result.kind != "rows" for result in results) or any(extra.gathered for extra in extras):
        raise ValueError("a product writes whole rows and gathers nothing")
    if tile.tall and not deferred:
        tile = replace(tile, rows=tile.tall, tall=0)
    product = Contract(tile, extras, results, epilogue, deferred)

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.contract_loops import emit_contract

        return emit_contract(product)

    suffix = "_deferred" if deferred else ""
    return Kernel(f"contract_{tile.rows}x{tile.vectors}{suffix}", product.text, build)


def contract_words(
    a: int,
    a_row: int,
    a_col: int,
    b: int,
    b_panel: int,
    b_row: int,
    m: int,
    n: int,
    k: int,
    panel_width: int,
    clock: int,
    scratch: Sequence[int],
    extras: Sequence[Sequence[int]] = (),
    results: Sequence[Sequence[int]] = (),
    deferred: bool = False,
    across: bool = False,
) -> list[int]:
    """The argument words of a product; strides in bytes, ``panel_width`` 16 or 32 columns.

    ``scratch`` is an address of at least ``SCRATCH_BYTES`` for each thread, and the bytes from one thread's to the
    next's; the address zero forbids blocking over the depth and packing, which a deferred
    product does without in any case. ``across``: threads share the columns, not the rows.

    Raises:
        ValueError: if a size is not positive or the panel width unknown.
    """
    if min(m, n, k) < 1 or panel_width not in (16, 32):
        raise ValueError(f"no product of {m} x {k} x {n} in panels of {panel_width} columns")
    address, scratch_thread = scratch
    deepest = DEEPEST if a_col <= a_row else DEEPEST_TURNED
    row_block, depth_block, packed, strip = _blocks(m, k, b_row, panel_width, address, deferred, deepest)
    words = [a, a_row, a_col, b, b_panel, b_row, m, n, k, panel_width]
    words += [clock, address, row_block, depth_block, packed, scratch_thread, strip, int(across)]
    return [*words, *operand_words((*extras, *results))]


def _blocks(
    m: int, k: int, b_row: int, panel_width: int, scratch: int, deferred: bool, deepest: int
) -> tuple[int, int, int, int]:
    """Rows and depth of a block, whether B is packed, and the vectors of a strip.

    A block of B and one of A stay in the second-level cache while they are used; of A the rows of a tile in the first.
    """
    rows = max(UNIT, SECOND_LEVEL_BYTES // (4 * k) // UNIT * UNIT)
    scratch = 0 if deferred else scratch
    depth = k
    if scratch and k > deepest * 3 // 2 and m > UNIT // 2:
        pieces = -(-k // deepest)
        depth = -(-k // pieces)
        rows = BLOCK_ROWS
    strip = max(2, min(STRIP, SECOND_LEVEL_BYTES // (128 * depth) // 2 * 2))
    # Rows of B that are a multiple of half a page apart fall on few sets of the first-level cache: packing gains
    # 1 to 2 % then, if many rows of A share it.
    packed = (
        scratch and depth <= DEEPEST and b_row > 4 * panel_width and b_row % 2048 == 0 and min(m, rows) >= PACKING_ROWS
    )
    return rows, depth, int(bool(packed)), strip
