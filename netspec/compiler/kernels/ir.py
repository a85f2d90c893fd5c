"""A small vocabulary of LLVM vector IR, and the bridge that lets Numba compile what is written with it.

Imported only where a kernel is compiled, never on a warm start: it loads llvmlite's IR layer and Numba.
All addresses are words (``i64``) or byte pointers, all offsets are bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numba.core.cgutils
import numba.extending
from llvmlite import ir

from netspec.compiler.kernels import processor

# Numba's annotations differ from version to version, and do not describe what is done here.
_types: Any = numba.types
_intrinsic: Any = numba.extending.intrinsic
_unpacked: Any = numba.core.cgutils.unpack_tuple

Builder: TypeAlias = ir.IRBuilder
Value: TypeAlias = ir.Value

LANES = 16
F32, F64 = ir.FloatType(), ir.DoubleType()
I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
VEC, INTS = ir.VectorType(F32, LANES), ir.VectorType(I32, LANES)
BYTES = LANES * 4  # of one vector
POINTER = I8.as_pointer()
VOID = ir.VoidType()
ZERO = ir.Constant(VEC, [0.0] * LANES)


def word(value: ir.Value | int) -> ir.Value:
    """``value`` as an ``i64``; Python integers become constants."""
    return value if isinstance(value, ir.Value) else I64(value)


def at(builder: ir.IRBuilder, base: ir.Value, *offsets: ir.Value | int) -> ir.Value:
    """The pointer `base` (a word or a pointer) plus byte offsets."""
    place = builder.inttoptr(base, POINTER) if base.type == I64 else base
    for offset in offsets:
        place = builder.gep(place, [word(offset)], source_etype=I8)
    return place


def load(builder: ir.IRBuilder, place: ir.Value, kind: ir.Type = VEC, align: int = 4) -> ir.Value:
    """A value of type `kind` from a pointer (or word)."""
    return builder.load(builder.bitcast(at(builder, place), kind.as_pointer()), align=align, typ=kind)


def store(builder: ir.IRBuilder, value: ir.Value, place: ir.Value, align: int = 4) -> None:
    """Write `value`, of any type, to a pointer (or word)."""
    builder.store(value, builder.bitcast(at(builder, place), value.type.as_pointer()), align=align)


def vector_of(element: ir.Type) -> ir.VectorType:
    """The type of 16 lanes of `element`."""
    return ir.VectorType(element, LANES)


def splat(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """All 16 lanes hold the scalar `value`."""
    undefined = ir.Constant(vector_of(value.type), ir.Undefined)
    one = builder.insert_element(undefined, value, I32(0))
    return builder.shuffle_vector(one, undefined, ir.Constant(INTS, [0] * LANES))


def broadcast(builder: ir.IRBuilder, place: ir.Value, kind: ir.Type = F32) -> ir.Value:
    """All 16 lanes hold the scalar of type `kind` at a pointer (or word)."""
    return splat(builder, load(builder, place, kind, align=1 if kind == I8 else 4))


def real(value: float) -> ir.Constant:
    """A constant float32 vector."""
    return ir.Constant(VEC, [value] * LANES)


def integer(value: int) -> ir.Constant:
    """A constant vector of 16 int32."""
    return ir.Constant(INTS, [value] * LANES)


def call(builder: ir.IRBuilder, name: str, result: ir.Type, *args: ir.Value) -> ir.Value:
    """Call an external function or an intrinsic by its full name, declaring it at first."""
    known = builder.module.globals.get(name)
    function = known or ir.Function(builder.module, ir.FunctionType(result, [arg.type for arg in args]), name)
    return builder.call(function, args)


def intrinsic_call(builder: ir.IRBuilder, name: str, *args: ir.Value) -> ir.Value:
    """Call ``llvm.<name>`` overloaded on the type of the first argument: ``sqrt``, ``fabs``, ``floor`` ..."""
    kind = args[0].type
    suffix = f"v{kind.count}{_short(kind.element)}" if isinstance(kind, ir.VectorType) else _short(kind)
    return call(builder, f"llvm.{name}.{suffix}", kind, *args)


def _short(kind: ir.Type) -> str:
    return {F32: "f32", F64: "f64"}.get(kind) or f"i{kind.width}"


def fma(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    """``x * y + z`` with one rounding where the processor can.

    Elsewhere ``llvm.fma`` would be a call of libm for each lane (1.5 GFLOP/s), so a product and a sum.
    """
    return intrinsic_call(builder, "fma" if processor.current().fused else "fmuladd", x, y, z)


def prefetch(builder: ir.IRBuilder, place: ir.Value, *, write: bool = False, locality: int = 3) -> None:
    """Ask for the cache line at `place`; locality 3 is the first-level cache, 0 is streaming."""
    call(builder, "llvm.prefetch.p0", VOID, at(builder, place), I32(int(write)), I32(locality), I32(1))


def counted(
    builder: ir.IRBuilder,
    first: ir.Value | int,
    stop: ir.Value | int,
    carried: Sequence[ir.Value],
    body: Callable[[ir.Value, list[ir.Value]], Sequence[ir.Value] | None],
    step: ir.Value | int = 1,
    *,
    unroll: bool = True,
) -> list[ir.Value]:
    """``for i in range(first, stop, step): carried = body(i, carried)``, carried in registers; returns them.

    ``unroll=False`` forbids LLVM to unroll: unrolled register tiles spill.
    """
    before = builder.block
    test, inside, after = (builder.append_basic_block(name) for name in ("test", "inside", "after"))
    builder.branch(test)
    builder.position_at_end(test)
    i, values = builder.phi(I64), [builder.phi(value.type) for value in carried]
    builder.cbranch(builder.icmp_signed("<", i, word(stop)), inside, after)
    builder.position_at_end(inside)
    following = list(body(i, values) or [])
    i_next = builder.add(i, word(step))
    back = builder.branch(test)
    if not unroll:
        _forbid_unrolling(builder.module, back)
    for phi, start, again in zip([i, *values], [word(first), *carried], [i_next, *following], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(again, builder.block)
    builder.position_at_end(after)
    return values


def repeated(
    builder: ir.IRBuilder,
    count: ir.Value,
    carried: Sequence[ir.Value],
    body: Callable[[list[ir.Value]], Sequence[ir.Value]],
) -> list[ir.Value]:
    """Run `body` `count` >= 1 times, tested at the end: the tightest loop there is, never unrolled."""
    before, inside = builder.block, builder.append_basic_block("repeat")
    after = builder.append_basic_block("repeated")
    builder.branch(inside)
    builder.position_at_end(inside)
    left, values = builder.phi(I64), [builder.phi(value.type) for value in carried]
    following = list(body(list(values)))
    remaining = builder.sub(left, I64(1))
    back = builder.cbranch(builder.icmp_signed(">", remaining, I64(0)), inside, after)
    _forbid_unrolling(builder.module, back)
    for phi, start, again in zip([left, *values], [count, *carried], [remaining, *following], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(again, builder.block)
    builder.position_at_end(after)
    return following


def _forbid_unrolling(module: ir.Module, back: ir.Instruction) -> None:
    # Loop metadata is a node whose first operand is itself; llvmlite cannot print such a node, so a unique one takes
    # its place: LLVM only needs the node to be distinct and to hold the hint after the first operand.
    hint = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    back.set_metadata("llvm.loop", _SelfReferring(module, hint))


class _SelfReferring(ir.MDValue):  # type: ignore[misc]  # llvmlite has no types
    """A distinct metadata node whose first operand is itself, as ``llvm.loop`` wants it."""

    def __init__(self, module: ir.Module, hint: ir.MDValue) -> None:
        super().__init__(module, [hint], name=str(len(module.metadata)))

    def descr(self, buffer: list[str]) -> None:
        buffer += [f"distinct !{{ {self.get_reference()}, {self.operands[0].get_reference()} }}", "\n"]


def branch(
    builder: ir.IRBuilder,
    condition: ir.Value,
    then: Callable[[], Sequence[ir.Value]],
    otherwise: Callable[[], Sequence[ir.Value]],
) -> list[ir.Value]:
    """Values of one of two pieces of code (which may be empty lists): an ``if`` with an ``else``."""
    blocks = [builder.append_basic_block(name) for name in ("then", "otherwise", "joined")]
    builder.cbranch(condition, blocks[0], blocks[1])
    results, ends = [], []
    for block, piece in zip(blocks[:2], (then, otherwise), strict=True):
        builder.position_at_end(block)
        results.append(piece())
        ends.append(builder.block)
        builder.branch(blocks[2])
    builder.position_at_end(blocks[2])
    joined = []
    for one, other in zip(*results, strict=True):
        phi = builder.phi(one.type)
        phi.add_incoming(one, ends[0])
        phi.add_incoming(other, ends[1])
        joined.append(phi)
    return joined


def when(builder: ir.IRBuilder, condition: ir.Value, then: Callable[[], object]) -> None:
    """An ``if`` without an ``else`` and without values."""
    inside, after = builder.append_basic_block("inside"), builder.append_basic_block("after")
    builder.cbranch(condition, inside, after)
    builder.position_at_end(inside)
    then()
    builder.branch(after)
    builder.position_at_end(after)


def opaque(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """`value`, of which LLVM knows nothing: it will not make it anew of others, one addition after the other."""
    return builder.asm(ir.FunctionType(value.type, [value.type]), "", "=r,0", [value], False)


def minimum(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """The smaller of two words."""
    return builder.select(builder.icmp_signed("<", x, y), x, y)


def product(builder: ir.IRBuilder, x: ir.Value | int, y: ir.Value | int) -> ir.Value:
    """The product of two words."""
    return builder.mul(word(x), word(y))


def emitted(body: Callable[..., object]) -> Callable[[tuple[int, ...]], None]:
    """A function of one tuple of int64 words, for use in Numba code, whose code ``body(builder, *words)`` writes."""

    @_intrinsic
    def operation(typingctx: Any, words: Any) -> Any:
        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            body(builder, *_unpacked(builder, args[0], len(words)))
            return context.get_dummy_value()

        return _types.void(_types.UniTuple(_types.int64, len(words))), codegen

    return operation  # type: ignore[no-any-return]


@_intrinsic
def word_of(typingctx: Any, pointer: Any) -> Any:
    """The address held by a pointer, as an int64 (for Numba code)."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.ptrtoint(args[0], I64)

    return _types.int64(pointer), codegen


def kernel_function(body: Callable[..., object]) -> Callable[..., None]:
    """A kernel ``(args, part, parts, thread)`` written wholly in IR: ``body(builder, args, part, parts, thread)``."""
    code = emitted(body)

    def kernel(args, part, parts, thread):  # type: ignore[no-untyped-def]
        code((word_of(args), part, parts, thread))

    return kernel


def loop_while(
    builder: ir.IRBuilder, condition: Callable[[], ir.Value], body: Callable[[], object], *, unroll: bool = True
) -> None:
    """``while condition(): body()``; what changes lies in memory (``alloca``), which LLVM turns into registers."""
    test, inside, after = (builder.append_basic_block(name) for name in ("while", "inside", "after"))
    builder.branch(test)
    builder.position_at_end(test)
    builder.cbranch(condition(), inside, after)
    builder.position_at_end(inside)
    body()
    back = builder.branch(test)
    if not unroll:
        _forbid_unrolling(builder.module, back)
    builder.position_at_end(after)
