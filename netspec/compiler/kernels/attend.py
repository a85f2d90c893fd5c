"""Attention: for each place of a sequence, the mean of the values of another one, weighed by the softmax of scores.

A sample and head are done at a time. Keys and values are copied into scratch, where the rows of one sample lie beside
each other; sixteen places of the queries then have their scores, weights and sums in the first-level cache. Weights are
written, for the way back needs them, and everything else is forgotten.

Places that are not live, behind the end of a memory or ahead of a causal query, have the weight 0: they come last, so
that the sums over the live ones are the same chains of multiply-adds however far a batch is filled up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from netspec.compiler.kernels.kernel import UNIT, Kernel
from netspec.compiler.kernels.processor import Tile
from netspec.tensortype import Dim, known, total

Score: TypeAlias = Literal["dot", "additive"]

BLOCK = UNIT
"""Places of the queries that are done together."""

SIZES = ("rows", "heads", "steps", "places", "width", "value_width")
PITCHES = ("key_pitch", "value_pitch", "place_pitch")
INPUTS = ("query", "keys", "values", "factors", "seen")


@dataclass(frozen=True)
class Form:
    """What the code of a kernel depends on.

    ``limited``: not all places of the memory are live for every query. ``watched``: the weights have a cotangent.
    """

    tile: Tile
    score: Score
    causal: bool
    limited: bool
    watched: bool = False

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        flags = [name for name in ("causal", "limited", "watched") if getattr(self, name)]
        return " ".join([f"{self.tile.rows}x{self.tile.vectors}", self.score, *flags])

    @property
    def height(self) -> int:
        """Rows of the register tile: as many as `BLOCK` can be cut into."""
        return max(h for h in (8, 4, 2, 1) if h <= self.tile.rows)


@dataclass(frozen=True)
class Layout:
    """The arguments of a kernel: its arrays, and the regions of its scratch.

    An array is its address and the bytes from a row to the next, where step t of sample r is row ``t * rows + r``. What
    a region is named after says how large it is, and may lie there transposed.
    """

    kernel: Callable[[Form], Kernel]
    arrays: tuple[str, ...]
    regions: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the words."""
        arrays = (word for name in self.arrays for word in (name, f"{name}_row"))
        return (*arrays, *SIZES, *PITCHES, *(f"at_{region}" for region in self.regions), "apart")

    def words(self, scratch: Sequence[int], **given: Any) -> list[int]:
        """The argument words; ``scratch`` is an address and the bytes from one thread's to the next's."""
        places, width, value_width = (_whole(given[name]) for name in ("places", "width", "value_width"))
        regions, (at, apart) = [], scratch
        for region in self.regions:
            regions.append(at)
            at += 4 * known(_extent(region, places, width, value_width))
        arrays = (word for name in self.arrays for word in given[name])
        sizes = (given[name] for name in SIZES)
        return [*arrays, *sizes, 4 * width, 4 * value_width, 4 * places, *regions, apart]

    def scratch_bytes(self, places: Dim, width: int, value_width: int) -> Dim:
        """Scratch for each thread; in whole vectors there may be up to a vector more of places."""
        widths = _whole(width), _whole(value_width)
        return total(4 * _extent(region, places + UNIT, *widths) for region in self.regions)


def _whole(columns: int) -> int:
    """Columns in whole vectors, one at least."""
    return max(1, -(-columns // UNIT)) * UNIT


def _extent(region: str, places: Dim, width: int, value_width: int) -> Dim:
    """Elements of a region of the scratch."""
    sizes: dict[str, Dim] = {
        "query": BLOCK * width, "keys": places * width, "values": places * value_width, "factors": width,
        "output": BLOCK * value_width, "weights": places * BLOCK,
    }  # fmt: skip
    return sizes[region.removeprefix("d_")]


def _attend_kernel(form: Form) -> Kernel:
    """``weights[t, s] = softmax(score(query[t], keys[s]))`` over live s, ``output[t] = weights[t] values``.

    Split on samples and heads.
    """

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.attend_emit import emit_attend

        return emit_attend(form)

    return Kernel(f"attend_{form.score}", f"attend {form.text}", build)


def _attend_reverse_kernel(form: Form) -> Kernel:
    """The cotangents of queries, keys and values; of additive scores the factors' too, for each sample."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.attend_reverse_emit import emit_attend_reverse

        return emit_attend_reverse(form)

    return Kernel(f"attend_{form.score}_reverse", f"attend reverse {form.text}", build)


ATTEND = Layout(
    _attend_kernel,
    (*INPUTS, "output", "weights"),
    ("query", "keys", "values", "factors", "weights", "output"),
)
ATTEND_REVERSE = Layout(
    _attend_reverse_kernel,
    (*INPUTS, "weights", "d_output", "d_weights", "d_query", "d_keys", "d_values", "d_factors"),
    (
        *("query", "keys", "values", "factors", "weights", "d_output"),
        *("d_weights", "d_query", "d_keys", "d_values", "d_factors"),
    ),
)
