"""The code of attention."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.attend import ATTEND, BLOCK, Form
from netspec.compiler.kernels.attend_blocks_emit import Matrix, Sample
from netspec.compiler.kernels.attend_scores_emit import SCORES
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import across, combine
from netspec.compiler.kernels.vector_math import Vectors


def emit_attend(form: Form) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        s = Sample(b, args, thread, form, ATTEND)
        s.each(part, parts, lambda: _attend(s))

    return ir.kernel_function(body)


def _attend(s: Sample) -> None:
    """One sample and head."""
    word, scores = s.word, SCORES[s.form.score](s)
    values, weights = s.scratch("at_values", "value_pitch"), s.scratch("at_weights", "place_pitch")
    sums, query = s.scratch("at_output", "value_pitch"), s.scratch("at_query", "key_pitch")
    places, value_width = word["places"], word["value_width"]
    scores.prepare(reverse=False)
    s.bring(s.memory("values", value_width), values, places, value_width)

    def give(first: Value, count: Value) -> None:
        for name, source, width in (("output", sums, value_width), ("weights", weights, places)):
            target = s.memory(name, width)
            s.give(source, Matrix(target.at(s.b, first), target.row), count, width)

    def block(first: Value, count: Value, bound: Value) -> None:
        s.bring_block(s.memory("query", word["width"]), query, first, word["width"])
        scores.score(count, bound)
        _softmax(s, weights, s.vectors(bound), s.vectors(places))
        s.product(weights, values, sums, count, s.vectors(value_width), bound)
        give(first, count)

    def none(first: Value, count: Value) -> None:
        s.clear(weights, count, 0, s.vectors(places))
        s.clear(sums, count, 0, s.vectors(value_width))
        give(first, count)

    s.blocks(block, none)


def _softmax(s: Sample, scores: Matrix, vectors: Value, whole: Value) -> None:
    """Scores become weights: live places by the softmax, all others 0."""
    b, math = s.b, Vectors(s.b)

    def row(i: Value, _: list[Value]) -> None:
        live, begin = s.live(i), scores.at(b, i)

        def sweep(start: Value, one: Callable[[Value, Value, Value], Value]) -> Value:
            def vector(column: Value, carried: list[Value]) -> list[Value]:
                return [one(carried[0], b.add(begin, b.shl(column, I64(2))), live(column))]

            return ir.counted(b, 0, b.shl(vectors, I64(4)), [start], vector, LANES, unroll=False)[0]

        def largest(top: Value, place: Value, mask: Value) -> Value:
            return combine(b, "max", top, b.select(mask, ir.load(b, place), ir.real(float("-inf"))))

        top = across(b, sweep(ir.real(float("-inf")), largest), "max")

        def raised(total: Value, place: Value, mask: Value) -> Value:
            value = b.select(mask, math.exp(b.fsub(ir.load(b, place), top)), ir.ZERO)
            ir.store(b, value, place)
            return b.fadd(total, value)

        total = across(b, sweep(ir.ZERO, raised))
        factor = b.select(b.fcmp_ordered("==", total, ir.ZERO), ir.ZERO, b.fdiv(ir.real(1.0), total))

        def scaled(_: Value, place: Value, mask: Value) -> Value:
            ir.store(b, b.fmul(ir.load(b, place), factor), place)
            return ir.ZERO

        sweep(ir.ZERO, scaled)

    ir.counted(b, 0, BLOCK, [], row, unroll=False)
    s.clear(scores, I64(BLOCK), vectors, whole)
