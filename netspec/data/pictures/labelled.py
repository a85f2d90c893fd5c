"""Pictures one after the other, all of one shape; and a table of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from netspec.data.faults import data_error
from netspec.data.pictures.archive import opened
from netspec.data.pictures.decode import Form, decode, require_pillow
from netspec.data.pictures.listing import Listing, Told, silent
from netspec.data.table import Table, make_table
from netspec.memory import refuse_too_much

if TYPE_CHECKING:
    from netspec.data.table import Array

_FIRST_WORD: Final = 1.0
_LATER_WORDS: Final = 10.0


def picture_table(found: Listing, form: Form, told: Told = silent) -> Table:
    """The table with ``image`` and, where folders name classes, ``label``; as `decoded`.

    Raises:
        EnvironmentFault: if the pictures do not fit into memory.
    """
    import numpy as np

    pixels: Array | None = None
    for row, one in enumerate(decoded(found, form, told)):
        if pixels is None:
            what, helps = f"reading {found.rows:,} pictures", ("`size: [HEIGHT, WIDTH]` makes them smaller",)
            refuse_too_much(found.rows * one.size, what, helps=helps)
            pixels = np.empty((found.rows, *one.shape), np.uint8)
        pixels[row] = one
    assert pixels is not None
    types = found.types(pixels.shape[1:])
    columns: dict[str, Array] = {"image": pixels}
    if "label" in types:
        codes, counts = zip(*found.codes(), strict=True)
        columns["label"] = np.repeat(np.array(codes, types["label"].dtype), counts)
    return make_table(columns, types, splits=found.splits, places=found.places, origin=found.groups[0].root.name)


def decoded(found: Listing, form: Form, told: Told = silent) -> Iterator[Array]:
    """The pixels of each picture, ``uint8[height, width, channels]``.

    Args:
        found: which.
        form: what they are made.
        told: is told how far it is, where it takes longer than a second.

    Raises:
        EnvironmentFault: if Pillow is not installed.
        DataError: if a picture is damaged, or pictures differ in size or colour.
    """
    require_pillow()
    progress = _Progress(found.rows, told)
    first, shape = "", None
    for root, files in found.files():
        with opened(root) as store:
            for parts in files:
                name = root.name_of(parts)
                content = store.read(parts)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of what is odd in a file and can be read all the same
                    one = decode(content, name, form)
                if shape is None:
                    first, shape = name, one.shape
                elif one.shape != shape:
                    raise _unequal(name, one.shape, first, shape)
                yield one
                progress.done()


def _unequal(name: str, shape: tuple[int, ...], first: str, wanted: tuple[int, ...]) -> Exception:
    if shape[2] != wanted[2]:
        what, other = ("is grey", "is coloured") if shape[2] == 1 else ("is coloured", "is grey")
        helps = ["say what all are to be: `color: grey` or `color: rgb`"]
    else:
        what, other = (f"has {s[0]} x {s[1]} pixels (height x width)" for s in (shape, wanted))
        helps = [f"make all of one size: `size: [{wanted[0]}, {wanted[1]}]`"]
    return data_error("unequal-pictures", f"{name} {what}, and {first} {other}", helps=helps)


class _Progress:
    """A word after a second, and one every ten."""

    def __init__(self, total: int, told: Told) -> None:
        self._total, self._told, self._count = total, told, 0
        self._began = time.monotonic()
        self._next = self._began + _FIRST_WORD

    def done(self) -> None:
        """One more is decoded."""
        self._count += 1
        now = time.monotonic()
        if now < self._next or self._count == self._total:
            return
        self._next = now + _LATER_WORDS
        so_far = f"{self._count:,} done"
        if self._count * 100 >= self._total:  # before that, most of the time went into starting
            left = (now - self._began) / self._count * (self._total - self._count)
            so_far += f", about {left:.0f} s left"
        self._told(f"decoding {self._total:,} pictures, first time only: {so_far}")
