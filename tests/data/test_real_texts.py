"""Public texts and series, against the counts that their READMEs state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.dataset import Dataset, open_data
from netspec.data.section import DataSection
from netspec.data.source import Source
from netspec.data.sources.conll import Conll
from netspec.data.sources.csv import Csv
from netspec.data.sources.lines import Lines
from netspec.data.sources.series import Series
from netspec.data.sources.stream import Stream
from netspec.data.sources.windows import Windows
from netspec.data.table import Table
from netspec.spec.document import examine

pytestmark = pytest.mark.data
LANGUAGE = Path(__file__).parents[1] / "spec" / "language"


def opened(section: DataSection) -> Dataset:
    data = open_data(section, Path(), 0)
    assert isinstance(data, Dataset)
    return data


def of_source(source: Source) -> Dataset:
    return opened(DataSection(source=source))


def sums(table: Table, name: str, splits: Mapping[str, Any]) -> dict[str, int]:
    """How many tokens the rows of each split have."""
    return {split: int(table.ragged[name].lengths[rows].sum()) for split, rows in splits.items()}


def data_of(name: str, **paths: str) -> DataSection:
    """The data of a spec of the language, with its files where they lie."""
    text = (LANGUAGE / f"{name}.yaml").read_text()
    for file, folder in paths.items():
        text = text.replace(f"{file}.", f"{folder}/{file}.")
    lines = text.split("data:\n", 1)[1].split("network:", 1)[0]
    spec = f"netspec: 1\ndata:\n{lines}network: {{inputs: {{x: [1]}}, layers: [dense: 1]}}\n"
    document, _ = examine(spec, base=Path())
    assert document is not None
    assert document.data is not None
    return document.data


def test_penn_treebank() -> None:
    paths = {"train": "ptb/ptb.train.txt", "validation": "ptb/ptb.valid.txt", "test": "ptb/ptb.test.txt"}
    data = of_source(Stream(path=dict(paths), steps=20))
    # Each split has one token more than there are to tell: the first.
    assert sums(data.table, "next", data.splits) == {"train": 929_588, "validation": 73_759, "test": 82_429}
    assert data.fields["tokens"].size == 10_000  # with <unk>, which the text itself holds, and <end>
    assert data.ragged["tokens"].values is data.ragged["next"].values
    assert data.ragged["tokens"].nbytes < 3e6
    train = data.ragged["tokens"].values[:929_589]
    assert np.count_nonzero(train == (data.fields["tokens"].classes or ()).index("<end>")) == 42_068
    assert not (data.ragged["next"].lengths[data.splits["train"]][:-1] != 20).any()


def test_brown_corpus() -> None:
    text = Stream(path="brown/brown.txt", steps=50, end=False)
    data = of_source(text)
    assert sums(data.table, "next", data.splits) == {"train": 1_161_191}
    assert data.fields["tokens"].size == 56_057 + 1  # and <unk>
    lower = text.model_copy(update={"lower": True})
    assert of_source(lower).fields["tokens"].size == 49_815 + 1
    lines = Lines(path="brown/brown.txt").open(Path())
    assert lines.rows == 57_340


def test_the_split_of_the_neural_language_model() -> None:
    section = data_of("nplm", brown="brown")
    data = opened(section)
    rows = {"train": 800_000 - 4, "validation": 200_000 - 4, "test": 161_192 - 4}
    assert {name: len(own) for name, own in data.splits.items()} == rows
    assert data.columns["context"].shape == (sum(rows.values()), 4)
    assert data.columns["context"].dtype == np.uint16
    assert data.fields["word"].size == data.fields["context"].size == 16_383
    word, context = data.columns["word"], data.columns["context"]
    assert (context[4:1000, 0] == word[:996]).all()  # the oldest of four
    assert (context[1:1000, 3] == word[:999]).all()
    counts = np.array(data.fitted.fields["word"].counts)
    assert counts[: len(data.fields["word"].classes or ())].min() >= 4
    assert (np.diff(counts[1 : len(data.fields["word"].classes or ())]) <= 0).all()


def test_windows_for_word_vectors() -> None:
    source = Windows(path="brown/brown.txt", before=5, after=5, shrink=True, subsample=1e-3, within="line")
    table = source.open(Path())
    context = table.ragged["context"]
    assert 800_000 < table.rows < 900_000
    assert context.lengths.max() == 10
    row = 12_345
    centre = table.ragged["word"].row(row)[0]
    places, _ = context.places(slice(row, row + 1))
    assert context.values[int(table.ragged["word"].starts[row])] == centre
    assert int(table.ragged["word"].starts[row]) not in places.tolist()


def test_movie_reviews() -> None:
    data = opened(data_of("kim_cnn", **{"rt-polarity": "mr"}))
    assert data.table.rows == 10_662
    assert data.fields["label"].classes == ("negative", "positive")
    assert np.bincount(data.columns["label"]).tolist() == [5_331, 5_331]
    assert data.fields["words"].size == 18_000
    assert data.ragged["words"].lengths.min() == 5
    assert len(data.splits["test"]) == 1_067
    table = Lines(path={"negative": "mr/rt-polarity.neg"}, encoding="windows-1252").open(Path())
    assert any("\xe9" in line for line in table.columns["text"].tolist())


def test_conll_2002() -> None:
    section = data_of("bilstm_crf", esp="conll2002")
    data = opened(section)
    assert {name: len(rows) for name, rows in data.splits.items()} == {
        "train": 8_323, "validation": 1_915, "test": 1_517,
    }  # fmt: skip
    tokens = {"train": 264_715, "validation": 52_923, "test": 51_533}
    for name in ("words", "chars", "tags"):
        assert sums(data.table, name, data.splits) == tokens
    names = data.fields["tags"].classes or ()
    assert len(names) == 4 * 4 + 1
    begins = [code for code, name in enumerate(names) if name[0] in "BS"]
    # In each file one sentence begins with I-, which begins an entity too; the README counts B- alone.
    entities = {"train": 18_797 + 1, "validation": 4_351 + 1, "test": 3_558 + 1}
    tags = data.ragged["tags"]
    for split, rows in data.splits.items():
        assert np.isin(tags.values[tags.places(rows)[0]], begins).sum() == entities[split]
    assert data.fields["words"].size == len({w.lower() for w in _words(section.source)}) + 1
    assert data.place(8_323).startswith("esp.testa, line ")


def _words(source: Source) -> set[str]:
    """The words of the training sentences."""
    assert isinstance(source, Conll)
    column = source.open(Path()).ragged["word"]
    return {column.names[code] for code in column.values[:264_715].tolist()}


def test_tiny_shakespeare() -> None:
    source = Stream.model_validate(
        {
            "path": "tinyshakespeare/input.txt", "unit": "character", "steps": 50,
            "split": {"validation": 0.1}, "unknown": False,
        }
    )  # fmt: skip
    data = of_source(source)
    assert data.fields["tokens"].size == 65
    told = sums(data.table, "next", data.splits)
    assert told == {"train": 1_115_394 - 111_539 - 1, "validation": 111_539 - 1}
    assert data.ragged["tokens"].nbytes < 3e6
    assert data.place(0) == "input.txt, line 1"


@pytest.mark.parametrize(
    ("file", "column", "rows"),
    [
        ("airline-passengers", "Passengers", 12 * 12),
        ("daily-min-temperatures", "Temp", 3650),
        ("shampoo", "Sales", 36),
    ],
)
def test_series_of_numbers(file: str, column: str, rows: int) -> None:
    source = Series(table=Csv(path=f"timeseries/{file}.csv"), columns=column, past=12)
    data = of_source(source)
    assert data.table.rows == rows - 12
    assert len(data.ragged["past"].values) == rows
