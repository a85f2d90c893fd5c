"""Sources of text: what rows they cut, where these stand, and what is told of files that are not as they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.dataset import Dataset, open_data
from netspec.data.field import Field
from netspec.data.fields.category import Category
from netspec.data.fields.shift import Shift
from netspec.data.fields.tokens import Tokens
from netspec.data.rows import encode_rows, read_rows
from netspec.data.section import DataSection
from netspec.data.source import Source
from netspec.data.sources.conll import Conll
from netspec.data.sources.lines import Lines
from netspec.data.sources.pairs import Pairs
from netspec.data.sources.stream import Stream
from netspec.data.sources.windows import Windows
from netspec.data.splits import Stretches
from netspec.data.table import Table
from netspec.diagnostics import Report

Fault = Callable[[Callable[[], object]], tuple[str, str]]

TEXT = "a b c d\n\ne f g\nh i\n"


def opened(source: Source, base: Path, fields: dict[str, Field] | None = None) -> Dataset:
    data = open_data(DataSection(source=source, fields=fields or {}), base, 0)
    assert isinstance(data, Dataset)
    return data


def told(table: Table, name: str) -> list[Any]:
    """The rows of a column of tokens, or of a field of them, as text."""
    names = table.types[name].classes or table.ragged[name].names
    column = table.ragged[name]
    return [[names[code] for code in column.row(row)] for row in range(len(column))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_text("x y\na b\n")
    return tmp_path


# --- stream ---


def test_windows_of_a_stream_continue_each_other(folder: Path) -> None:
    data = opened(Stream(path={"train": "a.txt", "test": "b.txt"}, steps=4), folder)
    shown = [" ".join(row) for row in told(data.table, "tokens")]
    assert shown == ["a b c d", "<end> e f g", "<end> h i", "<unk> <unk> <end> a", "b"]
    shown = [" ".join(row) for row in told(data.table, "next")]
    assert shown == ["b c d <end>", "e f g <end>", "h i <end>", "<unk> <end> a b", "<end>"]
    assert {name: rows.tolist() for name, rows in data.splits.items()} == {"train": [0, 1, 2], "test": [3, 4]}
    assert data.ragged["tokens"].values is data.ragged["next"].values
    assert data.fields["tokens"].shape == data.fields["next"].shape
    assert [data.place(row) for row in range(5)] == [
        "a.txt, line 1", "a.txt, line 1", "a.txt, line 3", "b.txt, line 1", "b.txt, line 2",
    ]  # fmt: skip


def test_characters_of_a_stream(folder: Path) -> None:
    data = opened(Stream(path="b.txt", unit="character", steps=3, unknown=False), folder)
    assert told(data.table, "tokens") == [["x", " ", "y"], ["\n", "a", " "], ["b"]]
    assert told(data.table, "next") == [[" ", "y", "\n"], ["a", " ", "b"], ["\n"]]
    assert data.fields["tokens"].classes == (" ", "x", "y", "\n", "a", "b")


def test_a_stretch_of_one_text_is_held_out(folder: Path) -> None:
    source = Stream(path="a.txt", steps=1, end=False, split=Stretches(validation=0.2, test=2))
    data = opened(source, folder)
    rows = told(source.open(folder), "tokens")
    assert {name: [rows[i] for i in own] for name, own in data.splits.items()} == {
        "train": [["a"], ["b"], ["c"], ["d"]], "validation": [["f"]], "test": [["h"]],
    }  # fmt: skip
    assert data.fields["tokens"].classes == ("<unk>", "a", "b", "c", "d")


def test_the_vocabulary_of_a_stream_can_be_made_by_the_spec(folder: Path) -> None:
    data = opened(Stream(path="a.txt", steps=4), folder, {"tokens": Tokens(of="tokens", max_size=3)})
    assert data.fields["next"].size == 3
    assert data.fields["next"].classes == data.fields["tokens"].classes == ("<unk>", "<end>", "a")


def test_text_for_a_stream_is_cut_as_it_was(folder: Path) -> None:
    source = Stream(path="a.txt", unit="character", steps=4)
    data = opened(source, folder)
    (folder / "prompt.txt").write_text("a b\nca\n")
    table = read_rows(folder / "prompt.txt", "tokens", source)
    arrays = encode_rows(table, DataSection(source=source).linked_fields(), data.fitted, ["tokens"])
    classes = data.fields["tokens"].classes or ()
    assert "".join(classes[code] for code in arrays["tokens"][:5]) == "a bca"
    assert arrays["tokens.lengths"].tolist() == [3, 2]


# --- windows ---


def windows(**settings: Any) -> Windows:
    return Windows.model_validate({"path": "a.txt", "before": 2, "after": 1, **settings})


def pairs_of(table: Table) -> list[tuple[str, str]]:
    context = [" ".join(row) for row in told(table, "context")]
    return list(zip(("".join(row) for row in told(table, "word")), context, strict=True))


def test_whole_windows(folder: Path) -> None:
    table = windows().open(folder)
    assert pairs_of(table)[:2] == [("c", "a b d"), ("d", "b c e")]
    assert table.rows == 6
    assert str(table.types["context"]) == "word [3]"
    fields: dict[str, Field] = {"word": Tokens(of="word"), "context": Tokens(of="context", vocabulary="word")}
    data = opened(windows(), folder, fields)
    classes = data.fields["word"].classes or ()
    assert classes == ("<unk>", "c", "d", "e", "f", "g", "h")  # of `word`, where a and b have no whole window
    shown = [" ".join(classes[code] for code in row) for row in data.columns["context"][:2]]
    assert shown == ["<unk> <unk> d", "<unk> c e"]
    assert data.columns["context"].dtype == data.columns["word"].dtype == np.uint16


def test_windows_within_lines(folder: Path) -> None:
    table = windows(within="line").open(folder)
    assert pairs_of(table) == [
        ("a", "b"), ("b", "a c"), ("c", "a b d"), ("d", "b c"), ("e", "f"), ("f", "e g"), ("g", "e f"), ("h", "i"),
        ("i", "h"),
    ]  # fmt: skip
    assert table.place(4) == "a.txt, line 3"
    assert str(table.types["context"]) == "word [C]"
    assert pairs_of(windows(within="line", before=0, after=1).open(folder))[:2] == [("a", "b"), ("b", "c")]


def test_a_row_for_each_pair(folder: Path) -> None:
    table = windows(within="line", pairs=True).open(folder)
    assert pairs_of(table)[:6] == [("a", "b"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b"), ("c", "d")]
    assert str(table.types["context"]) == "word []"
    split = windows(within="line", pairs=True, split=Stretches(test=2)).open(folder)
    assert pairs_of(split)[-2:] == [("h", "i"), ("i", "h")]
    assert split.splits["test"] == range(split.rows - 2, split.rows)


def test_windows_stay_in_their_split(folder: Path) -> None:
    table = windows(before=1, after=0, split=Stretches(train=4, validation=3, test="rest")).open(folder)
    assert {name: [pairs_of(table)[i] for i in rows] for name, rows in table.splits.items()} == {
        "train": [("b", "a"), ("c", "b"), ("d", "c")], "validation": [("f", "e"), ("g", "f")], "test": [("i", "h")],
    }  # fmt: skip


def test_windows_that_shrink_and_tokens_that_are_left_out(tmp_path: Path) -> None:
    generator = np.random.Generator(np.random.PCG64(5))
    words = generator.choice(["the", "cat", "dog"], 4000, p=[0.9, 0.05, 0.05]).tolist()
    (tmp_path / "t.txt").write_text(" ".join([*words, "rare"]))
    source = windows(path="t.txt", before=3, after=3, shrink=True, subsample=0.05, min_count=2)
    table = source.open(tmp_path)
    kept = "".join(row[0][0] for row in told(table, "word"))
    assert "r" not in kept
    frequency = words.count("the") / 4000
    stays = (0.05 / frequency) ** 0.5 + 0.05 / frequency
    assert kept.count("t") / words.count("the") == pytest.approx(stays, abs=0.03)
    assert kept.count("c") == words.count("cat")
    lengths = table.ragged["context"].lengths[3:-3]
    assert set(lengths.tolist()) == {2, 4, 6}
    assert np.bincount(lengths)[[2, 4, 6]] / len(lengths) == pytest.approx([1 / 3] * 3, abs=0.05)
    assert source.open(tmp_path).fingerprint == table.fingerprint
    assert source.model_copy(update={"seed": 1}).open(tmp_path).fingerprint != table.fingerprint


def test_an_epoch_of_several_draws(tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(300)]
    (tmp_path / "t.txt").write_text("\n".join(words))
    settings = {"path": "t.txt", "before": 4, "after": 4, "shrink": True, "split": Stretches(test=50)}
    one, two = (windows(**settings, draws=draws).open(tmp_path) for draws in (1, 2))
    assert {name: len(rows) for name, rows in two.splits.items()} == {"train": 500, "test": 50}
    assert pairs_of(two)[:250] == pairs_of(one)[:250]
    second = pairs_of(two)[250:500]
    assert [word for word, _ in second] == words[:250]
    assert second != pairs_of(one)[:250]
    centres = [words.index(word) for word, _ in pairs_of(two)]
    for centre, (_, context) in zip(centres, pairs_of(two), strict=True):
        reach = [words.index(word) - centre for word in context.split()]
        assert 0 not in reach
        assert max(map(abs, reach)) <= 4
    assert [two.place(row) for row in (0, 249, 250, 499, 500)] == [
        f"t.txt, line {line}" for line in (1, 250, 1, 250, 251)
    ]
    assert two.token_place(251, "context", 0) == "t.txt, line 1"
    thinned = windows(**settings, draws=3, subsample=1e-3).open(tmp_path)
    assert 3 * 250 * 0.6 < len(thinned.splits["train"]) < 3 * 250 * 0.9
    for row, (word, context) in enumerate(pairs_of(thinned)):
        assert thinned.place(row) == f"t.txt, line {words.index(word) + 1}"
        first = context.split()[0]
        assert thinned.token_place(row, "context", 0) == f"t.txt, line {words.index(first) + 1}"
    pairs = windows(**settings, draws=2, pairs=True).open(tmp_path)
    assert pairs_of(pairs)[0][0] == "w0"
    assert pairs.splits["test"].stop == pairs.rows


# --- lines and pairs ---


def test_lines_with_the_labels_of_their_files(folder: Path) -> None:
    (folder / "c.txt").write_bytes("caf\xe9 \x93x\x94\r\n\r\n y \r\n".encode("latin-1"))
    source = Lines(path={"train": {"z": "a.txt", "y": "b.txt"}, "test": {"y": "c.txt"}}, encoding="windows-1252")
    fields: dict[str, Field] = {"words": Tokens(of="text"), "label": Category(of="file")}
    report = Report()
    types = DataSection(source=source, fields=fields).resolve(folder, report)
    assert types is not None
    assert types["label"].classes == ("y", "z")
    data = opened(source, folder, fields)
    table = source.open(folder)
    assert table.columns["text"].tolist() == ["x y", "a b", "a b c d", "e f g", "h i", "caf\xe9 \u201cx\u201d", "y"]
    assert data.columns["label"].tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert data.splits["test"].tolist() == [5, 6]
    assert data.place(3) == "a.txt, line 3"
    assert data.place(6) == "c.txt, line 3"


def test_lines_of_files_without_labels(folder: Path) -> None:
    data = opened(Lines(path="?.txt"), folder, {"words": Tokens(of="text"), "label": Category(of="file")})
    assert data.fields["label"].classes == ("a", "b")
    assert opened(Lines(path={"train": "a.txt", "test": "b.txt"}), folder).splits["test"].tolist() == [3, 4]


def test_pairs(folder: Path) -> None:
    (folder / "p.tsv").write_text("abc\tcba\n\nb\tb\n")
    fields: dict[str, Field] = {
        "question": Tokens(of="source", unit="character"),
        "answer": Tokens(of="target", unit="character", end=True, vocabulary="question"),
        "given": Shift(of="answer"),
    }
    source = Pairs(path="p.tsv")
    data = opened(source, folder, fields)
    assert told(data.table, "given") == [["<start>", "c", "b", "a"], ["<start>", "b"]]
    (folder / "q.txt").write_text("ab\ncc\tignored\n")
    table = read_rows(folder / "q.txt", None, source)
    assert table.columns["source"].tolist() == ["ab", "cc"]


# --- conll ---

SENTENCES = "-DOCSTART- X O\n\nEl D O\nGran D B-LOC\nRio N I-LOC\n\n\nAna N B-PER\nva V O\nUN N B-ORG\nya R B-ORG\n"


def test_sentences_in_columns(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text(SENTENCES)
    fields: dict[str, Field] = {
        "words": Tokens(of="w", lower=True),
        "chars": Tokens(of="w", unit="character"),
        "tags": Tokens(of="t", scheme="iobes"),
        "plain": Tokens(of="t", scheme="iob2"),
    }
    data = opened(Conll(path="s.txt", columns=("w", "pos", "t")), tmp_path, fields)
    assert told(data.table, "words") == [["el", "gran", "rio"], ["ana", "va", "un", "ya"]]
    assert told(data.table, "tags") == [["O", "B-LOC", "E-LOC"], ["S-PER", "O", "S-ORG", "S-ORG"]]
    assert told(data.table, "plain") == [["O", "B-LOC", "I-LOC"], ["B-PER", "O", "B-ORG", "B-ORG"]]
    assert data.fields["tags"].size == 1 + 4 * 3  # those too that no sentence has
    chars, letters = data.ragged["chars"], data.fields["chars"].classes or ()
    assert ["".join(letters[c] for c in word) for word in chars.row(0)] == ["El", "Gran", "Rio"]
    assert data.fields["words"].shape == data.fields["tags"].shape == (data.fields["chars"].shape or ())[:1]
    assert [data.place(row) for row in (0, 1)] == ["s.txt, line 3", "s.txt, line 8"]
    assert data.table.token_place(0, "w", 0) == "s.txt, line 3"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("I-A I-A O I-B I-C", "B-A E-A O S-B S-C"),  # IOB1: a stretch begins without B
        ("I-A B-A B-A I-A", "S-A S-A B-A E-A"),
        ("B-A I-A E-A S-B O", "B-A I-A E-A S-B O"),
        ("B-A E-A B-A E-A", "B-A E-A B-A E-A"),
    ],
)
def test_schemes_of_tags(tmp_path: Path, tags: str, expected: str) -> None:
    (tmp_path / "s.txt").write_text("".join(f"w {tag}\n" for tag in tags.split()))
    data = opened(Conll(path="s.txt", columns=("w", "t")), tmp_path, {"tags": Tokens(of="t", scheme="iobes")})
    assert told(data.table, "tags") == [expected.split()]


# --- faults ---


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        (Stream(path="empty.txt", steps=4), "no-rows", "empty.txt is empty"),
        (Stream(path="blank.txt", steps=4), "no-rows", "blank.txt holds no text"),
        (
            Stream(path="a.txt", steps=20),
            "too-few-rows",
            "the token behind it need 21",
        ),
        (Stream(path="latin.txt", steps=2), "not-utf8", "latin.txt, line 2: byte 4 of it is 0xe9, which is no UTF-8"),
        (Stream(path="latin.txt", steps=2), "not-utf8", "`stream: {encoding: windows-1252}`"),
        (Stream(path="wide.txt", steps=2), "not-utf8", "`stream: {encoding: utf-16}`"),
        (Lines(path="odd.txt", encoding="windows-1252"), "wrong-encoding", "odd.txt, line 1: byte 2 of it is 0x81"),
        (Lines(path="packed.txt"), "wrong-magic", "packed by gzip"),
        (Lines(path={"good": "a.txt", "bad": "bda.txt"}), "missing-file", "there is no file `bda.txt`"),
        (Lines(path={"train": "a.txt", "good": "b.txt"}), "unknown-split", "`good` is no split"),
        (Lines(path={"test": {"x": "a.txt"}}), "unknown-split", "no file for `train`"),
        (Lines(path="blank.txt"), "no-rows", "no line of the split `train` holds text"),
        (Pairs(path="a.txt"), "ragged-row", "a.txt, line 1: no tab in `a b c d`"),
        (Pairs(path="tabs.txt"), "ragged-row", "tabs.txt, line 2: 2 tabs"),
        (Pairs(path="blank.txt"), "no-rows", "blank.txt holds no pair"),
        (
            Conll(path="few.txt", columns=("w", "t")),
            "ragged-row",
            "few.txt, line 3: 1 column in `y`, and",
        ),
        (Conll(path="few.txt", columns=("w",)), "ragged-row", "few.txt, line 1: 2 columns"),
        (Conll(path="blank.txt", columns=("w",)), "no-rows", "blank.txt holds no sentence"),
        (windows(split=Stretches(train=8, test=8)), "too-few-rows", "`split` asks for 16 tokens, and a.txt has 9"),
        (windows(split=Stretches(train=9, test="rest")), "empty-split", "no tokens of a.txt for `test`"),
        (windows(before=9), "no-rows", "in the split `train` no token has 10 others around it"),
    ],
)
def test_faults_of_files(*, folder: Path, source: Source, code: str, words: str, fault: Fault) -> None:
    (folder / "empty.txt").write_text("")
    (folder / "blank.txt").write_text("\n \n")
    (folder / "latin.txt").write_bytes(b"abc\ncaf\xe9\n")
    (folder / "wide.txt").write_bytes("abc\n".encode("utf-16"))
    (folder / "odd.txt").write_bytes(b"a\x81\n")
    (folder / "packed.txt").write_bytes(b"\x1f\x8b\x08")
    (folder / "tabs.txt").write_text("a\tb\na\tb\tc\n")
    (folder / "few.txt").write_text("x O\n\ny\n")
    found, text = fault(lambda: source.open(folder))
    assert found == code, text
    assert words in text


@pytest.mark.parametrize(
    ("lines", "words"),
    [("w B-A\n\nw X-A\n", "s.txt, line 3: `X-A` is no tag"), ("w O\nw BA\n", "s.txt, line 2: `BA` is no tag")],
)
def test_tags_that_are_none(tmp_path: Path, lines: str, words: str, fault: Fault) -> None:
    (tmp_path / "s.txt").write_text(lines)
    source, field = Conll(path="s.txt", columns=("w", "t")), Tokens(of="t", scheme="iobes")
    code, text = fault(lambda: opened(source, tmp_path, {"tags": field}))
    assert code == "unknown-class"
    assert words in text


def test_a_label_that_training_has_not(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "s.txt").write_text("w N\nv V\n")
    (tmp_path / "t.txt").write_text("w N\n\nw N\nv X\n")
    source = Conll(path={"train": "s.txt", "test": "t.txt"}, columns=("w", "t"))
    code, text = fault(lambda: opened(source, tmp_path, {"tags": Tokens(of="t", unknown=False)}))
    assert code == "unknown-class"
    assert "t.txt, line 4: `X` is none of the 2 tokens" in text


@pytest.mark.parametrize(
    ("source", "settings", "words"),
    [
        (Stream, {"path": "a", "steps": 2, "unit": "character", "end": True}, "`end` is of words"),
        (Stream, {"path": "a", "steps": 2, "encoding": "utf-9"}, "there is no encoding `utf-9`"),
        (Windows, {"path": "a", "before": 0, "after": 0}, "there is no context"),
        (Windows, {"path": "a", "before": 1, "after": 0, "draws": 2}, "`shrink` and `subsample` draw"),
        (Windows, {"path": "a", "before": 1, "after": 0, "split": {"test": "rest"}}, "only one of"),
        (Windows, {"path": {"train": "a"}, "before": 1, "after": 0, "split": {"test": 1}}, "`path` and `split` both"),
        (Stream, {"path": {"train": "a"}, "steps": 1, "split": {"test": 1}}, "`path` and `split` both"),
        (Conll, {"path": "a", "columns": ["w", "w"]}, "names one column twice"),
    ],
)
def test_settings_that_cannot_be(source: type[Source], settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        source.model_validate(settings)
