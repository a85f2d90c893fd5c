"""One long text, cut into windows that continue each other: what language models are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import pydantic

from netspec.data.faults import data_error
from netspec.data.field import Field
from netspec.data.fields.tokens import Tokens
from netspec.data.fieldtype import FieldType
from netspec.data.paths import FilePaths, find_files
from netspec.data.ragged import Ragged
from netspec.data.source import Source
from netspec.data.splits import Stretches
from netspec.data.table import Table, make_table
from netspec.data.text.cutting import Unit
from netspec.data.text.encoding import Encoding
from netspec.data.text.lines import text_of_lines
from netspec.data.text.reading import Text
from netspec.tensortype import size

if TYPE_CHECKING:
    from netspec.data.table import Array


class Stream(Source):
    """One long text: fields ``tokens [T]`` and ``next [T]``, the same tokens one later, of one vocabulary.

    Each row is a window of ``steps`` tokens, and the next row goes on where it ends; only the last of a split may be
    shorter. Rows stand in the order of the text, so that a state can be carried from one to the next. The last token of
    a split is only told and never read. In memory there is one number a token, 2 bytes for a vocabulary of up to
    65,536; windows are places in it.

    Example:
        data: {source: {stream: {path: {train: ptb.train.txt, validation: ptb.valid.txt}, unit: word, steps: 20}}}
        network:
          inputs: {tokens: [T]}
          layers: [dropout: 0.1]

    Errors:
        too-few-rows: a split has fewer tokens than one window and the token that follows it
    """

    kind: ClassVar[str] = "stream"
    continues: ClassVar[bool] = True
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )
    unit: Unit = pydantic.Field(default="word", description="What a token is: `word` or `character`.")
    steps: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(description="How many tokens a window has.")
    end: bool | None = pydantic.Field(
        default=None,
        description="Whether each line ends with the token `<end>`; by default true of words. Of characters the end of "
        "a line is one itself.",
    )
    lower: bool = pydantic.Field(default=False, description="Whether upper and lower case are one.")
    min_count: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(
        default=1, description="Tokens that stand fewer times in the training text are `<unk>`."
    )
    max_size: Annotated[int, pydantic.Field(ge=1)] | None = pydantic.Field(
        default=None,
        description="Rows of the vocabulary, `<unk>` included: rarer tokens are `<unk>`.",
        examples=[10000],
    )
    unknown: bool | None = pydantic.Field(
        default=None, description="Whether `<unk>` stands for tokens that training has not; else they are a fault."
    )
    split: Stretches | None = pydantic.Field(
        default=None,
        description="Stretches of a single text that validate and test: `{validation: 0.1}`.",
        examples=[{"validation": 0.1}],
    )
    encoding: Encoding = pydantic.Field(default="utf-8", description="How text is encoded, by Python's name for it.")

    @pydantic.model_validator(mode="after")
    def _ends_lines_of_words(self) -> Stream:
        if self.end and self.unit == "character":
            raise ValueError("`end` is of words: of characters the end of a line is one itself")
        if self.split is not None and isinstance(self.path, Mapping):
            raise ValueError("`path` and `split` both say what the splits are: keep one of them")
        if self.unknown is False and (self.min_count > 1 or self.max_size is not None):
            raise ValueError("`min_count` and `max_size` make tokens `<unk>`: leave out `unknown: false`")
        return self

    @property
    def window(self) -> int:
        return self.steps

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        tokens = FieldType(self.unit, (size("T"),), None)
        return {"tokens": tokens, "next": tokens}

    def own_fields(self) -> Mapping[str, Field]:
        said = {"unit": self.unit, "lower": self.lower, "unknown": self.unknown}
        tokens = Tokens.model_validate({"of": "tokens", **said, "min_count": self.min_count, "max_size": self.max_size})
        return {"tokens": tokens, "next": Tokens.model_validate({"of": "next", **said, "vocabulary": "tokens"})}

    def rows_to_predict(self, path: Path) -> Table:
        return text_of_lines(path, self.encoding, self.kind, "tokens")

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        text = Text(self.unit, lower=self.lower, end=self.unit == "word" if self.end is None else self.end)
        text.read(find_files(self.path, base), self.encoding, self.kind)
        text.divide(self.split)
        windows = {name: self._windows(name, own) for name, own in text.splits.items()}
        starts, lengths = (np.concatenate([own[i] for own in windows.values()]) for i in (0, 1))
        splits, row = {}, 0
        for name, (own, _) in windows.items():
            splits[name] = range(row, row + len(own))
            row += len(own)
        tokens = Ragged(text.values, starts, lengths.astype(np.int32), names=text.names)
        ragged = {"tokens": tokens, "next": Ragged(tokens.values, starts + 1, tokens.lengths, names=tokens.names)}
        places = text.places(starts)
        origin = places[0].file if places else "the text"
        return make_table(ragged, self.describe(base), splits=splits, places=places, origin=origin)

    def _windows(self, name: str, own: range) -> tuple[Array, Array]:
        """Starts and lengths of the windows of a split."""
        import numpy as np

        if len(own) <= self.steps:
            needed = f"a window of {self.steps} and the token behind it need {self.steps + 1}"
            message = f"the split `{name}` has {len(own):,} tokens, and {needed}"
            raise data_error("too-few-rows", message, helps=[f"ask for fewer `steps`, at most {max(1, len(own) - 1)}"])
        starts = np.arange(own.start, own.stop - 1, self.steps, dtype=np.int64)
        return starts, np.minimum(self.steps, own.stop - 1 - starts)
