"""The pieces of a matrix product's code: register tiles, epilogues, packing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir, processor
from netspec.compiler.kernels.contract import HEADER, Contract
from netspec.compiler.kernels.ir import I64, Builder, Value
from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Operand, Place
from netspec.compiler.kernels.processor import Tile

CHAINS = 8  # registers of sums that hide the latency of a multiply-add: two begin in a cycle, each takes four
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
    # Left to itself LLVM goes from row to row by additions, a chain as long as the multiply-adds take; addresses may
    # have a factor of a power of two, so the odd multiples are enough.
    odd = {i: ir.opaque(builder, ir.product(builder, a_row, i)) for i in range(1, rows, 2)}

    def step(builder: Builder, a_at: Value, b_at: Value, sums: Sequence[Value]) -> list[Value]:
        places = [ir.at(builder, b_at)]
        if vectors > 1:
            places.append(ir.at(builder, b_at, b_columns.single))
        for j in range(2, vectors):
            places.append(ir.at(builder, places[j - 2], b_columns.pair))
        columns = [ir.load(builder, place) for place in places]
        result = []
        first = ir.at(builder, a, a_at)
        for i in range(rows):
            power = (i & -i).bit_length() - 1
            place = ir.at(builder, first, builder.shl(odd[i >> power], I64(power))) if i else first
            scalar = ir.broadcast(builder, place)
            result += [ir.fma(builder, scalar, columns[j], sums[i * vectors + j]) for j in range(vectors)]
        return result

    return step


def emit_tile(builder: Builder, rows: int, vectors: int, *, reaching: bool = False) -> llvm.Function:
    """``tile(a, a_row, a_col, b, b_row, b_single, b_pair, depth, buffer, further, beyond_a, beyond_b)``.

    Sums into `buffer`; ``further`` goes on from what the buffer holds, else from zero; the depth is at least one.
    ``reaching``: at each depth lines are asked for that lie so many bytes beyond A and B: they will be read later.
    """

    def body(
        builder: Builder, a: Value, a_row: Value, a_col: Value, b: Value, b_row: Value,
        single: Value, pair: Value, depth: Value, buffer: Value, further: Value, beyond_a: Value,
        beyond_b: Value,
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
            if reaching:
                ir.prefetch(builder, ir.at(builder, b_at, beyond_b), locality=2)
                ir.prefetch(builder, ir.at(builder, a, a_at, beyond_a), locality=2)
            following = step(builder, a_at, b_at, sums)
            return [builder.add(a_at, a_col), builder.add(b_at, b_row), *following]

        _, _, *sums = ir.repeated(builder, depth, [I64(0), b, *start], once)
        for n, value in enumerate(sums):
            ir.store(builder, value, ir.at(builder, buffer, n * ir.BYTES))

    return function(builder, f"{'reaching' if reaching else 'tile'}_{rows}x{vectors}", 12, body)


class Epilogue:
    """Loads the extras of a vector of results, runs the body, stores the results."""

    def __init__(self, product: Contract, builder: Builder, args: Value, thread: Value) -> None:
        self.product = product
        self.kinds = [*product.extras, *[Operand() for _ in product.results]]
        self.words = [
            [argument(builder, args, HEADER + WORDS_PER_OPERAND * i + j) for j in range(WORDS_PER_OPERAND)]
            for i in range(len(self.kinds))
        ]
        self.width, panel_width = argument(builder, args, 7), argument(builder, args, 9)
        self.columns = [
            Columns.of(builder, words[3], panel_width, element_bytes(extra.dtype))
            for extra, words in zip(self.kinds, self.words, strict=True)
        ]
        self.step = I64(0)
        if any(extra.stepped for extra in product.extras):
            self.step = ir.load(
                builder, ir.at(builder, argument(builder, args, 10), ir.product(builder, thread, 64)), I64, 8
            )

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


def argument(builder: Builder, args: Value, index: int) -> Value:
    """Word `index` of a kernel's arguments."""
    return ir.load(builder, ir.at(builder, args, 8 * index), I64, 8)


def heights(rows: int) -> list[int]:
    """Rows of the tiles: the full one, then powers of two for what is left below it."""
    return [rows, *(height for height in (8, 4, 2, 1) if height < rows)]


def edge_widths(tile: Tile) -> dict[int, int]:
    """Vectors of the widest tile for the few rows below the full tiles: ``CHAINS`` registers of sums."""
    lanes = {"avx512": 16, "avx2": 8}.get(processor.current().level, 4)
    return {height: CHAINS * lanes // ir.LANES // height for height in (2, 1) if height < tile.rows}
