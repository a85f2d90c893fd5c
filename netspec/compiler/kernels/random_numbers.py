"""Random numbers as a function of a seed, a step and an element's index: no state, so no order of evaluation counts.

Threefry-2x32 with 20 rounds turns a 64-bit key and a 64-bit counter into two random words. The key holds the seed of
the node (``hi`` and ``lo``, 24 bits each) and 16 bits of the step, the counter the element's index (below 2**56) and
the step's other 8 bits; all arrive as float32, which holds integers below 2**24 exactly.

The same integers in NumPy serve the graph interpreter: uniform numbers equal bit for bit, normal ones to rounding.

Reference: Salmon, Moraes, Dror, Shaw 2011, Parallel random numbers: as easy as 1, 2, 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from llvmlite import ir
    from numpy.typing import NDArray

    from netspec.compiler.kernels.kernel import Place
    from netspec.compiler.kernels.vector_math import Vectors

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
Words = TypeVar("Words")


def uniform(vectors: Vectors, hi: ir.Value, lo: ir.Value, step: ir.Value, place: Place) -> ir.Value:
    """Uniform on [0, 1), multiples of 2**-24."""
    v = vectors
    word, _ = _words(v, hi, lo, step, place)
    whole = v.b.sitofp(v.b.lshr(word, v.integer(8)), v.real(0.0).type)
    return v.b.fmul(whole, v.real(2.0**-24))


def normal(vectors: Vectors, hi: ir.Value, lo: ir.Value, step: ir.Value, place: Place) -> ir.Value:
    """Standard normal by Box and Muller (1958), of each pair the cosine: ``sqrt(-2 log u) cos(2 pi w)``.

    The angle is a word whose upper two bits are the quadrant, so its cosine needs no reduction.
    """
    from netspec.compiler.kernels.vector_trigonometry import of_quadrant

    v, b = vectors, vectors.b
    first, second = _words(v, hi, lo, step, place)
    u = v.fma(b.uitofp(first, v.real(0.0).type), v.real(2.0**-32), v.real(2.0**-33))
    radius = v.sqrt(b.fmul(v.log(u), v.real(-2.0)))
    quadrant = b.lshr(b.add(second, v.integer(1 << 29)), v.integer(30))
    rest = b.sitofp(b.sub(second, b.shl(quadrant, v.integer(30))), v.real(0.0).type)
    cosine = of_quadrant(v, b.add(quadrant, v.integer(1)), b.fmul(rest, v.real(math.pi * 2.0**-31)))
    return b.fmul(radius, cosine)


def _words(v: Vectors, hi: ir.Value, lo: ir.Value, step: ir.Value, place: Place) -> tuple[ir.Value, ir.Value]:
    """The two random words of each lane."""
    from llvmlite import ir

    from netspec.compiler.kernels.ir import I32, I64, LANES, splat

    b = v.b
    seeds = [b.fptosi(part, v.integer(0).type) for part in (hi, lo, step)]
    key, high_extra = _key(seeds, b.or_, lambda x, n: b.shl(x, v.integer(n)), lambda x, n: b.lshr(x, v.integer(n)))
    element = b.add(b.mul(place.row, place.width), place.column)
    start = splat(b, b.trunc(element, I32))
    low = b.add(start, ir.Constant(v.integer(0).type, list(range(LANES))))
    carry = b.zext(b.icmp_unsigned("<", low, start), low.type)
    high = b.add(splat(b, b.trunc(b.lshr(element, I64(32)), I32)), carry)
    return threefry(
        key,
        (low, b.or_(high, high_extra)),
        add=b.add,
        xor=b.xor,
        rotate=lambda x, n: _rotate(v, x, n),
        constant=v.integer,
    )


def _rotate(v: Vectors, x: ir.Value, places: int) -> ir.Value:
    from netspec.compiler.kernels.ir import intrinsic_call

    return intrinsic_call(v.b, "fshl", x, x, v.integer(places))


def _key(
    seeds: Sequence[Any], either: Callable[..., Any], left: Callable[..., Any], right: Callable[..., Any]
) -> tuple[tuple[Any, Any], Any]:
    """The key's two words, and what the counter's high word receives of the step."""
    hi, lo, step = seeds
    key = either(hi, left(step, 24)), either(lo, left(right(step, 8), 24))
    return key, left(right(step, 16), 24)


def threefry(
    key: tuple[Words, Words],
    counter: tuple[Words, Words],
    *,
    add: Callable[[Words, Words], Words],
    xor: Callable[[Words, Words], Words],
    rotate: Callable[[Words, int], Words],
    constant: Callable[[int], Words],
) -> tuple[Words, Words]:
    """Threefry-2x32-20 on any words that add, xor and rotate modulo 2**32: LLVM vectors or NumPy arrays."""
    keys = (*key, xor(xor(key[0], key[1]), constant(PARITY)))
    x, y = add(counter[0], keys[0]), add(counter[1], keys[1])
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x = add(x, y)
            y = xor(rotate(y, rotation), x)
        x = add(x, keys[(group + 1) % 3])
        y = add(add(y, keys[(group + 2) % 3]), constant(group + 1))
    return x, y


def uniform_reference(hi: float, lo: float, step: float, shape: Sequence[int]) -> NDArray[np.float32]:
    """What `uniform` gives for a whole array: the leading axis are the rows, all others together the columns."""
    import numpy as np

    word, _ = _words_reference(hi, lo, step, shape)
    return (word >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def normal_reference(hi: float, lo: float, step: float, shape: Sequence[int]) -> NDArray[np.float32]:
    """What `normal` gives for a whole array, to within rounding."""
    import numpy as np

    first, second = _words_reference(hi, lo, step, shape)
    u = first.astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)
    radius = np.sqrt(-2.0 * np.log(u.astype(np.float64)))
    return (radius * np.cos(second.astype(np.float64) * (np.pi * 2.0**-31))).astype(np.float32)


def _words_reference(
    hi: float, lo: float, step: float, shape: Sequence[int]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    import numpy as np

    seeds = [np.uint32(int(part)) for part in (hi, lo, step)]
    key, extra = _key(seeds, np.bitwise_or, lambda x, n: x << np.uint32(n), lambda x, n: x >> np.uint32(n))
    elements = np.arange(math.prod(shape), dtype=np.uint64)
    counter = elements.astype(np.uint32), (elements >> np.uint64(32)).astype(np.uint32) | extra
    keys = np.asarray(key[0])[None], np.asarray(key[1])[None]  # arrays wrap around, scalars would warn
    first, second = threefry(
        keys,
        counter,
        add=np.add,
        xor=np.bitwise_xor,
        rotate=lambda x, n: (x << np.uint32(n)) | (x >> np.uint32(32 - n)),
        constant=np.uint32,
    )
    return first.reshape(tuple(shape)), second.reshape(tuple(shape))
