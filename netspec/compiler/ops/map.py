"""Elementwise arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.compiler.formula.compose import rename, select, trim
from netspec.compiler.formula.differentiate import pullback
from netspec.compiler.formula.expr import ZERO, Name
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.formula.simplify import simplify
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula
from netspec.compiler.ops.reduce import sum_to
from netspec.tensortype import BATCH, TensorType

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Map(Op):
    """A formula applied to every element; inputs broadcast as in NumPy and belong to its names by position.

    One result for each result of the formula, all of the same shape. ``column()`` and draws see that shape.
    """

    name: ClassVar[str] = "map"
    formula: Formula

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        return infer_formula(self.name, self.formula, inputs)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        given = tuple(i for i, cotangent in enumerate(cotangents) if cotangent is not None)
        available = (*node.inputs, *(node.value(i) for i in given), *(c for c in cotangents if c is not None))
        results: list[Value | None] = []
        for value, pulled in zip(node.inputs, _pullbacks(self.formula, given), strict=True):
            if pulled is None or value.type.dtype not in ("float32", "float64"):
                results.append(None)
                continue
            formula, kept = pulled
            inputs = [available[i] for i in kept]
            is_name = isinstance(formula.output, Name)
            full = inputs[0] if is_name else g.add(Map(formula), *inputs)
            results.append(sum_to(g, full, value.type))
        return results

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        return evaluate_formula(self.formula, inputs, real)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield _sample("a * b + 0.5", (BATCH, n), (n,))
            yield _sample("tanh(a) * exp(-b), a - b", (BATCH, n), (BATCH, 1))
        yield _sample("max(a, 0) / (2 + c * c)", (17, 3), ())
        yield _sample("where(a < b, a * b, log(3 + a))", (2, 3, 5), (3, 1))
        yield _sample("sigmoid(a)", (15,))
        yield Sample(Map(parse("(a + 1) * column()", ("a",))), (TensorType("float32", (4, 17)),))
        yield Sample(Map(parse("a / 255", ("a",))), (TensorType("uint8", (4, 17)),), integers=256)
        yield Sample(Map(parse("0.25", ())), ())


def _sample(text: str, *shapes: tuple[Any, ...]) -> Sample:
    names = "abc"[: len(shapes)] if "c" not in text else "ac"
    return Sample(Map(parse(text, tuple(names))), tuple(TensorType("float32", shape) for shape in shapes))


@lru_cache(maxsize=4096)
def _pullbacks(formula: Formula, given: tuple[int, ...]) -> tuple[tuple[Formula, tuple[int, ...]] | None, ...]:
    """For each input, the cotangent's formula and what it reads of (inputs, given results, their cotangents).

    Said by the results where that takes fewer arrays than by the inputs, since results are stored anyway:
    of ``max(x + b, 0)`` neither ``x`` nor ``b`` is then kept for the backward pass.
    """
    if not formula.inputs:
        return ()
    plain = simplify(select(rename(formula, [f"x{i}" for i in range(len(formula.inputs))]), given))
    results, cotangents = [f"y{i}" for i in given], [f"d{i}" for i in given]
    by_inputs, by_results = pullback(plain, cotangents), pullback(plain, cotangents, results)
    widened = Formula(by_results.inputs, by_inputs.outputs)
    found: list[tuple[Formula, tuple[int, ...]] | None] = []
    for i, output in enumerate(by_results.outputs):
        if output is ZERO:
            found.append(None)
            continue
        ways = [trim(select(by_results, [i])), trim(select(widened, [i]))]
        found.append(min(ways, key=lambda way: len(way[1])))
    return tuple(found)
