"""Texts whose first letter has to be told at their end, for networks that remember."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final

import pydantic

from netspec.data import fieldtype
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table
from netspec.data.text.lines import text_of_lines

_LETTERS: Final = "ABCD"


class Recall(Source):
    """Texts of letters, and the one that each began with: ``text``, and the category ``first``.

    A text has one letter and then ``gap`` others, all of them A to D, drawn alike and by themselves: nothing behind the
    first letter says which it was, and who has forgotten is right once in four times. All rows are in ``train``.

    Example:
        data:
          source: {recall: {gap: 20}}
          fields: {letters: {tokens: {of: text, unit: character}}}
          split: {test: 0.2}
        network:
          inputs: {letters: [T]}
          layers: [one_hot, {lstm: {units: 16, forget_bias: 5, output: last}}, {dense: 4}]
        loss: {cross_entropy: {target: first}}

    Reference: Bengio, Simard & Frasconi 1994, Learning long-term dependencies with gradient descent is difficult
    (the latch problem); Hochreiter & Schmidhuber 1997, Long short-term memory.
    """

    kind: ClassVar[str] = "recall"
    comes_along: ClassVar[bool] = True
    gap: Annotated[int, pydantic.Field(ge=0, le=10_000)] = pydantic.Field(
        description="How many letters stand behind the first.", json_schema_extra={"main": True}
    )
    rows: Annotated[int, pydantic.Field(ge=1, le=200_000)] = pydantic.Field(default=5000, description="How many texts.")
    seed: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(default=0, description="Another seed, other texts.")

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {"text": fieldtype.TEXT, "first": fieldtype.category(tuple(_LETTERS))}

    def sizes(self) -> Mapping[str, int]:
        return {"train": self.rows}

    def rows_to_predict(self, path: Path) -> Table:
        return text_of_lines(path, "utf-8", self.kind, "text")

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        generator = np.random.Generator(np.random.PCG64(self.seed))
        codes = generator.integers(len(_LETTERS), size=(self.rows, 1 + self.gap))
        texts = ["".join(letters) for letters in np.array(list(_LETTERS))[codes].tolist()]
        columns = {"text": np.array(texts, dtype=object), "first": codes[:, 0]}
        place = Place(f"the texts of seed {self.seed}", 0)
        return make_table(columns, self.describe(base), places=(place,), origin=place.file)
