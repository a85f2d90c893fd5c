"""The code of matrix products: register tiles, the loops around them, epilogues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract import HEADER, PACKED_BYTES, SCRATCH_BYTES, Contract
from netspec.compiler.kernels.ir import I64
from netspec.compiler.kernels.kernel import UNIT, WORDS_PER_OPERAND, Operand, Place

Builder = llvm.IRBuilder
Value = llvm.Value

WIDE = 8  # vectors of the tile for a single row, which needs eight chains to hide the multiply-add's latency
ELEMENT = {"float32": ir.F32, "uint8": ir.I8, "uint16": ir.I16, "int32": ir.I32, "int64": ir.I64}


def element_bytes(dtype: str) -> int:
    """Size of a stored element."""
    return {"float32": 4, "uint8": 1, "uint16": 2, "int32": 4, "int64": 8}[dtype]


def as_real(builder: Builder, value: Value, dtype: str) -> Value:
    """A loaded vector as float32 lanes."""
    if dtype == "float32":
        return value
    return (builder.uitofp if dtype.startswith("u") else builder.sitofp)(value, ir.VEC)


def function(builder: Builder, name: str, words: int, body: Callable[..., None]) -> llvm.Function:
    """An internal function of int64 words that is never inlined: registers are allotted for its loop alone."""
    made = llvm.Function(builder.module, llvm.FunctionType(ir.VOID, [I64] * words), name)
    made.linkage = "internal"
    made.attributes.add("noinline")
    inner = llvm.IRBuilder(made.append_basic_block("entry"))
    body(inner, *made.args)
    inner.ret_void()
    return made


@dataclass(frozen=True)
class Columns:
    """Where vectors of columns lie: ``offset(v)`` of vector ``v`` for panels 16 or 32 columns wide."""

    single: Value  # bytes from an even vector to the next
    pair: Value  # bytes from an even vector to the next even one

    @classmethod
    def of(cls, builder: Builder, panel: Value, width: Value, item: int = 4) -> Columns:
        """From the panel stride and the panel width."""
        narrow = builder.icmp_signed("==", width, I64(16))
        single = builder.select(narrow, panel, I64(16 * item))
        return cls(single, builder.select(narrow, builder.shl(panel, I64(1)), panel))

    def offset(self, builder: Builder, vector: Value) -> Value:
        """Bytes from the first column to vector `vector`."""
        even = builder.mul(builder.lshr(vector, I64(1)), self.pair)
        return builder.add(even, builder.mul(builder.and_(vector, I64(1)), self.single))


def multiply_add(
    builder: Builder,
    rows: int,
    vectors: int,
    a: Value,
    a_row: Value,
    b_columns: Columns,
) -> Callable[[Builder, Value, Value, Sequence[Value]], list[Value]]:
    """One step of depth on ``rows x vectors`` accumulators: ``(builder, offset in A, address in B, sums) -> sums``."""
    a_rows = [ir.at(builder, a, ir.product(builder, a_row, i)) for i in range(rows)]

    def step(builder: Builder, a_at: Value, b_at: Value, sums: Sequence[Value]) -> list[Value]:
        places = [ir.at(builder, b_at)]
        if vectors > 1:
            places.append(ir.at(builder, b_at, b_columns.single))
        for j in range(2, vectors):
            places.append(ir.at(builder, places[j - 2], b_columns.pair))
        columns = [ir.load(builder, place) for place in places]
        result = []
        for i in range(rows):
            scalar = ir.broadcast(builder, ir.at(builder, a_rows[i], a_at))
            result += [ir.fma(builder, scalar, columns[j], sums[i * vectors + j]) for j in range(vectors)]
        return result

    return step


def emit_tile(builder: Builder, rows: int, vectors: int) -> llvm.Function:
    """``tile(a, a_row, a_col, b, b_row, b_single, b_pair, depth, buffer, further)``: sums into `buffer`.

    ``further`` goes on from what the buffer holds, else from zero; the depth is at least one.
    """

    def body(
        builder: Builder, a: Value, a_row: Value, a_col: Value, b: Value, b_row: Value,
        single: Value, pair: Value, depth: Value, buffer: Value, further: Value,
    ) -> None:  # fmt: skip
        held = range(rows * vectors)
        start = ir.branch(
            builder,
            builder.icmp_signed("!=", further, I64(0)),
            lambda: [ir.load(builder, ir.at(builder, buffer, n * ir.BYTES)) for n in held],
            lambda: [ir.ZERO] * len(held),
        )
        step = multiply_add(builder, rows, vectors, a, a_row, Columns(single, pair))

        def once(values: list[Value]) -> list[Value]:
            a_at, b_at, *sums = values
            following = step(builder, a_at, b_at, sums)
            return [builder.add(a_at, a_col), builder.add(b_at, b_row), *following]

        _, _, *sums = ir.repeated(builder, depth, [I64(0), b, *start], once)
        for n, value in enumerate(sums):
            ir.store(builder, value, ir.at(builder, buffer, n * ir.BYTES))

    return function(builder, f"tile_{rows}x{vectors}", 10, body)


class Epilogue:
    """Loads the extras of a vector of results, runs the body, stores the results."""

    def __init__(self, product: Contract, builder: Builder, args: Value, thread: Value) -> None:
        self.product = product
        self.kinds = [*product.extras, *[Operand() for _ in product.results]]
        self.words = [
            [_word(builder, args, HEADER + WORDS_PER_OPERAND * i + j) for j in range(WORDS_PER_OPERAND)]
            for i in range(len(self.kinds))
        ]
        self.width, panel_width = _word(builder, args, 7), _word(builder, args, 9)
        self.columns = [
            Columns.of(builder, words[3], panel_width, element_bytes(extra.dtype))
            for extra, words in zip(self.kinds, self.words, strict=True)
        ]
        self.step = I64(0)
        if any(extra.stepped for extra in product.extras):
            self.step = ir.load(builder, ir.at(builder, _word(builder, args, 10), ir.product(builder, thread, 64)), I64, 8)

    def first_row(self, builder: Builder, row: Value, vector: Value) -> list[Value]:
        """Addresses of the extras and the results at the first vector of a tile."""
        places = []
        for extra, words, columns in zip(self.kinds, self.words, self.columns, strict=True):
            if extra.stepped:
                offset = ir.product(builder, self.step, element_bytes(extra.dtype))
            else:
                offset = builder.mul(row, words[1])
                if not extra.spread:
                    offset = builder.add(offset, columns.offset(builder, vector))
            places.append(builder.add(words[0], offset))
        return places

    def next_row(self, builder: Builder, places: Sequence[Value]) -> list[Value]:
        """The same addresses one row further down."""
        return [
            place if extra.stepped else builder.add(place, words[1])
            for extra, words, place in zip(self.kinds, self.words, places, strict=True)
        ]

    def vector(
        self, builder: Builder, total: Value, places: Sequence[Value], row: Value, vector: Value, j: int
    ) -> None:
        """The vector in place `j` (0 or 1) of a row whose first vector is at `places`."""
        if j:
            places = [
                place if extra.stepped or extra.spread else builder.add(place, columns.single)
                for extra, columns, place in zip(self.kinds, self.columns, places, strict=True)
            ]
        inputs = [total]
        for extra, place in zip(self.product.extras, places, strict=False):
            kind = ELEMENT[extra.dtype]
            if extra.spread or extra.stepped:
                value = ir.broadcast(builder, place, kind)
            else:
                value = ir.load(builder, place, ir.vector_of(kind), align=min(4, element_bytes(extra.dtype)))
            inputs.append(as_real(builder, value, extra.dtype))
        column = builder.shl(builder.add(vector, I64(j)), I64(4))
        results = self.product.epilogue.emit(builder, inputs, Place(row, column, self.width))
        for value, place in zip(results, places[len(self.product.extras) :], strict=True):
            ir.store(builder, value, place)


def emit_finish(builder: Builder, product: Contract, vectors: int) -> llvm.Function:
    """``finish(args, thread, row, vector, rows, buffer)``: the epilogue of the tile whose sums the buffer holds."""

    def body(
        builder: Builder, args: Value, thread: Value, row: Value, vector: Value, rows: Value, buffer: Value
    ) -> None:
        epilogue = Epilogue(product, builder, args, thread)

        def one_row(i: Value, places: list[Value]) -> list[Value]:
            sums = ir.at(builder, buffer, ir.product(builder, i, vectors * ir.BYTES))
            for j in range(vectors):
                total = ir.load(builder, ir.at(builder, sums, j * ir.BYTES))
                epilogue.vector(builder, total, places, builder.add(row, i), vector, j)
            return epilogue.next_row(builder, places)

        ir.counted(builder, 0, rows, epilogue.first_row(builder, row, vector), one_row, unroll=False)

    return function(builder, f"finish_{vectors}", 6, body)


def emit_deferred(builder: Builder, product: Contract, vectors: int) -> llvm.Function:
    """A tile's sums into the buffer and, between its multiply-adds, the epilogue of the sums the buffer held.

    ``(args, thread, a, a_row, a_col, b, b_row, b_single, b_pair, depth, buffer, row, vector, rows)``, the last three
    of the tile that is owed; it is `vectors` wide too.
    """
    height = product.tile.rows

    def body(
        builder: Builder, args: Value, thread: Value, a: Value, a_row: Value, a_col: Value, b: Value, b_row: Value,
        single: Value, pair: Value, depth: Value, buffer: Value, row: Value, vector: Value, rows: Value,
    ) -> None:  # fmt: skip
        epilogue = Epilogue(product, builder, args, thread)
        start = epilogue.first_row(builder, row, vector)
        step = multiply_add(builder, height, vectors, a, a_row, Columns(single, pair))
        count = ir.product(builder, rows, vectors)
        share, rest = builder.udiv(depth, count), builder.urem(depth, count)

        def deeper(_: Value, values: list[Value]) -> list[Value]:
            a_at, b_at, *sums = values
            following = step(builder, a_at, b_at, sums)
            return [builder.add(a_at, a_col), builder.add(b_at, b_row), *following]

        def one_row(i: Value, values: list[Value]) -> list[Value]:
            places, state = values[: len(start)], values[len(start) :]
            for j in range(vectors):
                n = builder.add(ir.product(builder, i, vectors), I64(j))
                total = ir.load(builder, ir.at(builder, buffer, ir.product(builder, n, ir.BYTES)))
                epilogue.vector(builder, total, places, builder.add(row, i), vector, j)
                steps = builder.add(share, builder.zext(builder.icmp_signed("<", n, rest), I64))
                state = ir.counted(builder, 0, steps, state, deeper, unroll=False)
            return [*epilogue.next_row(builder, places), *state]

        state = [I64(0), b, *[ir.ZERO] * (height * vectors)]
        sums = ir.counted(builder, 0, rows, [*start, *state], one_row, unroll=False)[len(start) + 2 :]
        for n, value in enumerate(sums):
            ir.store(builder, value, ir.at(builder, buffer, n * ir.BYTES))

    return function(builder, f"deferred_{height}x{vectors}", 14, body)


def emit_pack(builder: Builder) -> llvm.Function:
    """``pack(b, b_row, b_single, vectors, depth, target)``: a block of B in one piece, rows one after another."""

    def body(
        builder: Builder, b: Value, b_row: Value, single: Value, vectors: Value, depth: Value, target: Value
    ) -> None:
        pitch = builder.mul(vectors, I64(ir.BYTES))

        def one_row(k: Value, _: list[Value]) -> None:
            source = ir.at(builder, b, builder.mul(k, b_row))
            place = ir.at(builder, target, builder.mul(k, pitch))
            ir.store(builder, ir.load(builder, source), place)

            def second() -> None:
                ir.store(builder, ir.load(builder, ir.at(builder, source, single)), ir.at(builder, place, ir.BYTES))

            ir.when(builder, builder.icmp_signed(">", vectors, I64(1)), second)

        ir.counted(builder, 0, depth, [], one_row, unroll=False)

    return function(builder, "pack", 6, body)


def emit_ask(builder: Builder) -> llvm.Function:
    """``ask(b, b_row, b_single, count)``: prefetch rows of B into the second-level cache.

    They lie pages apart, where the processor does not see them coming.
    """

    def body(builder: Builder, b: Value, b_row: Value, single: Value, count: Value) -> None:
        def one_row(k: Value, _: list[Value]) -> None:
            place = ir.at(builder, b, builder.mul(k, b_row))
            ir.prefetch(builder, place, locality=2)
            ir.prefetch(builder, ir.at(builder, place, single), locality=2)

        ir.counted(builder, 0, count, [], one_row, unroll=False)

    return function(builder, "ask", 4, body)


def _word(builder: Builder, args: Value, index: int) -> Value:
    return ir.load(builder, ir.at(builder, args, 8 * index), I64, 8)


def heights(rows: int) -> list[int]:
    """Rows of the tiles: the full one, then powers of two for what is left below it."""
    return [rows, *(height for height in (8, 4, 2, 1) if height < rows)]


def emit_contract(product: Contract) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Loops(product, builder, *words).emit())


class _Loops:
    """The loops around the tiles: blocks of rows, bands of columns, blocks of depth, tiles."""

    def __init__(
        self, product: Contract, builder: Builder, args: Value, part: Value, parts: Value, thread: Value
    ) -> None:
        self.product, self.builder, self.args, self.thread = product, builder, args, thread
        names = "a a_row a_col b b_panel b_row m n k panel_width clock scratch row_block depth_block packed".split()
        self.word = {name: _word(builder, args, i) for i, name in enumerate(names)}
        self.columns = Columns.of(builder, self.word["b_panel"], self.word["panel_width"])
        self.vectors = builder.lshr(builder.add(self.word["n"], I64(15)), I64(4))
        self.packed = builder.icmp_signed("!=", self.word["packed"], I64(0))
        self.first, self.stop = self._share(part, parts)
        self.scratch = builder.add(self.word["scratch"], ir.product(builder, thread, SCRATCH_BYTES))
        tile = product.tile
        widths = {tile.vectors, 1}
        self.tiles = {(h, w): emit_tile(builder, h, w) for h in heights(tile.rows) for w in widths}
        self.tiles[1, WIDE] = emit_tile(builder, 1, WIDE)
        self.finish = {w: emit_finish(builder, product, w) for w in widths}
        self.later = {w: emit_deferred(builder, product, w) for w in widths if product.deferred}
        self.pack, self.ask = emit_pack(builder), emit_ask(builder)
        with builder.goto_entry_block():
            held = max(tile.rows * tile.vectors, WIDE)
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
        single = builder.icmp_signed("==", builder.sub(self.stop, self.first), I64(1))

        def one_row() -> list[Value]:
            whole = builder.and_(self.vectors, I64(-WIDE))
            ir.counted(builder, 0, whole, [], lambda v, _: self._row_of_vectors(v), WIDE, unroll=False)
            return [whole]

        (start,) = ir.branch(builder, single, one_row, lambda: [I64(0)])

        def block(row: Value, _: list[Value]) -> None:
            stop = ir.minimum(builder, builder.add(row, self.word["row_block"]), self.stop)
            self._bands(row, stop, start)

        ir.counted(builder, self.first, self.stop, [], block, self.word["row_block"], unroll=False)
        if self.product.deferred:
            self._settle()

    def _row_of_vectors(self, vector: Value) -> None:
        """Eight vectors of a lone row over the whole depth."""
        builder, word = self.builder, self.word
        a = builder.add(word["a"], builder.mul(self.first, word["a_row"]))
        b = builder.add(word["b"], self.columns.offset(builder, vector))
        builder.call(
            self.tiles[1, WIDE],
            [a, word["a_row"], word["a_col"], b, word["b_row"], self.columns.single, self.columns.pair, word["k"],
             self.buffer, I64(0)],
        )  # fmt: skip
        width = self.product.tile.vectors
        for j in range(0, WIDE, width):
            self._finish(width, self.first, builder.add(vector, I64(j)), I64(1), builder.add(self.buffer, I64(64 * j)))

    def _bands(self, row: Value, stop: Value, start: Value) -> None:
        """Bands as wide as the tile, then single vectors."""
        builder, width = self.builder, self.product.tile.vectors
        narrow = start
        if width > 1:
            narrow = builder.sub(self.vectors, builder.and_(self.vectors, I64(width - 1)))
            ir.counted(builder, start, narrow, [], lambda v, _: self._band(v, width, row, stop), width, unroll=False)
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
        (row,) = self._while_rows(first, stop, full, run)
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
        """Full tiles sum while they settle one of their width before them; edges settle it first. All owe their own."""
        builder = self.builder

        def first() -> list[Value]:
            self._settle()
            builder.call(self.tiles[height, width], [*words, self.buffer, I64(0)])
            return []

        def settling() -> list[Value]:
            owed = [builder.load(place) for place in self.owed[:3]]
            builder.call(self.later[width], [self.args, self.thread, *words, self.buffer, *owed])
            return []

        if height == self.product.tile.rows:
            rows, vectors = (builder.load(place) for place in self.owed[2:])
            alike = builder.and_(
                builder.icmp_signed(">", rows, I64(0)), builder.icmp_signed("==", vectors, I64(width))
            )
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
            ir.when(builder, wanted, lambda width=width: self._finish(width, row, vector, rows, self.buffer))
        builder.store(I64(0), self.owed[2])


def _aligned(builder: Builder, vectors: int) -> Value:
    space = builder.alloca(ir.VEC, size=I64(vectors))
    space.align = 64
    return space
