"""The code by which threads meet for a run."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir as llvm

from netspec.compiler.kernels import crew, ir
from netspec.compiler.kernels.driver_emit import emit_walk, spin_while
from netspec.compiler.kernels.ir import I64, Builder, Value


def emit_crew() -> Callable[..., None]:
    """The Python function that Numba compiles: ``(crew's words, thread, threads, patience)``."""

    def body(builder: Builder, words: Value, thread: Value, threads: Value, patience: Value) -> None:
        made = _Crew(builder, words, threads)
        first = builder.icmp_signed("==", thread, I64(0))
        ir.branch(builder, first, lambda: made.lead(patience), lambda: made.serve(thread))

    return ir.kernel_function(body)


class _Crew:
    def __init__(self, builder: Builder, words: Value, threads: Value) -> None:
        self.builder, self.words, self.threads = builder, words, threads
        self.walk: llvm.Function = emit_walk(builder)

    def lead(self, patience: Value) -> list[Value]:
        """Take all others; if one stays out, say which, else run the program with them."""
        builder = self.builder

        def take(thread: Value, values: list[Value]) -> list[Value]:
            (missing,) = values
            place = self._state(thread)
            waits = lambda: builder.not_(self._taken(place))  # noqa: E731

            def wait() -> list[Value]:
                spin_while(builder, waits, crew.STAY)
                return []

            ir.branch(builder, builder.icmp_signed(">", patience, I64(0)), wait, list)
            return [
                builder.select(
                    builder.or_(self._taken(place), builder.icmp_signed(">", missing, I64(0))), missing, thread
                )
            ]

        (missing,) = ir.counted(builder, 1, self.threads, [I64(0)], take, unroll=False)
        ir.store(builder, missing, ir.at(builder, self.words, 8 * crew.MISSING), 8)
        ir.when(builder, builder.icmp_signed("==", missing, I64(0)), self._run)
        return []

    def _run(self) -> None:
        builder = self.builder

        def let_go(thread: Value, _: list[Value]) -> None:
            builder.store_atomic(I64(crew.RUN), self._state(thread), "release", 8)

        def come_back(thread: Value, _: list[Value]) -> None:
            spin_while(builder, lambda: self._is(self._state(thread), crew.RUN))

        ir.counted(builder, 1, self.threads, [], let_go, unroll=False)
        self._walk(I64(0))
        ir.counted(builder, 1, self.threads, [], come_back, unroll=False)

    def serve(self, thread: Value) -> list[Value]:
        """Run what comes; leave when for some time nothing came."""
        builder, place = self.builder, self._state(thread)
        builder.store_atomic(I64(crew.IN), place, "release", 8)

        def stays() -> Value:
            """Wait for a run; whether there is one."""
            spin_while(builder, lambda: builder.not_(self._is(place, crew.RUN)), crew.STAY)
            left = builder.extract_value(builder.cmpxchg(place, I64(crew.IN), I64(crew.OUT), "seq_cst", "seq_cst"), 1)
            return builder.not_(left)

        def run() -> None:
            def now() -> None:
                self._walk(thread)
                builder.store_atomic(I64(crew.IN), place, "release", 8)

            ir.when(builder, self._is(place, crew.RUN), now)

        ir.loop_while(builder, stays, run, unroll=False)
        return []

    def _walk(self, thread: Value) -> None:
        program = ir.load(self.builder, ir.at(self.builder, self.words, 8 * crew.PROGRAM), I64, 8)
        self.builder.call(self.walk, [program, thread, self.threads])

    def _state(self, thread: Value) -> Value:
        b = self.builder
        place = ir.at(b, self.words, b.add(ir.product(b, thread, 8 * crew.STATE_WORDS), I64(8 * crew.STATES)))
        return b.bitcast(place, I64.as_pointer())

    def _is(self, place: Value, state: int) -> Value:
        return self.builder.icmp_signed("==", self.builder.load_atomic(place, "acquire", 8), I64(state))

    def _taken(self, place: Value) -> Value:
        """Take a thread that waits; whether it is taken."""
        b = self.builder
        tried = b.cmpxchg(place, I64(crew.IN), I64(crew.TAKEN), "seq_cst", "seq_cst")
        return b.or_(b.extract_value(tried, 1), b.icmp_signed("==", b.extract_value(tried, 0), I64(crew.TAKEN)))
