"""Sums over the pixels of each sample, for each channel or each group of neighbouring channels.

With 16 samples in the lanes a vector is a pixel of one channel of a block of samples; in rows it is a pixel
of 16 channels of one sample. Either way all pixels of a vector are added, several sums of formulas in one sweep; where
channels make groups, their sums are then added upwards and the total is written to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from netspec.compiler.kernels.kernel import UNIT, Body, Kernel, Operand, operand_words

Lies: TypeAlias = Literal["lanes", "rows"]
"""How samples lie: 16 of them in the lanes, a plane for each channel; or a row each, channels running fastest."""

WORDS = ("units", "unit", "pixels", "vectors", "groups", "each", "clock")


@dataclass(frozen=True)
class GroupSums:
    """What is summed: ``terms`` takes the operands and gives ``count`` vectors; a spread one is a single number."""

    lies: Lies
    operands: tuple[Operand, ...]
    terms: Body
    count: int

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        operands = ", ".join(map(repr, self.operands))
        return f"group sums in {self.lies} [{operands}] -> {self.count}\n{self.terms.text}"


def group_sum_kernel(sums: GroupSums) -> Kernel:
    """The kernel of the sums; split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.group_sum_emit import emit_group_sum

        return emit_group_sum(sums)

    return Kernel(f"group_sum_{len(sums.operands)}x{sums.count}", sums.text, build)


def group_sum_words(
    lies: Lies,
    samples: int,
    pixels: int,
    channels: int,
    groups: int,
    clock: int,
    operands: Sequence[Sequence[int]],
    results: Sequence[Sequence[int]],
) -> list[int]:
    """The argument words; strides in bytes.

    Operands and results are ``(pointer, from a block or sample to the next, from a vector of a pixel to the next, from
    a pixel to the next)``. ``groups`` are of neighbouring channels; as many as there are channels sum none of these.
    """
    blocks = -(-samples // UNIT)
    units, unit = (blocks, 1) if lies == "lanes" else (samples, UNIT)
    vectors = channels if lies == "lanes" else -(-channels // UNIT)
    return [units, unit, pixels, vectors, groups, channels // groups, clock, *operand_words((*operands, *results))]
