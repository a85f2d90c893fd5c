"""The code of the way back through attention."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.attend import ATTEND_REVERSE, BLOCK, Form
from netspec.compiler.kernels.attend_blocks_emit import Matrix, Sample
from netspec.compiler.kernels.attend_scores_emit import SCORES
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import across


def emit_attend_reverse(form: Form) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        s = Sample(b, args, thread, form, ATTEND_REVERSE)
        s.each(part, parts, lambda: _pull_back(s))

    return ir.kernel_function(body)


def _pull_back(s: Sample) -> None:
    """One sample and head."""
    b, word, scores = s.b, s.word, SCORES[s.form.score](s)
    places, width, value_width = word["places"], word["width"], word["value_width"]
    values, weights = s.scratch("at_values", "place_pitch"), s.scratch("at_weights", "place_pitch")
    pulled, query = s.scratch("at_d_weights", "place_pitch"), s.scratch("at_query", "key_pitch")
    d_output, d_values = s.scratch("at_d_output", "value_pitch"), s.scratch("at_d_values", "value_pitch")
    d_query, d_keys = s.scratch("at_d_query", "key_pitch"), s.scratch("at_d_keys", "key_pitch")
    scores.prepare(reverse=True)
    s.bring_turned(s.memory("values", value_width), values, places, value_width)
    every = b.and_(b.add(places, I64(LANES - 1)), I64(-LANES))
    s.clear(d_keys, every, 0, s.vectors(width))
    s.clear(d_values, every, 0, s.vectors(value_width))
    target = s.memory("d_query", width)

    def give(first: Value, count: Value) -> None:
        s.give(d_query, Matrix(target.at(b, first), target.row), count, width)

    def block(first: Value, count: Value, bound: Value) -> None:
        s.bring_block(s.memory("query", width), query, first, width)
        s.bring_block(s.memory("d_output", value_width), d_output, first, value_width)
        s.product(d_output, values, pulled, count, s.vectors(bound), value_width)
        _through_softmax(s, first, weights, pulled, s.vectors(bound))
        scores.pull(count, bound)
        s.product(weights, d_output, d_values, bound, s.vectors(value_width), I64(BLOCK), turned=True, further=True)
        give(first, count)

    def none(first: Value, count: Value) -> None:
        s.clear(d_query, count, 0, s.vectors(width))
        give(first, count)

    s.blocks(block, none)
    s.give(d_keys, s.memory("d_keys", width), places, width)
    s.give(d_values, s.memory("d_values", value_width), places, value_width)
    scores.give()


def _through_softmax(s: Sample, first: Value, weights: Matrix, pulled: Matrix, vectors: Value) -> None:
    """Cotangents of weights become those of scores, ``p (d - sum(p d))``; the block's weights are brought along."""
    b, last = s.b, s.b.sub(s.word["steps"], I64(1))
    names = ("weights", *(["d_weights"] if s.form.watched else []))

    def row(i: Value, _: list[Value]) -> None:
        live, t = s.live(i), ir.minimum(b, b.add(first, i), last)
        sources = [s.memory(name, s.word["places"]).at(b, t) for name in names]
        begins = [side.at(b, i) for side in (weights, pulled)]

        def sweep(start: Value, one: Callable[[Value, Value, Value, Value], Value]) -> Value:
            def vector(column: Value, carried: list[Value]) -> list[Value]:
                offset = b.shl(column, I64(2))
                weight, cotangent = (b.add(begin, offset) for begin in begins)
                return [one(carried[0], weight, cotangent, column)]

            return ir.counted(b, 0, b.shl(vectors, I64(4)), [start], vector, LANES, unroll=False)[0]

        def weigh(total: Value, weight: Value, cotangent: Value, column: Value) -> Value:
            mask, read = live(column), [ir.load(b, b.add(source, b.shl(column, I64(2)))) for source in sources]
            p, d = b.select(mask, read[0], ir.ZERO), ir.load(b, cotangent)
            d = b.select(mask, b.fadd(d, read[1]) if s.form.watched else d, ir.ZERO)
            ir.store(b, p, weight)
            ir.store(b, d, cotangent)
            return ir.fma(b, p, d, total)

        mean = across(b, sweep(ir.ZERO, weigh))

        def centre(_: Value, weight: Value, cotangent: Value, column: Value) -> Value:
            value = b.fmul(ir.load(b, weight), b.fsub(ir.load(b, cotangent), mean))
            ir.store(b, value, cotangent)
            return ir.ZERO

        sweep(ir.ZERO, centre)

    ir.counted(b, 0, BLOCK, [], row, unroll=False)
