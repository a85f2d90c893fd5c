"""What the epilogues of convolutions share, in lanes and in rows: the words of what they read and write."""

from __future__ import annotations

from netspec.compiler.kernels.contract_emit import argument
from netspec.compiler.kernels.ir import I64, Builder, Value
from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Ended, Operand
from netspec.compiler.kernels.streams import step_of


class EpilogueWords:
    """Pointer and strides of each extra and each result, and the step, if one of them lies elsewhere in each."""

    def __init__(self, ended: Ended, b: Builder, args: Value, thread: Value, first: int, clock: int) -> None:
        """The words of the operands begin at ``first``; ``clock`` is that of the step counters."""
        self.ended = ended
        self.kinds = [*ended.extras, *[Operand() for _ in ended.results]]
        self.words = [
            [argument(b, args, first + WORDS_PER_OPERAND * i + j) for j in range(3)] for i in range(len(self.kinds))
        ]
        stepped = any(extra.stepped for extra in ended.extras)
        self.step = step_of(b, argument(b, args, clock), thread) if stepped else I64(0)
