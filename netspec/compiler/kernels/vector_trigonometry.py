"""Sine and cosine on 16 float32 lanes, over the whole range.

A float32 is a 24-bit integer times a power of two, and of its product with 2/pi only the bits about the binary point
count: whole turns fall away to the left. So multiply the integer by the 96 bits of 2/pi that its exponent selects and
keep 64 of the product: 2 for the quadrant, 62 for the place in it, enough since no float32 comes nearer than 2**-30
to a multiple of pi/2. It costs the same for all arguments and has no error that grows with them.

Reference: Payne and Hanek 1983, Radian reduction for trigonometric functions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from llvmlite import ir

from netspec.compiler.kernels.ir import F64, I64, INTS, LANES, VEC, intrinsic_call

if TYPE_CHECKING:
    from netspec.compiler.kernels.vector_math import Vectors

REALS, WORDS = ir.VectorType(F64, LANES), ir.VectorType(I64, LANES)
# a word of zeros, for arguments near 1, then the binary digits of 2/pi
TWO_OVER_PI = (0, 0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB)
SIN = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def sine(v: Vectors, x: ir.Value, quarter: int) -> ir.Value:
    """``sin(x + quarter * pi/2)``: the sine for 0, the cosine for 1."""
    b, size = v.b, v.abs(x)
    near = b.fcmp_ordered("<", size, v.real(math.pi / 4))
    quadrant, r = _reduced(v, size)
    r = b.select(near, size, r)
    quadrant = b.add(b.select(near, v.integer(0), quadrant), v.integer(quarter))
    value = of_quadrant(v, quadrant, r)
    if quarter == 0:  # odd
        value = v.floats(b.xor(v.bits(value), b.and_(v.bits(x), v.integer(0x80000000))))
    return b.select(b.fcmp_ordered("<", size, v.real(math.inf)), value, v.real(math.nan))


def of_quadrant(v: Vectors, quadrant: ir.Value, r: ir.Value) -> ir.Value:
    """``sin(r + quadrant * pi/2)`` for |r| <= pi/4 and an int32 quadrant."""
    b, square = v.b, v.b.fmul(r, r)
    sine_near = v.fma(b.fmul(v.polynomial(square, SIN), square), r, r)
    cosine = v.fma(square, v.real(-0.5), v.real(1.0))
    cosine = v.fma(v.polynomial(square, COS), b.fmul(square, square), cosine)
    odd = b.icmp_signed("!=", b.and_(quadrant, v.integer(1)), v.integer(0))
    value = b.select(odd, cosine, sine_near)
    turned = b.shl(b.and_(quadrant, v.integer(2)), v.integer(30))
    return v.floats(b.xor(v.bits(value), turned))


def _reduced(v: Vectors, size: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The quadrant (int32) and the rest in [-pi/4, pi/4] of finite lanes >= 1/2."""
    b, bits = v.b, v.bits(size)
    start = b.sub(b.lshr(bits, v.integer(23)), v.integer(120))  # of the window, counted in bits of TWO_OVER_PI
    mantissa = b.or_(b.and_(bits, v.integer(0x7FFFFF)), v.integer(0x800000))
    high, middle, low = _window(v, start)

    def times(digits: ir.Value) -> ir.Value:
        return b.mul(b.zext(mantissa, WORDS), b.zext(digits, WORDS))

    turns = b.add(b.shl(times(high), _word(32)), b.add(times(middle), b.lshr(times(low), _word(32))))
    quadrant = b.lshr(b.add(turns, _word(1 << 61)), _word(62))
    rest = b.sitofp(b.sub(turns, b.shl(quadrant, _word(62))), REALS)
    scale = ir.Constant(REALS, [math.pi / 2 * 2.0**-62] * LANES)
    return b.trunc(quadrant, INTS), b.fptrunc(b.fmul(rest, scale), VEC)


def _window(v: Vectors, start: ir.Value) -> list[ir.Value]:
    """Three words of TWO_OVER_PI from bit `start` on. Selects instead of a gather, which other machines lack."""
    b, first = v.b, v.b.lshr(start, v.integer(5))
    options = [v.b.icmp_signed("==", first, v.integer(i)) for i in range(1, 5)]
    words = []
    for place in range(4):
        chosen = v.integer(TWO_OVER_PI[place])
        for i, option in enumerate(options, 1):
            chosen = b.select(option, v.integer(TWO_OVER_PI[i + place]), chosen)
        words.append(chosen)
    shift = b.and_(start, v.integer(31))
    return [intrinsic_call(b, "fshl", words[i], words[i + 1], shift) for i in range(3)]


def _word(value: int) -> ir.Value:
    return ir.Constant(WORDS, [value] * LANES)
