"""Text as tokens: how it is cut, which vocabulary is fitted, and what is told of text that does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.dataset import Dataset, open_data
from netspec.data.field import Field
from netspec.data.fields.category import Category
from netspec.data.fields.number import Number
from netspec.data.fields.shift import Shift
from netspec.data.fields.tokens import Tokens
from netspec.data.fitting import Fitted
from netspec.data.rows import encode_rows, table_of_rows
from netspec.data.section import DataSection
from netspec.data.sources.csv import Csv
from netspec.data.table import Place
from netspec.diagnostics import Report

Fault = Callable[[Callable[[], object]], tuple[str, str]]
Make = Callable[..., Dataset]


def section(fields: dict[str, Field], paths: dict[str, str] | None = None) -> DataSection:
    return DataSection(source=Csv(path=dict(paths or {"train": "train.csv"})), fields=fields)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make(fields, train, test)``: the fields of two CSV files with a column `text`, and others if they say so."""

    def opened(fields: dict[str, Field], train: str, test: str | None = None) -> Dataset:
        paths = {"train": "train.csv"}
        for name, content in (("train", train), ("test", test)):
            if content is not None:
                paths[name] = f"{name}.csv"
                has_header = content.startswith(("text", "a,b"))
                (tmp_path / f"{name}.csv").write_text(content if has_header else f"text\n{content}")
        data = open_data(section(fields, paths), tmp_path, 0, inputs=tuple(fields))
        assert isinstance(data, Dataset)
        return data

    return opened


def told(data: Dataset, name: str) -> list[Any]:
    """The rows of a field as text again."""
    classes = data.fields[name].classes or ()
    if name not in data.ragged:
        return [classes[code] for code in data.columns[name].reshape(-1).tolist()]
    rows = [data.ragged[name].row(i) for i in range(len(data.ragged[name]))]
    return [
        ["".join(classes[c] for c in part) if isinstance(part, list) else classes[part] for part in row] for row in rows
    ]


def again(data: Dataset) -> Fitted:
    """What was fitted, from its files."""
    return Fitted.from_parts(json.loads(json.dumps(data.fitted.to_json())), data.fitted.to_arrays())


TEXT = "the cat and the dog\na dog\n"


def test_words_by_how_often_they_stand(make: Make) -> None:
    data = make({"x": Tokens(of="text")}, TEXT, "the bird\n")
    assert data.fields["x"].classes == ("<unk>", "the", "dog", "cat", "and", "a")
    assert told(data, "x") == [["the", "cat", "and", "the", "dog"], ["a", "dog"], ["the", "<unk>"]]
    assert str(data.fields["x"]) == "index [Text] of 6"
    assert data.ragged["x"].values.dtype == np.uint16
    assert data.fitted.fields["x"].counts == (0, 2, 2, 1, 1, 1)


@pytest.mark.parametrize(
    ("settings", "classes"),
    [  # characters: 5 blanks, then t, a and d three times each
        ({"min_count": 2}, ("<unk>", "the", "dog")),
        ({"max_size": 3}, ("<unk>", "the", "dog")),
        ({"max_size": 4, "end": True, "min_length": 3}, ("<unk>", "<pad>", "<end>", "the")),
        ({"unknown": False}, ("the", "dog", "cat", "and", "a")),
        ({"unit": "character", "max_size": 5}, ("<unk>", " ", "t", "a", "d")),
        ({"unit": "spelling", "max_size": 3}, ("<unk>", "t", "a")),
    ],
)
def test_vocabularies(make: Make, settings: dict[str, Any], classes: tuple[str, ...]) -> None:
    assert make({"x": Tokens.model_validate({"of": "text", **settings})}, TEXT).fields["x"].classes == classes


def test_case_marks_and_a_least_length(make: Make) -> None:
    field = Tokens(of="text", lower=True, marks=True, min_length=3)
    data = make({"x": field}, "It's good!\n\"Good, isn't it?\"\n", "No\n")
    assert told(data, "x") == [["it's", "good", "!"], ["good", ",", "isn't", "it", "?"], ["<unk>", "<pad>", "<pad>"]]


def test_a_size_that_is_given_is_the_size(make: Make) -> None:
    fields: dict[str, Field] = {"x": Tokens(of="text", max_size=100), "y": Tokens(of="text", vocabulary="x")}
    data = make(fields, TEXT)
    assert len(data.fields["x"].classes or ()) == 6
    assert data.fields["x"].size == data.fields["y"].size == 100


def test_characters_and_spelled_words(make: Make) -> None:
    data = make({"c": Tokens(of="text", unit="character"), "s": Tokens(of="text", unit="spelling")}, TEXT)
    assert told(data, "c")[1] == list("a dog")
    assert told(data, "s") == [["the", "cat", "and", "the", "dog"], ["a", "dog"]]
    assert str(data.fields["c"]) == "index [TextCharacters] of 11"
    assert str(data.fields["s"]) == "index [Text, Letters] of 10"
    spelled = data.ragged["s"].spellings
    assert spelled is not None
    assert len(spelled) == 5  # each word once


def test_a_decoder_reads_what_it_is_to_tell_one_step_later(make: Make) -> None:
    fields: dict[str, Field] = {
        "question": Tokens(of="a", unit="character"),
        "answer": Tokens(of="b", unit="character", end=True, vocabulary="question"),
        "given": Shift(of="answer"),
    }
    data = make(fields, "a,b\nabc,cba\nb,b\n")
    assert data.fields["question"].classes == ("<unk>", "<start>", "<end>", "b", "a", "c")
    assert {name: data.fields[name].size for name in fields} == {"question": 6, "answer": 6, "given": 6}
    assert told(data, "answer") == [["c", "b", "a", "<end>"], ["b", "<end>"]]
    assert told(data, "given") == [["<start>", "c", "b", "a"], ["<start>", "b"]]
    assert data.fields["given"].shape == data.fields["answer"].shape != data.fields["question"].shape
    kept = data.fitted.to_json()["fields"]
    assert kept["question"]["type"]["classes"]
    assert kept["answer"]["type"]["classes"] is None  # which is written where it is owned
    assert again(data).fields["given"].type == data.fields["given"]


def test_raw_text_is_cut_as_training_text_was(make: Make, tmp_path: Path) -> None:
    fields: dict[str, Field] = {"x": Tokens(of="text", lower=True, end=True), "y": Tokens(of="text", unit="spelling")}
    data = make(fields, TEXT)
    linked = section(fields).linked_fields()
    classes = data.fields["x"].classes or ()
    for rows in ([{"text": "The Bird"}, {"text": "dog"}], [{"text": ["The", "Bird"]}, {"text": ["dog"]}]):
        arrays = encode_rows(table_of_rows(rows, Place("rows", 0)), linked, again(data), ["x", "y"])
        starts, lengths = arrays["x.starts"], arrays["x.lengths"]
        read = [[classes[c] for c in arrays["x"][s : s + n]] for s, n in zip(starts, lengths, strict=True)]
        assert read == [["the", "<unk>", "<end>"], ["dog", "<end>"]]
        assert arrays.keys() == {
            "x", "x.starts", "x.lengths", "y", "y.starts", "y.lengths",
            "y.spellings", "y.spellings.starts", "y.spellings.lengths",
        }  # fmt: skip
    only = table_of_rows([{"x": "dog the"}], Place("rows", 0))
    assert encode_rows(only, linked, again(data), ["x"])["x.lengths"].tolist() == [3]


def test_words_are_no_numbers(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,x\n2,y\n")
    fields: dict[str, Field] = {"n": Number(of="a"), "k": Category(of="b")}
    data = open_data(section(fields), tmp_path, 0)
    table = table_of_rows([{"a": ["one", "two"], "b": ["x"]}], Place("rows", 0))
    for name, column, word in (("n", "a", "one"), ("k", "b", "x")):
        code, text = fault(lambda name=name: encode_rows(table, fields, data.fitted, [name]))
        assert code == "text-in-number"
        assert f"rows, row 1, column `{column}`: `{word}` is not a number" in text


def test_what_has_no_size_before_the_data_are_open() -> None:
    report = Report()
    fields: dict[str, Field] = {
        "w": Tokens(of="text"),
        "v": Tokens(of="text", vocabulary="w"),
        "m": Tokens(of="text", max_size=9),
        "s": Shift(of="v"),
    }
    types = section(fields).resolve(Path(), report)
    assert not report.diagnostics
    assert types is not None
    assert {name: str(type_.extent(name)) for name, type_ in types.items()} == {
        "w": "|w|", "v": "|w|", "m": "9", "s": "|w|",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"x": Tokens(of="text", vocabulary="wrods"), "words": Tokens(of="text")}, "unknown-field", "mean `words`?"),
        ({"x": Tokens(of="text", vocabulary="x")}, "wrong-kind", "names itself"),
        (
            {"x": Tokens(of="text", vocabulary="y"), "y": Tokens(of="text", vocabulary="z"), "z": Tokens(of="text")},
            "wrong-kind",
            "`vocabulary: z`",
        ),
        ({"x": Tokens(of="text", vocabulary="c"), "c": Category(of="text")}, "wrong-kind", "has no vocabulary"),
        ({"x": Tokens(of="text", max_size=1)}, "bad-vocabulary", "no room for a token beside `<unk>`"),
        ({"x": Tokens(of="text", max_size=2, end=True)}, "bad-vocabulary", "it is at least 3"),
        ({"x": Shift(of="text")}, "unknown-field", "it shifts a field of `data.fields`"),
        ({"x": Shift(of="c"), "c": Category(of="text")}, "wrong-kind", "`shift` is of tokens"),
    ],
)
def test_fields_that_do_not_fit_are_told_without_the_data(fields: dict[str, Field], code: str, words: str) -> None:
    report = Report()
    section(fields).resolve(Path(), report)
    found = [d for d in report.diagnostics if d.code == code]
    assert found, report.diagnostics
    assert any(words in " ".join((d.message, *d.helps)) for d in found)


@pytest.mark.parametrize(
    ("field", "train", "test", "code", "words"),
    [
        (Tokens(of="text", min_count=9), TEXT, None, "bad-vocabulary", "the most frequent stands 2 times"),
        (
            Tokens(of="text", unknown=False),
            TEXT,
            "a dig\n",
            "unknown-class",
            "test.csv, line 2: `dig` is none",
        ),
        (Tokens(of="text", unit="spelling", unknown=False), TEXT, "a\nad go\nx d\n", "unknown-class", "line 4: `x`"),
        (Tokens(of="text"), TEXT, '"  "\n', "missing-value", "test.csv, line 2, column `text`: no token"),
        (Tokens(of="text"), "text\n1\n2\n", None, "wrong-kind", "`text` is number [], and no text"),
        (Tokens(of="txet"), TEXT, None, "unknown-column", "did you mean `text`?"),
    ],
)
def test_faults_name_file_line_and_token(
    *, make: Make, field: Field, train: str, test: str | None, code: str, words: str, fault: Fault
) -> None:
    found, text = fault(lambda: make({"x": field}, train, test))
    assert found == code, text
    assert words in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"vocabulary": "y", "max_size": 3}, "belong to the field whose `vocabulary`"),
        ({"unknown": False, "min_count": 2}, "leave out `unknown: false`"),
        ({"scheme": "iobes", "lower": True}, "`scheme` is of tags"),
    ],
)
def test_settings_that_exclude_each_other(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Tokens.model_validate({"of": "text", **settings})


def test_tokens_are_not_streamed() -> None:
    data = section({"x": Tokens(of="text")}).model_copy(update={"stream": True})
    report = Report()
    data.resolve(Path(), report)
    assert [d.code for d in report.diagnostics] == ["cannot-stream"]
