"""Elementary functions on 16 float32 lanes as LLVM IR: range reduction and polynomials, no call of libm.

Each is within 2.5 units in the last place over the whole range of float32 and gives NaN for NaN (measured in
``tests/compiler/kernels/test_vector_math.py``). Denormal arguments may count as zero, since kernels run with
denormals flushed. Nothing here branches, so one vector costs the same whatever it holds.

Two habits keep NaN alive. Clamps are ordered comparisons that choose the *bound*, so that NaN fails them and stays.
Roundings to an integer add and subtract 1.5 * 2**23 instead of ``fptosi``, whose result for NaN is undefined in LLVM
(and instead of ``llvm.rint``, which is a call of libm on plain SSE2).

Reference: Moshier 1989, Methods and Programs for Mathematical Functions (Cephes: polynomials of exp, log, sin, cos).
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from netspec.compiler.kernels import vector_power, vector_trigonometry
from netspec.compiler.kernels.ir import INTS, LANES, VEC, fma, intrinsic_call

INFINITY, NAN = float("inf"), float("nan")
SMALLEST = 1.1754943508222875e-38  # the least normal float32
ROUNDER = 12582912.0  # 1.5 * 2**23: added to |x| < 2**22, it leaves the nearest integer in the low bits
EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
LOG = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4  # the high part has few bits: its products with an exponent are exact
# erf by Juffa (2016, public domain): a polynomial near 0; else 1 - exp(polynomial)
ERF_NEAR = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
ERF_FAR = (
    (-1.72853470e-5, 3.83197126e-4),
    (-3.88396438e-3, 2.42546219e-2),
    (-1.06777877e-1, -6.34846687e-1, -1.28717512e-1),
)


class Vectors:
    """Arithmetic on vectors of 16 float32 lanes, written at the position of `builder`."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.b = builder

    # ---- constants and building blocks

    def real(self, value: float) -> ir.Value:
        """All lanes `value`, rounded to float32."""
        return ir.Constant(VEC, [value] * LANES)

    def integer(self, value: int) -> ir.Value:
        """All lanes the int32 `value`, given signed or unsigned."""
        return ir.Constant(INTS, [value] * LANES)

    def fma(self, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        """``x * y + z``, rounded once where the processor can."""
        return fma(self.b, x, y, z)

    def polynomial(self, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
        """Horner's rule, highest power first."""
        result = self.real(coefficients[0])
        for coefficient in coefficients[1:]:
            result = self.fma(result, x, self.real(coefficient))
        return result

    def compare(self, operator: str, x: ir.Value, y: ir.Value) -> ir.Value:
        """A mask of 16 bits; false for NaN, except for ``!=``."""
        test = self.b.fcmp_unordered if operator == "!=" else self.b.fcmp_ordered
        return test(operator, x, y)

    def where(self, mask: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
        """Lanes of `x` where `mask` is set, else of `y`."""
        return self.b.select(mask, x, y)

    def clamp(self, x: ir.Value, low: float, high: float) -> ir.Value:
        """`x` held within two bounds; NaN stays NaN."""
        x = self.b.select(self.b.fcmp_ordered("<", x, self.real(low)), self.real(low), x)
        return self.b.select(self.b.fcmp_ordered(">", x, self.real(high)), self.real(high), x)

    def floats(self, bits: ir.Value) -> ir.Value:
        """The float32 lanes of these bits."""
        return self.b.bitcast(bits, VEC)

    def bits(self, x: ir.Value) -> ir.Value:
        """The bits of float32 lanes, as int32."""
        return self.b.bitcast(x, INTS)

    # ---- simple functions

    def abs(self, x: ir.Value) -> ir.Value:
        """``|x|``."""
        return intrinsic_call(self.b, "fabs", x)

    def sqrt(self, x: ir.Value) -> ir.Value:
        """The square root, correctly rounded; NaN below 0."""
        return intrinsic_call(self.b, "sqrt", x)

    def negative(self, x: ir.Value) -> ir.Value:
        """``-x``, the sign bit turned."""
        return self.b.fneg(x)

    def sign(self, x: ir.Value) -> ir.Value:
        """-1 below 0, else 1: ``sign(0) = 1``."""
        return self._jump(x, -1.0)

    def step(self, x: ir.Value) -> ir.Value:
        """0 below 0, else 1: ``step(0) = 1``."""
        return self._jump(x, 0.0)

    def _jump(self, x: ir.Value, below: float) -> ir.Value:
        zero = self.real(0.0)
        low = self.b.select(self.b.fcmp_ordered("<", x, zero), self.real(below), x)
        return self.b.select(self.b.fcmp_ordered(">=", x, zero), self.real(1.0), low)

    def maximum(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """The larger; NaN if either is NaN."""
        return self._choose(">", x, y)

    def minimum(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """The smaller; NaN if either is NaN."""
        return self._choose("<", x, y)

    def _choose(self, operator: str, x: ir.Value, y: ir.Value) -> ir.Value:
        chosen = self.b.select(self.b.fcmp_ordered(operator, x, y), x, y)  # y where either is NaN: NaN if y is
        return self.b.select(self.b.fcmp_unordered("uno", x, x), x, chosen)

    def floor(self, x: ir.Value) -> ir.Value:
        """The largest integer not above `x`. Written out, as ``llvm.floor`` is a call of libm on plain SSE2."""
        size, whole = self.abs(x), self.real(8388608.0)  # from 2**23 on every float32 is an integer
        near = intrinsic_call(self.b, "copysign", self.b.fsub(self.b.fadd(size, whole), whole), x)
        above = self.b.select(self.b.fcmp_ordered(">", near, x), self.real(1.0), self.real(0.0))
        return self.b.select(self.b.fcmp_ordered("<", size, whole), self.b.fsub(near, above), x)

    # ---- exponentials

    def _reduced(self, x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
        """``exp(x) = (1 + p) * 2**n``: the float bits of n + ROUNDER, then p, then n."""
        rounded = self.fma(x, self.real(1.44269504088896341), self.real(ROUNDER))
        n = self.b.fsub(rounded, self.real(ROUNDER))
        r = self.fma(n, self.real(-LN2_LOW), self.fma(n, self.real(-LN2_HIGH), x))
        return self.bits(rounded), self.fma(self.polynomial(r, EXP), self.b.fmul(r, r), r), n

    def _power_of_two(self, n: ir.Value) -> ir.Value:
        """``2**n``; bits of `n` above the lowest nine fall off, so ROUNDER's need not be removed."""
        return self.floats(self.b.add(self.b.shl(n, self.integer(23)), self.integer(0x3F800000)))

    def exp(self, x: ir.Value) -> ir.Value:
        """``e**x``."""
        n, p, _ = self._reduced(self.clamp(x, -104.0, 88.73))
        n = self.b.sub(n, self.integer(0x4B400000))
        half = self.b.ashr(n, self.integer(1))  # two factors: 2**128 and results below the normal range come out right
        near = self.b.fmul(self.b.fadd(p, self.real(1.0)), self._power_of_two(half))
        return self.b.fmul(near, self._power_of_two(self.b.sub(n, half)))

    def expm1(self, x: ir.Value) -> ir.Value:
        """``e**x - 1``, accurate near 0."""
        bits, p, n = self._reduced(self.clamp(x, -18.0, 88.73))
        top = self.b.fcmp_ordered(">", n, self.real(127.0))  # 2**128 is no float32: halve, and double at the end
        bits = self.b.select(top, self.b.sub(bits, self.integer(1)), bits)
        power = self._power_of_two(bits)
        value = self.fma(power, p, self.b.fsub(power, self.real(1.0)))
        return self.b.fmul(value, self.b.select(top, self.real(2.0), self.real(1.0)))

    def sigmoid(self, x: ir.Value) -> ir.Value:
        """``1 / (1 + e**-x)``."""
        e = self.exp(self.b.fneg(self.abs(x)))
        top = self.b.select(self.b.fcmp_ordered(">=", x, self.real(0.0)), self.real(1.0), e)
        return self.b.fdiv(top, self.b.fadd(self.real(1.0), e))

    def tanh(self, x: ir.Value) -> ir.Value:
        """The hyperbolic tangent."""
        size, square = self.abs(x), self.b.fmul(x, x)
        small = self.fma(self.b.fmul(self.polynomial(square, TANH), square), x, x)
        e = self.exp(self.b.fadd(size, size))
        large = self.b.fsub(self.real(1.0), self.b.fdiv(self.real(2.0), self.b.fadd(e, self.real(1.0))))
        near = self.b.fcmp_ordered("<", size, self.real(0.625))
        return self.b.select(near, small, intrinsic_call(self.b, "copysign", large, x))

    def softplus(self, x: ir.Value) -> ir.Value:
        """``log(1 + e**x)``, as ``max(x, 0) + log1p(e**-|x|)``: exact where ``e**x`` overflows."""
        above = self.b.select(self.b.fcmp_ordered("<", x, self.real(0.0)), self.real(0.0), x)
        return self.b.fadd(above, self.log1p(self.exp(self.b.fneg(self.abs(x)))))

    def erf(self, x: ir.Value) -> ir.Value:
        """The error function."""
        size, square = self.abs(x), self.b.fmul(x, x)
        near = self.fma(self.polynomial(square, ERF_NEAR), x, x)
        four = self.real(4.0)  # from there on erf is 1
        t = self.b.select(self.b.fcmp_ordered(">", size, four), four, size)
        first, second, third = ERF_FAR
        power = self.fma(self.polynomial(t, first), self.b.fmul(t, t), self.polynomial(t, second))
        for coefficient in third:
            power = self.fma(power, t, self.real(coefficient))
        power = self.fma(power, t, self.b.fneg(t))
        far = intrinsic_call(self.b, "copysign", self.b.fsub(self.real(1.0), self.exp(power)), x)
        return self.b.select(self.b.fcmp_ordered(">", size, self.real(0.927734375)), far, near)

    # ---- logarithms and powers

    def _exponent(self, x: ir.Value) -> ir.Value:
        """The int32 n for which ``x * 2**-n`` lies in [sqrt(1/2), sqrt(2)), shifted to the exponent's place."""
        offset = self.b.sub(self.bits(x), self.integer(0x3F3504F3))
        return self.b.and_(offset, self.integer(0xFF800000))

    def _log_near(self, r: ir.Value, exponent: ir.Value) -> ir.Value:
        """``log((1 + r) * 2**n)`` for ``1 + r`` in [sqrt(1/2), sqrt(2))."""
        n = self.b.sitofp(self.b.ashr(exponent, self.integer(23)), VEC)
        square = self.b.fmul(r, r)
        y = self.fma(n, self.real(LN2_LOW), self.b.fmul(self.b.fmul(self.polynomial(r, LOG), r), square))
        y = self.fma(square, self.real(-0.5), y)
        return self.fma(n, self.real(LN2_HIGH), self.b.fadd(r, y))

    def _log_edges(self, x: ir.Value, u: ir.Value, value: ir.Value) -> ir.Value:
        """`value` of ``log(u)``, but +inf for x = +inf, -inf for u = 0, NaN for u < 0 and NaN."""
        value = self.b.select(self.b.fcmp_ordered("==", x, self.real(INFINITY)), x, value)
        edge = self.b.fcmp_ordered(">", u, self.real(-SMALLEST))
        edge = self.b.select(edge, self.real(-INFINITY), self.real(NAN))
        return self.b.select(self.b.fcmp_unordered("<", u, self.real(SMALLEST)), edge, value)

    def log(self, x: ir.Value) -> ir.Value:
        """The natural logarithm; -inf at 0, NaN below."""
        exponent = self._exponent(x)
        mantissa = self.floats(self.b.sub(self.bits(x), exponent))
        return self._log_edges(x, x, self._log_near(self.b.fsub(mantissa, self.real(1.0)), exponent))

    def log1p(self, x: ir.Value) -> ir.Value:
        """``log(1 + x)``, accurate near 0: what 1 + x rounds away (Knuth's two-sum) is added to the mantissa."""
        one = self.real(1.0)
        u = self.b.fadd(x, one)
        part = self.b.fsub(u, one)
        lost = self.b.fadd(self.b.fsub(one, self.b.fsub(u, part)), self.b.fsub(x, part))
        exponent = self._exponent(u)
        mantissa = self.floats(self.b.sub(self.bits(u), exponent))
        scale = self.floats(self.b.sub(self.integer(0x3F800000), exponent))
        scale = self.b.select(self.b.fcmp_ordered("<", u, self.real(1e9)), scale, self.real(0.0))  # 2**-128 has no bits
        r = self.fma(lost, scale, self.b.fsub(mantissa, one))
        return self._log_edges(x, u, self._log_near(r, exponent))

    def power(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """``x**y``; NaN for x < 0 unless y is an integer, and NaN for NaN even where C says 1."""
        return vector_power.power(self, x, y)

    def integer_power(self, x: ir.Value, exponent: int) -> ir.Value:
        """``x**exponent`` by squaring, for small non-negative exponents known when the kernel is written."""
        result = None
        while exponent:
            if exponent & 1:
                result = x if result is None else self.b.fmul(result, x)
            exponent >>= 1
            x = self.b.fmul(x, x) if exponent else x
        return self.real(1.0) if result is None else result

    def sin(self, x: ir.Value) -> ir.Value:
        """The sine, reduced exactly over the whole range."""
        return vector_trigonometry.sine(self, x, 0)

    def cos(self, x: ir.Value) -> ir.Value:
        """The cosine, reduced exactly over the whole range."""
        return vector_trigonometry.sine(self, x, 1)
