"""``x**y`` on 16 float32 lanes, through double precision.

A relative error of 2.5 ulp in ``2**t`` for |t| up to 150 asks for 33 good bits of ``t = y * log2(x)``: float32 would
need pairs of numbers (and exact products, so FMA), double precision has them on every processor.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from llvmlite import ir

from netspec.compiler.kernels.ir import F64, I64, LANES, VEC, intrinsic_call

if TYPE_CHECKING:
    from netspec.compiler.kernels.vector_math import Vectors

REALS, WORDS = ir.VectorType(F64, LANES), ir.VectorType(I64, LANES)
ROUNDER, ROUNDER_BITS = 6755399441055744.0, 0x4338000000000000  # 1.5 * 2**52: leaves an integer in the low bits
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
EXPONENT_BITS = 0xFFF0000000000000
LOG2 = tuple(2.0 / math.log(2.0) / (2 * k + 1) for k in range(6, -1, -1))  # of (1+z)/(1-z), |z| < 0.172: error 2e-12
EXP2 = tuple(math.log(2.0) ** k / math.factorial(k) for k in range(8, -1, -1))  # |f| <= 1/2: error 2e-10


def power(v: Vectors, x: ir.Value, y: ir.Value) -> ir.Value:
    """``x**y`` as in C, except that NaN always gives NaN."""
    b, zero, one = v.b, v.real(0.0), v.real(1.0)
    size = v.abs(x)
    exponent = b.fmul(b.fpext(y, REALS), _log2(b, size))
    value = b.fptrunc(_exp2(b, exponent), VEC)
    # 0 * log2(inf), 0 * log2(0) and inf * log2(1) are NaN above, but these powers are 1
    trivial = b.or_(b.fcmp_ordered("==", y, zero), b.fcmp_ordered("==", size, one))
    value = b.select(trivial, one, value)
    whole = b.fcmp_ordered("==", v.floor(y), y)
    half = b.fmul(y, v.real(0.5))
    odd = b.and_(whole, b.fcmp_unordered("!=", v.floor(half), half))
    below = b.icmp_signed("<", v.bits(x), v.integer(0))  # of -0 too
    value = b.select(b.and_(below, odd), b.fneg(value), value)
    finite = b.and_(b.fcmp_ordered("<", x, zero), b.fcmp_ordered("<", size, v.real(math.inf)))
    refused = b.and_(finite, b.not_(whole))
    value = b.select(refused, v.real(math.nan), value)
    return b.select(b.fcmp_unordered("uno", x, y), b.fadd(x, y), value)


def _double(value: float) -> ir.Value:
    return ir.Constant(REALS, [value] * LANES)


def _word(value: int) -> ir.Value:
    return ir.Constant(WORDS, [value] * LANES)


def _polynomial(b: ir.IRBuilder, x: ir.Value, coefficients: tuple[float, ...]) -> ir.Value:
    result = _double(coefficients[0])
    for coefficient in coefficients[1:]:
        result = intrinsic_call(b, "fmuladd", result, x, _double(coefficient))
    return result


def _log2(b: ir.IRBuilder, size: ir.Value) -> ir.Value:
    """The binary logarithm of float32 lanes >= 0, in double precision."""
    x = b.fpext(size, REALS)
    bits = b.bitcast(x, WORDS)
    exponent = b.and_(b.sub(bits, _word(SQRT_HALF_BITS)), _word(EXPONENT_BITS))
    mantissa = b.bitcast(b.sub(bits, exponent), REALS)
    n = b.ashr(exponent, _word(52))
    n = b.fsub(b.bitcast(b.add(n, _word(ROUNDER_BITS)), REALS), _double(ROUNDER))  # no conversion: AVX2 lacks it
    z = b.fdiv(b.fsub(mantissa, _double(1.0)), b.fadd(mantissa, _double(1.0)))
    value = intrinsic_call(b, "fmuladd", _polynomial(b, b.fmul(z, z), LOG2), z, n)
    value = b.select(b.fcmp_ordered("==", x, _double(math.inf)), x, value)
    return b.select(b.fcmp_ordered("==", x, _double(0.0)), _double(-math.inf), value)


def _exp2(b: ir.IRBuilder, t: ir.Value) -> ir.Value:
    """``2**t`` within the range that float32 can tell from 0 and infinity; beyond, what rounds to 0 or infinity."""
    t = b.select(b.fcmp_ordered("<", t, _double(-160.0)), _double(-160.0), t)
    t = b.select(b.fcmp_ordered(">", t, _double(160.0)), _double(160.0), t)
    rounded = b.fadd(t, _double(ROUNDER))
    near = _polynomial(b, b.fsub(t, b.fsub(rounded, _double(ROUNDER))), EXP2)
    scale = b.bitcast(b.add(b.shl(b.bitcast(rounded, WORDS), _word(52)), _word(0x3FF0000000000000)), REALS)
    return b.fmul(near, scale)
