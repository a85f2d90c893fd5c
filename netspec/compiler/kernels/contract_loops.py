"""The loops around the tiles of a product: blocks of rows, strips of columns, blocks of depth, rows, tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract import BLOCK_ROWS, FAR_BYTES, PACKED_BYTES, SECOND_LEVEL_BYTES, WORDS, Contract
from netspec.compiler.kernels.contract_emit import (
    Columns,
    argument,
    edge_widths,
    emit_deferred,
    emit_finish,
    emit_pack,
    emit_tile,
    heights,
)
from netspec.compiler.kernels.ir import I64, Builder, Value
from netspec.compiler.kernels.kernel import UNIT


def emit_contract(product: Contract) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Loops(product, builder, *words).emit())


@dataclass(frozen=True)
class _Block:
    """Rows ``row`` to ``stop``, ``depth`` of depth from ``k`` on, and a strip of vectors from ``vector`` to ``end``."""

    row: Value
    stop: Value
    k: Value
    depth: Value
    vector: Value
    end: Value


class _Loops:
    """The loops around the tiles: blocks of rows, strips of columns, blocks of depth, rows, tiles."""

    def __init__(
        self, product: Contract, builder: Builder, args: Value, part: Value, parts: Value, thread: Value
    ) -> None:
        self.product, self.builder, self.args, self.thread = product, builder, args, thread
        word = partial(argument, builder, args)
        self.word = {name: word(i) for i, name in enumerate(WORDS)}
        if product.deferred:  # sums wait in one buffer
            self.word |= {"depth_block": self.word["k"], "packed": I64(0)}
        self.columns = Columns.of(builder, self.word["b_panel"], self.word["panel_width"])
        self.vectors = builder.lshr(builder.add(self.word["n"], I64(15)), I64(4))
        self.packed = builder.icmp_signed("!=", self.word["packed"], I64(0))
        self.first, self.stop, self.left, self.right = self._share(part, parts)
        self.scratch = builder.add(self.word["scratch"], builder.mul(thread, self.word["scratch_thread"]))
        tile = product.tile
        widths = {tile.vectors, 1}
        self.edges = edge_widths(tile)
        shapes = {(h, w) for h in heights(tile.rows) for w in widths}
        shapes |= {(h, 1 << i) for h, widest in self.edges.items() for i in range(widest.bit_length())}
        self.tiles = {shape: emit_tile(builder, *shape) for shape in sorted(shapes)}
        self.reaching = None if product.deferred else emit_tile(builder, tile.rows, tile.vectors, reaching=True)
        self.finish = {w: emit_finish(builder, product, w) for w in widths}
        self.later = emit_deferred(builder, product, tile.vectors) if product.deferred else None
        self.pack = emit_pack(builder)
        with builder.goto_entry_block():
            held = max(h * w for h, w in self.tiles)
            self.buffer = builder.ptrtoint(_aligned(builder, held), I64)
            # Of the tile whose epilogue is owed: row, vector, rows (none: zero), vectors.
            self.owed = [builder.alloca(I64) for _ in range(4)] if product.deferred else []

    def _share(self, part: Value, parts: Value) -> tuple[Value, Value, Value, Value]:
        """The rows and the vectors of columns of a part: all columns of some rows, or all rows of pairs of vectors."""
        builder, m = self.builder, self.word["m"]
        across = builder.icmp_signed("!=", self.word["across"], I64(0))

        def cut(count: Value, unit: int, *, whole: Value) -> list[Value]:
            shift = I64(unit.bit_length() - 1)
            units = builder.lshr(builder.add(count, I64(unit - 1)), shift)
            ends = [builder.udiv(builder.mul(p, units), parts) for p in (part, builder.add(part, I64(1)))]
            first, stop = (ir.minimum(builder, builder.shl(end, shift), count) for end in ends)
            return [builder.select(whole, I64(0), first), builder.select(whole, count, stop)]

        first, stop = cut(m, UNIT, whole=across)
        left, right = cut(self.vectors, 2, whole=builder.not_(across))
        return first, stop, left, right

    def emit(self) -> None:
        builder = self.builder
        if self.product.deferred:
            for place in self.owed[2:]:
                builder.store(I64(0), place)
        whole = self._whole()

        def block(row: Value, _: list[Value]) -> None:
            self._strips(row, ir.minimum(builder, builder.add(row, rows), whole))

        rows = self._even_rows(builder.sub(whole, self.first))
        ir.counted(builder, self.first, whole, [], block, rows, unroll=False)
        if self.product.deferred:
            self._settle()
        ir.when(builder, builder.icmp_signed("<", whole, self.stop), lambda: self._edge(whole))

    def _even_rows(self, count: Value) -> Value:
        """Rows of a block: as few blocks as can be, and none of them much smaller, for each reads all of B."""
        builder, most, height = self.builder, self.word["row_block"], self.product.tile.rows
        pieces = builder.udiv(builder.add(count, builder.sub(most, I64(1))), most)
        pieces = builder.select(builder.icmp_signed(">", pieces, I64(0)), pieces, I64(1))
        rows = builder.udiv(builder.add(count, builder.sub(pieces, I64(1))), pieces)
        tiles = builder.udiv(builder.add(rows, I64(height - 1)), I64(height))
        rows = ir.minimum(builder, builder.mul(tiles, I64(height)), most)
        return builder.select(builder.icmp_signed(">", rows, I64(0)), rows, most)

    def _whole(self) -> Value:
        """The end of the rows that bands compute; the one to three below would leave the multipliers idle there.

        Their pass over B is cheap where it comes from the second-level cache, and free where no other rows need it.
        What `_tail` takes is none.
        """
        builder, height = self.builder, self.product.tile.rows
        count = builder.sub(self.stop, self.first)
        few = builder.icmp_signed("<", count, I64(min(4, height)))
        near = builder.icmp_signed("<=", builder.mul(self.vectors, self.word["k"]), I64(2 * SECOND_LEVEL_BYTES // 64))
        rest = builder.and_(builder.urem(count, I64(height)), I64(3))
        at_the_edge = builder.or_(few, near)
        at_the_edge = builder.and_(at_the_edge, builder.icmp_signed("==", self._tail(count), I64(0)))
        return builder.sub(self.stop, builder.select(at_the_edge, rest, I64(0)))

    def _tail(self, count: Value) -> Value:
        """The last rows that are computed by tiles of eight and four though a full tile would fit.

        Two tiles of four rows are better than one of six and one of two, two of eight better than fourteen and two.
        """
        builder, height = self.builder, self.product.tile.rows
        if height % 4 != 2 or height < 6:
            return I64(0)
        rest = builder.urem(count, I64(height))
        ends_in_two = builder.icmp_signed("==", builder.and_(rest, I64(3)), I64(2))
        is_tail = builder.and_(ends_in_two, builder.icmp_signed(">=", count, I64(height)))
        return builder.select(is_tail, builder.add(rest, I64(height)), I64(0))

    def _edge(self, first: Value) -> None:
        """The last rows over the whole depth, several panels at once: eight vectors, then four, two, one."""
        builder, start, width = self.builder, self.left, max(self.edges.values())
        while width:
            stop = builder.add(self.left, builder.and_(builder.sub(self.right, self.left), I64(-width)))
            ir.counted(builder, start, stop, [], partial(self._edge_strip, first, width), width, unroll=False)
            start, width = stop, width // 2

    def _edge_strip(self, first: Value, width: int, vector: Value, _: list[Value]) -> None:
        row = first
        for height, widest in self.edges.items():

            def run(height: int, row: Value, narrow: int = min(widest, width)) -> Value:
                for j in range(0, width, narrow):
                    self._edge_tile(height, narrow, row, self.builder.add(vector, I64(j)))
                return self.builder.add(row, I64(height))

            (row,) = self._while_rows(row, self.stop, height, run)

    def _edge_tile(self, height: int, width: int, row: Value, vector: Value) -> None:
        builder, word = self.builder, self.word
        a = builder.add(word["a"], builder.mul(row, word["a_row"]))
        b = builder.add(word["b"], self.columns.offset(builder, vector))
        builder.call(
            self.tiles[height, width],
            [a, word["a_row"], word["a_col"], b, word["b_row"], self.columns.single, self.columns.pair, word["k"],
             self.buffer, I64(0), I64(0), I64(0)],
        )  # fmt: skip
        narrow = min(width, self.product.tile.vectors)
        pieces = height * width // narrow

        def finish(i: Value, _: list[Value]) -> None:
            below, right = builder.udiv(i, I64(width // narrow)), builder.urem(i, I64(width // narrow))
            buffer = builder.add(self.buffer, ir.product(builder, i, 64 * narrow))
            at = builder.add(vector, ir.product(builder, right, narrow))
            self._finish(narrow, builder.add(row, below), at, I64(1), buffer)

        ir.counted(builder, 0, pieces, [], finish, unroll=False)

    def _strips(self, row: Value, stop: Value) -> None:
        """Strips of columns, of which a block of depth stays in the second-level cache while the rows of A pass by."""
        builder, word = self.builder, self.word

        def strip(vector: Value, _: list[Value]) -> None:
            end = ir.minimum(builder, builder.add(vector, word["strip"]), self.right)

            def block(k: Value, _: list[Value]) -> None:
                depth = ir.minimum(builder, builder.sub(word["k"], k), word["depth_block"])
                self._tiles(_Block(row, stop, k, depth, vector, end))

            ir.counted(builder, 0, word["k"], [], block, word["depth_block"], unroll=False)

        ir.counted(builder, self.left, self.right, [], strip, word["strip"], unroll=False)

    def _bands(self, block: _Block, run: Callable[[Value, int], None]) -> None:
        """Bands as wide as the tile, then a single vector: ``run(vector, width)``."""
        builder, width = self.builder, self.product.tile.vectors
        odd = builder.and_(builder.sub(block.end, block.vector), I64(width - 1))
        narrow = builder.sub(block.end, odd)
        if width > 1:
            ir.counted(builder, block.vector, narrow, [], lambda v, _: run(v, width), width, unroll=False)
        ir.counted(
            builder, narrow if width > 1 else block.vector, block.end, [], lambda v, _: run(v, 1), 1, unroll=False
        )

    def _tiles(self, block: _Block) -> None:
        """All tiles of a block: those of the same rows one after another, so that these are written piece by piece."""
        builder = self.builder

        def pack(vector: Value, width: int) -> None:
            words = [self._b_at(vector, block.k), self.word["b_row"], self.columns.single, I64(width), block.depth]
            builder.call(self.pack, [*words, self._packed_at(block, vector)])

        ir.when(builder, self.packed, lambda: self._bands(block, pack))

        def run(height: int, row: Value) -> Value:
            self._bands(block, lambda vector, width: self._tile(block, height, width, row, vector))
            return builder.add(row, I64(height))

        full, *lower = heights(self.product.tile.rows)
        end = builder.sub(block.stop, self._tail(builder.sub(block.stop, block.row)))
        (row,) = self._while_rows(block.row, end, full, run)
        for height in lower:
            (row,) = self._while_rows(row, block.stop, height, run)

    def _tile(self, block: _Block, height: int, width: int, row: Value, vector: Value) -> None:
        """A tile's sums, and where they are whole its epilogue."""
        builder, word = self.builder, self.word
        b, b_row, single = (
            builder.select(self.packed, packed, plain)
            for packed, plain in (
                (self._packed_at(block, vector), self._b_at(vector, block.k)),
                (I64(width * ir.BYTES), word["b_row"]),
                (I64(ir.BYTES), self.columns.single),
            )
        )
        a = builder.add(builder.add(word["a"], builder.mul(block.k, word["a_col"])), builder.mul(row, word["a_row"]))
        words = [a, word["a_row"], word["a_col"], b, b_row, single, I64(0), block.depth]
        if self.product.deferred:
            self._run_deferred(height, width, row, vector, words)
            return
        blocked = builder.icmp_signed("<", word["depth_block"], word["k"])
        across = builder.mul(builder.sub(vector, block.vector), I64(BLOCK_ROWS * ir.BYTES))
        kept = builder.add(across, builder.mul(builder.sub(row, block.row), I64(width * ir.BYTES)))
        partial = builder.add(builder.add(self.scratch, I64(PACKED_BYTES)), kept)
        buffer = builder.select(blocked, partial, self.buffer)
        further = builder.zext(builder.icmp_signed(">", block.k, I64(0)), I64)
        self._sum(block, row, vector, (height, width), [*words, buffer, further])
        last = builder.icmp_signed("==", builder.add(block.k, block.depth), word["k"])
        ir.when(builder, last, lambda: self._finish(width, row, vector, I64(height), buffer))

    def _sum(self, block: _Block, row: Value, vector: Value, shape: tuple[int, int], words: list[Value]) -> None:
        """A tile's sums; a whole one may ask for what is read after a while."""
        builder, tile = self.builder, self.product.tile

        def plain() -> list[Value]:
            builder.call(self.tiles[shape], [*words, I64(0), I64(0)])
            return []

        if self.reaching is None or shape != (tile.rows, tile.vectors):
            plain()
            return
        reaches, *beyond = self._ahead(block, row, vector, words[0], words[3])

        def reaching() -> list[Value]:
            builder.call(self.reaching, [*words, *beyond])
            return []

        ir.branch(builder, reaches, reaching, plain)

    def _ahead(self, block: _Block, row: Value, vector: Value, a: Value, b: Value) -> tuple[Value, Value, Value]:
        """Whether a tile asks for the next block of B, and how far from its own A and B that lies.

        The first two rows of tiles do, where B comes from far: by then it is near. Of A they ask for what lies in
        columns; its own rows are read one piece after the other.
        """
        builder, word = self.builder, self.word
        deeper = builder.add(block.k, block.depth)
        goes_on = builder.icmp_signed("<", deeper, word["k"])
        k = builder.select(goes_on, deeper, I64(0))
        beside = builder.select(goes_on, vector, builder.add(vector, word["strip"]))
        line = builder.udiv(builder.sub(row, block.row), I64(self.product.tile.rows))
        reaches = builder.and_(self._is_far(self.vectors, 64), builder.icmp_signed("<", line, I64(2)))
        reaches = builder.and_(reaches, builder.not_(self.packed))
        beyond_b = builder.sub(builder.add(self._b_at(beside, k), builder.shl(line, I64(6))), b)
        # Each band asks for another line of A's rows.
        bands = builder.add(builder.mul(line, word["strip"]), builder.sub(vector, block.vector))
        at = builder.shl(builder.udiv(bands, I64(self.product.tile.vectors)), I64(6))
        there = builder.icmp_signed("<", at, builder.shl(builder.sub(block.stop, block.row), I64(2)))
        turned = builder.icmp_signed(">", word["a_col"], word["a_row"])
        wanted = builder.and_(self._is_far(word["m"], 4), builder.and_(turned, there))
        start = builder.add(builder.mul(k, word["a_col"]), builder.mul(block.row, word["a_row"]))
        beyond_a = builder.sub(builder.add(word["a"], builder.add(start, at)), a)
        return reaches, builder.select(wanted, beyond_a, I64(0)), beyond_b

    def _is_far(self, count: Value, size: int) -> Value:
        """Whether so many columns of an operand, of so many bytes, are more than the second-level cache holds."""
        whole = self.builder.mul(self.builder.mul(count, self.word["k"]), I64(size))
        return self.builder.icmp_signed(">", whole, I64(FAR_BYTES))

    def _b_at(self, vector: Value, k: Value) -> Value:
        """Where a vector of columns of B begins at a depth."""
        across = self.builder.add(self.word["b"], self.columns.offset(self.builder, vector))
        return self.builder.add(across, self.builder.mul(k, self.word["b_row"]))

    def _packed_at(self, block: _Block, vector: Value) -> Value:
        """Where a band of a block's columns is packed."""
        across = self.builder.mul(self.builder.sub(vector, block.vector), block.depth)
        return self.builder.add(self.scratch, self.builder.mul(across, I64(ir.BYTES)))

    def _while_rows(self, row: Value, stop: Value, height: int, run: Callable[[int, Value], Value]) -> list[Value]:
        whole = self.builder.sub(stop, I64(height - 1))
        last: list[Value] = ir.counted(
            self.builder, row, whole, [row], lambda i, _: [run(height, i)], height, unroll=False
        )
        return last

    def _finish(self, width: int, row: Value, vector: Value, rows: Value, buffer: Value) -> None:
        self.builder.call(self.finish[width], [self.args, self.thread, row, vector, rows, buffer])

    def _run_deferred(self, height: int, width: int, row: Value, vector: Value, words: list[Value]) -> None:
        """Full tiles sum while they settle one as wide before them; edges settle it first. All owe their own."""
        builder = self.builder

        def first() -> list[Value]:
            self._settle()
            builder.call(self.tiles[height, width], [*words, self.buffer, I64(0), I64(0), I64(0)])
            return []

        def settling() -> list[Value]:
            owed = [builder.load(place) for place in self.owed[:3]]
            builder.call(self.later, [self.args, self.thread, *words, self.buffer, *owed])
            return []

        if (height, width) == (self.product.tile.rows, self.product.tile.vectors):
            rows, vectors = (builder.load(place) for place in self.owed[2:])
            alike = builder.and_(builder.icmp_signed(">", rows, I64(0)), builder.icmp_signed("==", vectors, I64(width)))
            ir.branch(builder, alike, settling, first)
        else:
            first()
        for value, place in zip((row, vector, I64(height), I64(width)), self.owed, strict=True):
            builder.store(value, place)

    def _settle(self) -> None:
        builder = self.builder
        row, vector, rows, vectors = (builder.load(place) for place in self.owed)
        for width in self.finish:
            wanted = builder.and_(
                builder.icmp_signed("==", vectors, I64(width)), builder.icmp_signed(">", rows, I64(0))
            )
            ir.when(builder, wanted, partial(self._finish, width, row, vector, rows, self.buffer))
        builder.store(I64(0), self.owed[2])


def _aligned(builder: Builder, vectors: int) -> Value:
    space = builder.alloca(ir.VEC, size=I64(vectors))
    space.align = 64
    return space
