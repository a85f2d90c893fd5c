"""Affine maps of the plane, one for each sample: from a pixel of a picture to the pixel that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from netspec.catalog.formulas import with_numbers
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.map import Map
from netspec.tensortype import BATCH

Number: TypeAlias = "Value | float"
"""One for each sample, ``float32[B]``, or one for all."""


@dataclass(frozen=True)
class Affine:
    r"""$(i, j) \mapsto (a i + b j + c, d i + e j + f)$, rows first."""

    a: Number
    b: Number
    c: Number
    d: Number
    e: Number
    f: Number

    def after(self, g: Scope, first: Affine) -> Affine:
        """What ``first`` and then this map do."""
        a, b, c, d, e, f = self.numbers
        columns = ((first.a, first.d, 0.0), (first.b, first.e, 0.0), (first.c, first.f, 1.0))
        upper = [affine(g, (a, x), (b, y), (c, z)) for x, y, z in columns]
        lower = [affine(g, (d, x), (e, y), (f, z)) for x, y, z in columns]
        return Affine(*upper, *lower)

    @property
    def numbers(self) -> tuple[Number, ...]:
        return self.a, self.b, self.c, self.d, self.e, self.f

    def values(self, g: Scope) -> list[Value]:
        """The six numbers of every sample."""
        return [_spread(g, number) for number in self.numbers]


IDENTITY = Affine(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def about_centre(g: Scope, size: tuple[int, int], a: Number, b: Number, d: Number, e: Number) -> Affine:
    """The linear map with the centre of a picture in its place."""
    down, across = ((n - 1) / 2 for n in size)
    c = affine(g, (down, 1.0), (-down, a), (-across, b))
    f = affine(g, (across, 1.0), (-down, d), (-across, e))
    return Affine(a, b, c, d, e, f)


def affine(g: Scope, *terms: tuple[Number, Number]) -> Number:
    """The sum of products, of which those by 0 and 1 are not computed: what is whole stays so, bit for bit."""
    fixed, left = 0.0, list[tuple[Number, Number]]()
    for x, y in terms:
        if not isinstance(x, Value) and not isinstance(y, Value):
            fixed += x * y
        elif x != 0.0 and y != 0.0:
            left.append((x, y))
    if not left:
        return fixed
    values: dict[str, Value] = {}
    numbers = {"k": fixed}
    factors = []
    for i, pair in enumerate(left):
        names = []
        for side, factor in zip("xy", pair, strict=True):
            if isinstance(factor, Value):
                values[f"{side}{i}"] = factor
            elif factor != 1.0:
                numbers[f"{side}{i}"] = factor
            else:
                continue
            names.append(f"{side}{i}")
        factors.append(" * ".join(names))
    text = " + ".join(factors if fixed == 0.0 else [*factors, "k"])
    used = {name: number for name, number in numbers.items() if name != "k" or fixed != 0.0}
    if text in values:
        return values[text]
    return g.add(Map(with_numbers(parse(text, (*values, *used)), used)), *values.values())


def _spread(g: Scope, number: Number) -> Value:
    if isinstance(number, Value):
        return number
    return g.add(Broadcast((BATCH,)), g.add(Map(with_numbers(parse("k", ("k",)), {"k": number}))))
