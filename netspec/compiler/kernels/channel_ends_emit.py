"""The code of what becomes of numbers of channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.channel_ends import ChannelEnds
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Operand, Place
from netspec.compiler.kernels.streams import Words, lanes_below, step_of, store_lanes, units_of


def emit_channel_ends(
    ends: ChannelEnds, names: Sequence[str], made: Callable[[Builder, dict[str, Value], Value], Sequence[Value]]
) -> Callable[..., None]:
    """The Python function that Numba compiles, split on channels.

    Args:
        ends: What is done.
        names: The words before those of the operands; ``channels`` and ``clock`` are among them.
        made: The numbers of 16 channels, given the words and how many bytes they lie from the first channel.
    """

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(names)}
        kinds = [*ends.extras, *[Operand()] * len(ends.results)]
        pointers = [words[len(names) + WORDS_PER_OPERAND * i] for i in range(len(kinds))]
        first, stop = units_of(b, word["channels"], part, parts)

        def one_panel(channel: Value, _: list[Value]) -> None:
            offset = b.shl(channel, I64(2))
            inputs, places = list(made(b, word, offset)), []
            for kind, pointer in zip(kinds, pointers, strict=True):
                if kind.stepped:
                    places.append(b.add(pointer, ir.product(b, step_of(b, word["clock"], thread), 4)))
                else:
                    places.append(pointer if kind.spread else b.add(pointer, offset))
            for kind, place in zip(ends.extras, places, strict=False):
                inputs.append((ir.broadcast if kind.spread or kind.stepped else ir.load)(b, place))
            mask = lanes_below(b, ir.minimum(b, b.sub(word["channels"], channel), I64(LANES)))
            results = ends.epilogue.emit(b, inputs, Place(I64(0), channel, word["channels"]))
            for value, place in zip(results, places[len(ends.extras) :], strict=True):
                store_lanes(b, value, place, mask)

        ir.counted(b, first, stop, [], one_panel, LANES, unroll=False)

    return ir.kernel_function(body)
