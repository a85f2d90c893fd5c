"""Each token of a text with those around it: what word vectors and n-gram models are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import pydantic

from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.paths import SPLITS, FilePaths, find_files
from netspec.data.ragged import Ragged, same_length
from netspec.data.source import Source
from netspec.data.splits import Stretches
from netspec.data.table import Place, Table, make_table
from netspec.data.text.cutting import Unit
from netspec.data.text.encoding import Encoding
from netspec.data.text.lines import text_of_lines
from netspec.data.text.reading import Text
from netspec.tensortype import size

if TYPE_CHECKING:
    from numpy.random import Generator

    from netspec.data.table import Array


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of one split in one drawing of the text."""

    split: str
    text: Text
    shift: int
    """How many tokens stand before this text in the columns."""
    arrays: tuple[Array, Array, Array, Array]
    """Of each row the centre, where its context begins and how long it is, and what it reads before the centre."""


class Windows(Source):
    r"""Each token of a text, ``word []``, with those before and after it, ``context``, of which fields are made.

    Where windows are whole, ``context`` is ``[before + after]`` in the order of the text; tokens too near to an end of
    the text are in the context of others only. With ``shrink``, or where windows end with their line, it is ``[C]``.
    A window never reaches into another split. A row is a place in the text, of which one copy is in memory.

    With ``shrink``, each window is cut to a distance drawn evenly from 1 to the larger of ``before`` and ``after``, so
    that near tokens count more. With ``subsample: t``, a token of relative frequency $f$ stays in the training text
    with probability $\sqrt{t / f} + t / f$, and windows are cut in what is left. Both are drawn by ``seed``; with
    ``draws: 5`` an epoch goes through the training text five times, each time with draws of its own.

    Example:
        data:
          source: {windows: {path: brown.txt, before: 4, after: 0, split: {train: 800000, test: rest}}}
          fields:
            word: {tokens: {of: word, max_size: 10000}}
            context: {tokens: {of: context, vocabulary: word}}
        network:
          inputs: {context: [4]}
          layers: [dropout: 0.1]

    Errors:
        too-few-rows: the text is shorter than `split` asks for
        no-rows: no token of a split has a whole window, or any neighbour at all

    Reference:
        Mikolov, Sutskever, Chen, Corrado, Dean 2013, Distributed representations of words and phrases and their
        compositionality.
    """

    kind: ClassVar[str] = "windows"
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )
    unit: Unit = pydantic.Field(default="word", description="What a token is: `word` or `character`.")
    before: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(description="How many tokens before it.")
    after: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(description="How many tokens after it.")
    pairs: bool = pydantic.Field(
        default=False, description="A row for each token of a context, which then is `[]`, instead of one for all."
    )
    shrink: bool = pydantic.Field(default=False, description="Whether windows are cut to a distance that is drawn.")
    subsample: Annotated[float, pydantic.Field(gt=0, lt=1)] | None = pydantic.Field(
        default=None,
        description="The relative frequency from which on training tokens are left out at random.",
        examples=[1e-4],
    )
    min_count: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(
        default=1,
        description="Tokens that stand fewer times in the training text are left out before windows are cut.",
    )
    within: Literal["text", "line"] = pydantic.Field(
        default="text", description="Whether windows reach over the ends of lines (`text`), or end there (`line`)."
    )
    end: bool = pydantic.Field(default=False, description="Whether each line ends with the token `<end>`.")
    lower: bool = pydantic.Field(default=False, description="Whether upper and lower case are one.")
    split: Stretches | None = pydantic.Field(
        default=None, description="Stretches of a single text that validate and test, in tokens or shares."
    )
    draws: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(
        default=1, description="How often an epoch goes through the training text, drawing anew each time."
    )
    seed: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(
        default=0, description="Another seed, other tokens left out and other windows."
    )
    encoding: Encoding = pydantic.Field(default="utf-8", description="How text is encoded, by Python's name for it.")

    @pydantic.model_validator(mode="after")
    def _has_neighbours(self) -> Self:
        if self.before + self.after == 0:
            raise ValueError("`before` and `after` are both 0, so there is no context")
        if self.split is not None and isinstance(self.path, Mapping):
            raise ValueError("`path` and `split` both say what the splits are: keep one of them")
        if self.draws > 1 and not self.shrink and self.subsample is None:
            raise ValueError(
                "`draws` is of what `shrink` and `subsample` draw: add one of them, or train more `epochs`"
            )
        if self.end and self.unit == "character":
            raise ValueError("`end` is of words: of characters the end of a line is one itself")
        return self

    @property
    def _is_whole(self) -> bool:
        """Whether all contexts are equally long."""
        return not self.shrink and self.within == "text"

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        length = self.before + self.after if self._is_whole else size("C")
        return {
            "word": FieldType(self.unit, (), None),
            "context": FieldType(self.unit, () if self.pairs else (length,), None),
        }

    def rows_to_predict(self, path: Path) -> Table:
        return text_of_lines(path, self.encoding, self.kind, "context")

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        generator = np.random.Generator(np.random.PCG64(self.seed))
        whole = Text(self.unit, lower=self.lower, end=self.end)
        whole.read(find_files(self.path, base), self.encoding, self.kind)
        whole.divide(self.split)
        parts: list[_Part] = []
        shift = 0
        for _ in range(self.draws):
            text = whole.without(self._dropped(whole, generator)) if self._leaves_out else whole
            # What is measured is drawn once; it lies behind all that trains.
            names = text.splits if not parts else ("train",)
            parts += [self._part(name, text, shift, generator) for name in names]
            shift += len(text.values) if self._leaves_out else 0  # else all draws are places in one text
        parts.sort(key=lambda part: SPLITS.index(part.split))
        texts = list(dict.fromkeys(part.text for part in parts))
        values = texts[0].values if len(texts) == 1 else np.concatenate([text.values for text in texts])
        return self._table(base, values, parts)

    def _table(self, base: Path, values: Array, parts: list[_Part]) -> Table:
        """The rows of all parts, which are places in ``values``."""
        import numpy as np

        names = parts[0].text.names
        centres, starts = (np.concatenate([part.arrays[i] + part.shift for part in parts]) for i in (0, 1))
        lengths, gaps = (np.concatenate([part.arrays[i] for part in parts]) for i in (2, 3))
        has_gaps = self.before and self.after and not self.pairs
        context = Ragged(values, starts, lengths, gaps if has_gaps else None, names=names)
        splits: dict[str, range] = {}
        places: list[Place] = []
        row = 0
        for part in parts:
            first = splits[part.split].start if part.split in splits else row
            places += part.text.places(part.arrays[0], row, part.shift)
            row += len(part.arrays[0])
            splits[part.split] = range(first, row)
        word = Ragged(values, centres, same_length(row, 1), names=names)
        columns = {"word": word, "context": context}
        return make_table(columns, self.describe(base), splits=splits, places=tuple(places), origin=places[0].file)

    @property
    def _leaves_out(self) -> bool:
        return self.min_count > 1 or self.subsample is not None

    def _dropped(self, text: Text, generator: Generator) -> Array:
        """Which tokens are left out, ``bool[n]``: rare ones, and of the training text some of the frequent ones."""
        import numpy as np

        own = text.splits["train"]
        values = text.values
        counts = np.bincount(values[own.start : own.stop], minlength=len(text.names))
        # Without `min_count`, what only other splits hold stays: it is `<unk>` there.
        dropped: Array = ((counts < self.min_count) & (self.min_count > 1))[values]
        if self.subsample is not None:
            frequent = counts * (counts >= self.min_count)
            share = self.subsample * frequent.sum() / np.maximum(frequent, 1)
            stays = np.minimum(np.sqrt(share) + share, 1)
            train = slice(own.start, own.stop)
            dropped[train] |= generator.random(len(own)) >= stays[values[train]]
        return dropped

    def _part(self, name: str, text: Text, shift: int, generator: Generator) -> _Part:
        """The rows of a split in one drawing of the text."""
        import numpy as np

        centres, left, right = self._rows(name, text.splits[name], text, generator)
        lengths = (left + right).astype(np.int32)
        starts = centres - left if self.before else centres + 1
        gaps = left.astype(np.int32)
        if self.pairs:
            context = Ragged(text.values, starts, lengths, gaps if self.before and self.after else None)
            centres, starts = np.repeat(centres, lengths), context.places()[0]
            lengths, gaps = (np.ones(len(starts), np.int32) for _ in range(2))
        return _Part(name, text, shift, (centres, starts, lengths, gaps))

    def _rows(self, name: str, own: range, text: Text, generator: Generator) -> tuple[Array, Array, Array]:
        """The centres of a split, and how many tokens of the context stand before and after each."""
        import numpy as np

        centres = np.arange(own.start, own.stop, dtype=np.int64)
        low, high = np.full(len(own), own.start), np.full(len(own), own.stop)
        if self.within == "line":
            begins = text.lines()
            line = np.searchsorted(begins, centres, side="right")
            low = np.maximum(low, begins[line - 1])
            high = np.minimum(high, np.append(begins, len(text.values))[line])
        left, right = np.minimum(self.before, centres - low), np.minimum(self.after, high - 1 - centres)
        if self.shrink:
            distance = generator.integers(1, max(self.before, self.after), len(centres), endpoint=True)
            left, right = np.minimum(left, distance), np.minimum(right, distance)
        wanted = self.before + self.after if self._is_whole else 1
        kept = left + right >= wanted
        if not kept.any():
            what = f"no token has {wanted} others around it" if self._is_whole else "no token has a neighbour"
            helps = ["ask for fewer tokens `before` and `after`, or give more text"]
            raise data_error("no-rows", f"in the split `{name}` {what}", helps=helps)
        return centres[kept], left[kept], right[kept]
