"""The scores of attention and the way back through them: products, and sums of a hyperbolic tangent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.attend import BLOCK, Score
from netspec.compiler.kernels.attend_blocks_emit import Sample
from netspec.compiler.kernels.ir import F32, I64, Value
from netspec.compiler.kernels.streams import across
from netspec.compiler.kernels.vector_math import Vectors


class Scores(ABC):
    """How a query and a key are compared, for one sample and head after the other."""

    def __init__(self, sample: Sample) -> None:
        self.s, self.b, self.word = sample, sample.b, sample.word

    @abstractmethod
    def prepare(self, *, reverse: bool) -> None:
        """Bring keys into scratch."""

    @abstractmethod
    def score(self, count: Value, bound: Value) -> None:
        """The scores of a block of queries with the places below ``bound``, where the weights will stand."""

    @abstractmethod
    def pull(self, count: Value, bound: Value) -> None:
        """Of the cotangents of scores, ``at_d_weights``: those of queries, and what is added to those of keys."""

    @abstractmethod
    def give(self) -> None:
        """Write the cotangents of what belongs to the scores alone."""


class Dot(Scores):
    """``q k``."""

    def prepare(self, *, reverse: bool) -> None:
        s, width = self.s, self.word["width"]
        source = s.memory("keys", width)
        if reverse:
            s.bring(source, s.scratch("at_keys", "key_pitch"), self.word["places"], width)
        else:
            s.bring_turned(source, s.scratch("at_keys", "place_pitch"), self.word["places"], width)

    def score(self, count: Value, bound: Value) -> None:
        s = self.s
        query, keys = s.scratch("at_query", "key_pitch"), s.scratch("at_keys", "place_pitch")
        scores = s.scratch("at_weights", "place_pitch")
        s.product(query, keys, scores, count, s.vectors(bound), self.word["width"])

    def pull(self, count: Value, bound: Value) -> None:
        s, vectors = self.s, self.s.vectors(self.word["width"])
        pulled = s.scratch("at_d_weights", "place_pitch")
        query, keys, d_query, d_keys = (
            s.scratch(name, "key_pitch") for name in ("at_query", "at_keys", "at_d_query", "at_d_keys")
        )
        s.product(pulled, keys, d_query, count, vectors, bound)
        s.product(pulled, query, d_keys, bound, vectors, I64(BLOCK), turned=True, further=True)

    def give(self) -> None:
        return


class Additive(Scores):
    """``w tanh(q + k)``."""

    def prepare(self, *, reverse: bool) -> None:
        s, b, width = self.s, self.b, self.word["width"]
        s.bring(s.memory("keys", width), s.scratch("at_keys", "key_pitch"), self.word["places"], width)
        source = b.add(self.word["factors"], b.shl(b.mul(s.head, width), I64(2)))
        b.call(s.copy, [source, I64(0), self.word["at_factors"], I64(0), I64(1), width])
        if reverse:
            s.clear(s.scratch("at_d_factors", "key_pitch"), I64(1), 0, s.vectors(width))

    def score(self, count: Value, bound: Value) -> None:
        b, math = self.b, Vectors(self.b)
        scores = self.s.scratch("at_weights", "place_pitch")

        def one(i: Value, place: Value, at: Callable[[str, Value], Value]) -> None:
            def add(v: Value, total: list[Value]) -> list[Value]:
                offset = b.shl(v, I64(6))
                z = b.fadd(ir.load(b, at("at_query", offset)), ir.load(b, at("at_keys", offset)))
                return [ir.fma(b, ir.load(b, b.add(self.word["at_factors"], offset)), math.tanh(z), total[0])]

            (total,) = ir.counted(b, 0, self.s.vectors(self.word["width"]), [ir.ZERO], add, unroll=False)
            ir.store(b, b.extract_element(across(b, total), ir.I32(0)), scores.at(b, i, place))

        self._pairs(count, one)

    def pull(self, count: Value, bound: Value) -> None:
        s, b, math = self.s, self.b, Vectors(self.b)
        pulled = s.scratch("at_d_weights", "place_pitch")
        s.clear(s.scratch("at_d_query", "key_pitch"), count, 0, s.vectors(self.word["width"]))

        def one(i: Value, place: Value, at: Callable[[str, Value], Value]) -> None:
            d_score = ir.splat(b, ir.load(b, pulled.at(b, i, place), F32))

            def vector(v: Value, _: list[Value]) -> None:
                offset = b.shl(v, I64(6))
                y = math.tanh(b.fadd(ir.load(b, at("at_query", offset)), ir.load(b, at("at_keys", offset))))
                factor = ir.load(b, b.add(self.word["at_factors"], offset))
                slope = ir.fma(b, b.fneg(y), y, ir.real(1.0))
                d_z = b.fmul(b.fmul(d_score, factor), slope)
                for name in ("at_d_query", "at_d_keys"):
                    ir.store(b, b.fadd(ir.load(b, at(name, offset)), d_z), at(name, offset))
                d_factors = b.add(self.word["at_d_factors"], offset)
                ir.store(b, ir.fma(b, d_score, y, ir.load(b, d_factors)), d_factors)

            ir.counted(b, 0, s.vectors(self.word["width"]), [], vector, unroll=False)

        self._pairs(count, one)

    def _pairs(self, count: Value, one: Callable[[Value, Value, Callable[[str, Value], Value]], object]) -> None:
        """Run ``one(query, place, at)`` for all live pairs of a block; ``at`` finds the rows of either."""
        b, s = self.b, self.s

        def query(i: Value, _: list[Value]) -> None:
            def place(p: Value, _: list[Value]) -> None:
                def at(name: str, offset: Value) -> Value:
                    row = i if name in ("at_query", "at_d_query") else p
                    return b.add(s.scratch(name, "key_pitch").at(b, row), offset)

                one(i, p, at)

            ir.counted(b, 0, s.limit(i), [], place, unroll=False)

        ir.counted(b, 0, count, [], query, unroll=False)

    def give(self) -> None:
        s, b, width = self.s, self.b, self.word["width"]
        begin = b.add(self.word["d_factors"], b.mul(s.row, self.word["d_factors_row"]))
        begin = b.add(begin, b.shl(b.mul(s.head, width), I64(2)))
        zero = I64(0)
        b.call(s.put, [self.word["at_d_factors"], zero, begin, zero, I64(1), width])


SCORES: dict[Score, type[Scores]] = {"dot": Dot, "additive": Additive}
