"""A text a line, with the file that it stands in as its label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.paths import SPLITS, find_file
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table
from netspec.data.text.encoding import Encoding
from netspec.data.text.lines import numbered_lines, text_of_lines
from netspec.declared import Items

Files: TypeAlias = str | Items[str]
ByLabel: TypeAlias = dict[str, Files]


class Lines(Source):
    """Lines of text files: ``text``, of which fields are made, and ``file``, a category.

    The classes of ``file`` are the labels under which the files stand, sorted; without labels, the names of the files
    without their endings. Lines of nothing but blanks are left out.

    Example:
        data:
          source: {lines: {path: {negative: rt-polarity.neg, positive: rt-polarity.pos}, encoding: windows-1252}}
          fields:
            words: {tokens: {of: text, unit: word, max_size: 18000, min_length: 5}}
            label: {category: file}
          split: {folds: 10}
        network:
          inputs: {words: [T]}
          layers: [dropout: 0.1]

    Errors:
        unknown-split: labels stand beside `train`, `validation` or `test`, or there is no `train`
        no-rows: no line of a split holds text
    """

    kind: ClassVar[str] = "lines"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    path: Files | dict[str, Files | ByLabel] = pydantic.Field(
        description="A file, a pattern or a list; or a map from labels to such; or from `train`, `validation` and "
        "`test` to either.",
        json_schema_extra={"main": True},
    )
    encoding: Encoding = pydantic.Field(default="utf-8", description="How text is encoded, by Python's name for it.")

    @classmethod
    def of_file(cls, path: Path) -> Source:
        return cls(path=str(path))

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        labels = [set(own) for own in self._by_split().values() if isinstance(own, Mapping)]
        known = tuple(sorted(set().union(*labels))) if len(labels) == len(self._by_split()) else None
        return {"text": fieldtype.TEXT, "file": fieldtype.category(known)}

    def rows_to_predict(self, path: Path) -> Table:
        return text_of_lines(path, self.encoding, self.kind, "text")

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        texts: list[str] = []
        labels: list[str] = []
        splits: dict[str, range] = {}
        places: list[Place] = []
        for split, own in self._by_split().items():
            start = len(texts)
            for label, path in _labelled(own, base):
                found = list(numbered_lines(path, self.encoding, self.kind))
                if found:
                    places.append(Place(path.name, len(texts), np.array([n for n, _ in found], dtype=np.int64)))
                texts += [line.strip() for _, line in found]
                labels += [label] * len(found)
            splits[split] = range(start, len(texts))
            if not splits[split]:
                raise data_error("no-rows", f"no line of the split `{split}` holds text")
        types: dict[str, FieldType] = dict(self.describe(base))
        types["file"] = types["file"] if types["file"].classes else fieldtype.category(tuple(sorted(set(labels))))
        codes = {label: code for code, label in enumerate(types["file"].classes or ())}
        columns: dict[str, Any] = {
            "text": np.array(texts, dtype=object),
            "file": np.array([codes[label] for label in labels], dtype=types["file"].dtype),
        }
        return make_table(columns, types, splits=splits, places=tuple(places), origin=places[0].file)

    def _by_split(self) -> dict[str, Files | ByLabel]:
        """What the spec says of each split.

        Raises:
            DataError: if labels and splits stand side by side, or no split trains.
        """
        if not isinstance(self.path, Mapping):
            return {"train": self.path}
        splits = [key for key in self.path if key in SPLITS]
        if not splits and not any(isinstance(own, Mapping) for own in self.path.values()):
            return {"train": {label: own for label, own in self.path.items() if not isinstance(own, Mapping)}}
        others = [key for key in self.path if key not in SPLITS]
        if others:
            message = f"`{others[0]}` is no split"
            helps = ["labels stand below the splits: `{train: {LABEL: FILE}, test: {LABEL: FILE}}`"]
            raise data_error("unknown-split", message, helps=helps)
        if "train" not in splits:
            raise data_error("unknown-split", "the paths name no file for `train`")
        return {split: self.path[split] for split in SPLITS if split in self.path}


def _labelled(own: Files | ByLabel, base: Path) -> list[tuple[str, Path]]:
    """The files of a split with their labels, in the order of these."""
    if isinstance(own, Mapping):
        return [(label, path) for label in sorted(own) for path in _files(own[label], base)]
    return [(path.stem, path) for path in _files(own, base)]


def _files(given: Files, base: Path) -> list[Path]:
    return [path for text in ((given,) if isinstance(given, str) else given) for path in find_file(text, base)]
