"""The code of the driver."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir as llvm

from netspec.compiler.kernels import driver as table
from netspec.compiler.kernels import ir, processor
from netspec.compiler.kernels.contract_emit import function
from netspec.compiler.kernels.ir import I32, I64, Builder, Value

KERNEL = llvm.FunctionType(ir.VOID, [I64] * 4)
FLUSH_X86 = 0x8040  # MXCSR: flush results to zero, take denormal operands as zero
FLUSH_ARM = 1 << 24  # FPCR.FZ


def emit_walk(builder: Builder) -> llvm.Function:
    """``walk(program, thread, threads)``: the thread's share of all steps of a program."""

    def body(builder: Builder, program: Value, thread: Value, threads: Value) -> None:
        restore = _flush_denormals(builder)
        _Driver(builder, program, thread, threads).emit()
        restore()

    return function(builder, "walk", 3, body)


def spin_while(builder: Builder, waiting: Callable[[], Value], limit: int | None = None) -> None:
    """Spin, then yield; then nap, or with a ``limit`` give up after so many yields."""
    with builder.goto_entry_block():
        spins = builder.alloca(I64)
    builder.store(I64(0), spins)

    def nap(count: Value) -> None:
        # The system moves a thread to a processor only when that is idle, which one that yields never is.
        long = builder.icmp_signed(">", count, I64(table.SPINS_BEFORE_YIELD + table.YIELDS_BEFORE_NAP))
        ir.branch(
            builder,
            long,
            lambda: [ir.call(builder, table.NAP, I32, I32(1))],
            lambda: [ir.call(builder, table.YIELD, I32)],
        )

    def go_on() -> Value:
        if limit is None:
            return waiting()
        patient = builder.icmp_signed("<", builder.load(spins), I64(table.SPINS_BEFORE_YIELD + limit))
        return builder.and_(patient, waiting())

    def spin() -> None:
        count = builder.add(builder.load(spins), I64(1))
        builder.store(count, spins)
        tired = builder.icmp_signed(">", count, I64(table.SPINS_BEFORE_YIELD))
        give = nap if limit is None else lambda _: ir.call(builder, table.YIELD, I32)
        ir.when(builder, tired, lambda: give(count))

    ir.loop_while(builder, go_on, spin, unroll=False)


class _Driver:
    """State lies in stack words, which LLVM keeps in registers."""

    def __init__(self, builder: Builder, program: Value, thread: Value, threads: Value) -> None:
        self.builder, self.program, self.thread, self.threads = builder, program, thread, threads
        self.rows, self.first, self.ticks = (self._header(i) for i in (table.ROWS, table.FIRST_ROW, table.TICKS))
        self.line = ir.product(builder, thread, 8 * table.LINE)
        with builder.goto_entry_block():
            names = ["row", "generation", "loop_start", "loop_end", "loop_count", "loop_counter"]
            names += ["part", "parts", "parts_start", "parts_end", "parts_left", "parts_step"]
            self.state = {name: builder.alloca(I64, name=name) for name in names}

    def emit(self) -> None:
        """``for step in range(steps)``: the clock, then the rows."""
        builder = self.builder
        steps, clock = self._header(table.STEPS), builder.add(self._header(table.CLOCK), self.line)
        self._set("generation", I64(0))

        def one_step(step: Value, _: list[Value]) -> None:
            ir.store(builder, step, clock, 8)
            self._set("row", I64(0))
            self._set("loop_end", I64(-1))
            self._end_parts()
            more = lambda: builder.icmp_signed("<", self._get("row"), self.rows)  # noqa: E731
            ir.loop_while(builder, more, self._timed_row, unroll=False)

        ir.counted(builder, 0, steps, [], one_step, unroll=False)

    def _header(self, index: int) -> Value:
        return ir.load(self.builder, ir.at(self.builder, self.program, 8 * index), I64, 8)

    def _get(self, name: str) -> Value:
        return self.builder.load(self.state[name])

    def _set(self, name: str, value: Value) -> None:
        self.builder.store(value, self.state[name])

    def _timed_row(self) -> None:
        builder = self.builder
        counted = builder.icmp_signed("!=", self.ticks, I64(0))
        row = self._get("row")
        (begin,) = ir.branch(builder, counted, lambda: [_ticks(builder)], lambda: [I64(0)])
        self._row(row)

        def add() -> None:
            pitch = builder.select(builder.icmp_signed(">", self.rows, I64(table.LINE)), self.rows, I64(table.LINE))
            index = builder.add(builder.mul(self.thread, pitch), row)
            place = ir.at(builder, self.ticks, ir.product(builder, index, 8))
            spent = builder.sub(_ticks(builder), begin)
            ir.store(builder, builder.add(ir.load(builder, place, I64, 8), spent), place, 8)

        ir.when(builder, counted, add)
        self._end_of_parts()
        self._end_of_loop()

    def _row(self, row: Value) -> None:
        builder = self.builder
        words = ir.at(builder, self.first, ir.product(builder, row, 8 * table.ROW_WORDS))
        one, two, kind, three = (ir.load(builder, ir.at(builder, words, 8 * i), I64, 8) for i in range(4))
        self._set("row", builder.add(row, I64(1)))

        def call() -> list[Value]:
            kernel = builder.inttoptr(one, KERNEL.as_pointer())
            builder.call(kernel, [two, self._get("part"), self._get("parts"), self.thread])
            return []

        def other() -> list[Value]:
            is_stepped = builder.icmp_signed("==", kind, I64(table.STEPPED))
            return ir.branch(builder, is_stepped, lambda: self._stepped(one, two, three), no_call)

        def no_call() -> list[Value]:
            is_loop = builder.icmp_signed("==", kind, I64(table.LOOP))
            return ir.branch(builder, is_loop, lambda: self._begin_loop(one, two, three), no_loop)

        def no_loop() -> list[Value]:
            is_parts = builder.icmp_signed("==", kind, I64(table.PARTS))
            return ir.branch(builder, is_parts, lambda: self._begin_parts(one, two, three), self._barrier)

        ir.branch(builder, builder.icmp_signed("==", kind, I64(table.CALL)), call, other)

    def _stepped(self, address: Value, block: Value, counters: Value) -> list[Value]:
        """Write this round's words among the thread's own arguments, and call."""
        builder = self.builder
        turn = ir.load(builder, builder.add(counters, self.line), I64, 8)
        first, pitch, count = (ir.load(builder, ir.at(builder, block, 8 * i), I64, 8) for i in range(table.BLOCK_HEAD))
        own = builder.add(first, builder.mul(self.thread, pitch))

        def one(i: Value, _: list[Value]) -> None:
            index = builder.add(builder.mul(i, I64(3)), I64(table.BLOCK_HEAD))
            entry = builder.add(block, ir.product(builder, index, 8))
            place, value, step = (ir.load(builder, ir.at(builder, entry, 8 * k), I64, 8) for k in range(3))
            word = builder.add(value, builder.mul(turn, step))
            ir.store(builder, word, builder.add(own, ir.product(builder, place, 8)), 8)

        ir.counted(builder, 0, count, [], one, unroll=False)
        kernel = builder.inttoptr(address, KERNEL.as_pointer())
        builder.call(kernel, [own, self._get("part"), self._get("parts"), self.thread])
        return []

    def _begin_loop(self, count: Value, rows: Value, counters: Value) -> list[Value]:
        builder = self.builder
        counter, start = builder.add(counters, self.line), self._get("row")
        ir.store(builder, I64(0), counter, 8)
        end = builder.add(start, rows)
        never = builder.icmp_signed("<", count, I64(1))
        self._set("row", builder.select(never, end, start))
        self._set("loop_end", builder.select(never, I64(-1), end))
        for name, value in (("loop_start", start), ("loop_count", count), ("loop_counter", counter)):
            self._set(name, value)
        return []

    def _end_of_loop(self) -> None:
        builder = self.builder

        def again() -> None:
            counter = self._get("loop_counter")
            done = builder.add(ir.load(builder, counter, I64, 8), I64(1))
            ir.store(builder, done, counter, 8)
            more = builder.icmp_signed("<", done, self._get("loop_count"))
            self._set("row", builder.select(more, self._get("loop_start"), self._get("row")))
            self._set("loop_end", builder.select(more, self._get("loop_end"), I64(-1)))

        ir.when(builder, builder.icmp_signed("==", self._get("row"), self._get("loop_end")), again)

    def _begin_parts(self, count: Value, rows: Value, step: Value) -> list[Value]:
        builder = self.builder
        first, stop = (
            builder.udiv(builder.mul(n, count), self.threads) for n in (self.thread, builder.add(self.thread, I64(1)))
        )
        start = self._get("row")
        end = builder.add(start, rows)
        none = builder.icmp_signed(">=", first, stop)
        upwards = builder.icmp_signed(">", step, I64(0))
        self._set("row", builder.select(none, end, start))
        self._set("parts_end", builder.select(none, I64(-1), end))
        begin = builder.select(upwards, first, builder.sub(stop, I64(1)))
        self._set("part", builder.select(none, self.thread, begin))
        self._set("parts", builder.select(none, self.threads, count))
        self._set("parts_start", start)
        self._set("parts_left", builder.sub(stop, first))
        self._set("parts_step", step)
        return []

    def _end_of_parts(self) -> None:
        builder = self.builder

        def again() -> None:
            left = builder.sub(self._get("parts_left"), I64(1))
            self._set("parts_left", left)

            def rewind() -> list[Value]:
                self._set("part", builder.add(self._get("part"), self._get("parts_step")))
                self._set("row", self._get("parts_start"))
                return []

            def end() -> list[Value]:
                self._end_parts()
                return []

            ir.branch(builder, builder.icmp_signed(">", left, I64(0)), rewind, end)

        ir.when(builder, builder.icmp_signed("==", self._get("row"), self._get("parts_end")), again)

    def _end_parts(self) -> None:
        """From here on a thread has one part of as many as there are threads."""
        self._set("parts_end", I64(-1))
        self._set("part", self.thread)
        self._set("parts", self.threads)

    def _barrier(self) -> list[Value]:
        builder = self.builder
        ir.when(builder, builder.icmp_signed(">", self.threads, I64(1)), self._meet)
        return []

    def _meet(self) -> None:
        builder = self.builder
        arrived, generation = (
            builder.bitcast(ir.at(builder, self.program, 8 * i), I64.as_pointer())
            for i in (table.ARRIVED, table.GENERATION)
        )
        here = self._get("generation")
        following = builder.add(here, I64(1))
        before = builder.atomic_rmw("add", arrived, I64(1), "seq_cst")
        last = builder.icmp_signed("==", before, builder.sub(builder.mul(self.threads, following), I64(1)))

        def open_it() -> list[Value]:
            builder.store_atomic(following, generation, "release", 8)
            return []

        def wait() -> list[Value]:
            spin_while(
                builder,
                lambda: builder.icmp_signed("<", builder.load_atomic(generation, "acquire", 8), following),
            )
            return []

        ir.branch(builder, last, open_it, wait)
        self._set("generation", following)


def _ticks(builder: Builder) -> Value:
    # AArch64's cycle counter is not readable in user mode; its steady counter is.
    name = "llvm.readsteadycounter" if processor.current().architecture == "aarch64" else "llvm.readcyclecounter"
    return ir.call(builder, name, I64)


def _flush_denormals(builder: Builder) -> Callable[[], object]:
    """Flush denormals in this thread; gives what restores the mode.

    Adam's moments of weights that see no gradient decay into denormals, on which processors are many times slower.
    """
    kind = processor.current().architecture
    if kind == "x86_64":
        with builder.goto_entry_block():
            before, now = builder.alloca(I32), builder.alloca(I32)
        ir.call(builder, "llvm.x86.sse.stmxcsr", ir.VOID, before)
        builder.store(builder.or_(builder.load(before), I32(FLUSH_X86)), now)
        ir.call(builder, "llvm.x86.sse.ldmxcsr", ir.VOID, now)
        return lambda: ir.call(builder, "llvm.x86.sse.ldmxcsr", ir.VOID, before)
    if kind == "aarch64":
        mode = ir.call(builder, "llvm.aarch64.get.fpcr", I64)
        ir.call(builder, "llvm.aarch64.set.fpcr", ir.VOID, builder.or_(mode, I64(FLUSH_ARM)))
        return lambda: ir.call(builder, "llvm.aarch64.set.fpcr", ir.VOID, mode)
    return lambda: None
