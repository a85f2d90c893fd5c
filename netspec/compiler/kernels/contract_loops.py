"""The loops around the tiles of a product: blocks of rows, bands of columns, blocks of depth, tiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract import PACKED_BYTES, SECOND_LEVEL_BYTES, WORDS, Contract
from netspec.compiler.kernels.contract_emit import (
    Columns,
    argument,
    edge_widths,
    emit_ask,
    emit_deferred,
    emit_finish,
    emit_pack,
    emit_tile,
    heights,
)
from netspec.compiler.kernels.ir import I64, Builder, Value
from netspec.compiler.kernels.kernel import UNIT

SIX = 6  # rows of a tile, where sixteen registers hold it


def emit_contract(product: Contract) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Loops(product, builder, *words).emit())


class _Loops:
    """The loops around the tiles: blocks of rows, bands of columns, blocks of depth, tiles."""

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
        self.first, self.stop = self._share(part, parts)
        self.scratch = builder.add(self.word["scratch"], builder.mul(thread, self.word["scratch_thread"]))
        tile = product.tile
        widths = {tile.vectors, 1}
        self.edges = edge_widths(tile)
        shapes = {(h, w) for h in heights(tile.rows) for w in widths}
        shapes |= {(h, 1 << i) for h, widest in self.edges.items() for i in range(widest.bit_length())}
        self.tiles = {shape: emit_tile(builder, *shape) for shape in sorted(shapes)}
        self.finish = {w: emit_finish(builder, product, w) for w in widths}
        self.later = emit_deferred(builder, product, tile.vectors) if product.deferred else None
        self.pack, self.ask = emit_pack(builder), emit_ask(builder)
        with builder.goto_entry_block():
            held = max(h * w for h, w in self.tiles)
            self.buffer = builder.ptrtoint(_aligned(builder, held), I64)
            # Of the tile whose epilogue is owed: row, vector, rows (none: zero), vectors.
            self.owed = [builder.alloca(I64) for _ in range(4)] if product.deferred else []

    def _share(self, part: Value, parts: Value) -> tuple[Value, Value]:
        builder, m = self.builder, self.word["m"]
        units = builder.lshr(builder.add(m, I64(UNIT - 1)), I64(4))
        ends = [builder.udiv(builder.mul(p, units), parts) for p in (part, builder.add(part, I64(1)))]
        first, stop = (ir.minimum(builder, builder.shl(end, I64(4)), m) for end in ends)
        return first, stop

    def emit(self) -> None:
        builder = self.builder
        if self.product.deferred:
            for place in self.owed[2:]:
                builder.store(I64(0), place)
        whole = self._whole()

        def block(row: Value, _: list[Value]) -> None:
            self._bands(row, ir.minimum(builder, builder.add(row, self.word["row_block"]), whole))

        ir.counted(builder, self.first, whole, [], block, self.word["row_block"], unroll=False)
        if self.product.deferred:
            self._settle()
        ir.when(builder, builder.icmp_signed("<", whole, self.stop), lambda: self._edge(whole))

    def _whole(self) -> Value:
        """The end of the rows that bands compute; the one to three below would leave the multipliers idle there.

        Their pass over B is cheap where it comes from the second-level cache, and free where no other rows need it.
        Two below tiles of six are none: the last eight are two tiles of four.
        """
        builder, height = self.builder, self.product.tile.rows
        count = builder.sub(self.stop, self.first)
        few = builder.icmp_signed("<", count, I64(min(4, height)))
        near = builder.icmp_signed("<=", builder.mul(self.vectors, self.word["k"]), I64(2 * SECOND_LEVEL_BYTES // 64))
        rest = builder.and_(builder.urem(count, I64(height)), I64(3))
        at_the_edge = builder.or_(few, near)
        if height == SIX:
            at_the_edge = builder.and_(at_the_edge, builder.not_(self._ends_in_fours(count)))
        return builder.sub(self.stop, builder.select(at_the_edge, rest, I64(0)))

    def _ends_in_fours(self, count: Value) -> Value:
        """Whether two tiles of four rows are better than one of six and one of two."""
        builder = self.builder
        two = builder.icmp_signed("==", builder.urem(count, I64(SIX)), I64(2))
        return builder.and_(two, builder.icmp_signed(">=", count, I64(8)))

    def _edge(self, first: Value) -> None:
        """The last rows over the whole depth, several panels at once: eight vectors, then four, two, one."""
        builder, start, width = self.builder, I64(0), max(self.edges.values())
        while width:
            stop = builder.and_(self.vectors, I64(-width))
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
             self.buffer, I64(0)],
        )  # fmt: skip
        narrow = min(width, self.product.tile.vectors)
        pieces = height * width // narrow

        def finish(i: Value, _: list[Value]) -> None:
            below, right = builder.udiv(i, I64(width // narrow)), builder.urem(i, I64(width // narrow))
            buffer = builder.add(self.buffer, ir.product(builder, i, 64 * narrow))
            at = builder.add(vector, ir.product(builder, right, narrow))
            self._finish(narrow, builder.add(row, below), at, I64(1), buffer)

        ir.counted(builder, 0, pieces, [], finish, unroll=False)

    def _bands(self, row: Value, stop: Value) -> None:
        """Bands as wide as the tile, then single vectors."""
        builder, width = self.builder, self.product.tile.vectors
        narrow: Value = I64(0)
        if width > 1:
            narrow = builder.sub(self.vectors, builder.and_(self.vectors, I64(width - 1)))
            ir.counted(builder, 0, narrow, [], lambda v, _: self._band(v, width, row, stop), width, unroll=False)
        ir.counted(builder, narrow, self.vectors, [], lambda v, _: self._band(v, 1, row, stop), 1, unroll=False)

    def _band(self, vector: Value, width: int, row: Value, stop: Value) -> None:
        builder, word = self.builder, self.word
        b_band = builder.add(word["b"], self.columns.offset(builder, vector))

        def block(k: Value, _: list[Value]) -> None:
            depth = ir.minimum(builder, builder.sub(word["k"], k), word["depth_block"])
            b_block = builder.add(b_band, builder.mul(k, word["b_row"]))

            def packed() -> list[Value]:
                builder.call(self.pack, [b_block, word["b_row"], self.columns.single, I64(width), depth, self.scratch])
                return [self.scratch, I64(width * ir.BYTES), I64(ir.BYTES)]

            side = ir.branch(
                builder,
                self.packed,
                packed,
                lambda: [b_block, word["b_row"], self.columns.single],
            )
            following = builder.add(k, depth)
            more = builder.icmp_signed("<", following, word["k"])
            next_band = builder.add(word["b"], self.columns.offset(builder, builder.add(vector, I64(width))))
            ahead = builder.select(more, builder.add(b_band, builder.mul(following, word["b_row"])), next_band)
            self._tiles(vector, width, row, stop, k, depth, side, ahead)

        ir.counted(builder, 0, word["k"], [], block, word["depth_block"], unroll=False)

    def _tiles(
        self, vector: Value, width: int, first: Value, stop: Value, k: Value, depth: Value, side: list[Value],
        ahead: Value,
    ) -> None:  # fmt: skip
        """All tiles of a block of rows, a band of columns and a block of depth.

        Where B is packed, each tile asks for its share of the block that comes next, which begins at `ahead`.
        """
        builder, word = self.builder, self.word
        b, b_row, single = side
        blocked = builder.icmp_signed("<", word["depth_block"], word["k"])
        last = builder.icmp_signed("==", builder.add(k, depth), word["k"])
        further = builder.zext(builder.icmp_signed(">", k, I64(0)), I64)
        partial = builder.add(self.scratch, I64(PACKED_BYTES))
        a_block = builder.add(word["a"], builder.mul(k, word["a_col"]))
        height = self.product.tile.rows
        tiles = builder.udiv(builder.add(builder.sub(stop, first), I64(height - 1)), I64(height))
        share = builder.udiv(builder.add(depth, builder.sub(tiles, I64(1))), tiles)

        def ask(row: Value) -> None:
            begin = builder.mul(builder.udiv(builder.sub(row, first), I64(height)), share)
            place = builder.add(ahead, builder.mul(begin, word["b_row"]))
            builder.call(self.ask, [place, word["b_row"], self.columns.single, share])

        def run(height: int, row: Value) -> Value:
            kept = builder.mul(builder.sub(row, first), I64(width * ir.BYTES))
            buffer = builder.select(blocked, builder.add(partial, kept), self.buffer)
            a = builder.add(a_block, builder.mul(row, word["a_row"]))
            words = [a, word["a_row"], word["a_col"], b, b_row, single, I64(0), depth]
            if height == self.product.tile.rows:
                ir.when(builder, self.packed, lambda: ask(row))
            if self.product.deferred:
                self._run_deferred(height, width, row, vector, words)
            else:
                builder.call(self.tiles[height, width], [*words, buffer, further])
                ir.when(builder, last, lambda: self._finish(width, row, vector, I64(height), buffer))
            return builder.add(row, I64(height))

        full, *lower = heights(self.product.tile.rows)
        end = stop
        if full == SIX:
            fours = self._ends_in_fours(builder.sub(stop, first))
            end = builder.sub(stop, builder.select(fours, I64(8), I64(0)))
        (row,) = self._while_rows(first, end, full, run)
        for height in lower:
            (row,) = self._while_rows(row, stop, height, run)

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
            builder.call(self.tiles[height, width], [*words, self.buffer, I64(0)])
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
