"""Reading YAML: what is read, where it stands, and that nothing ever ends in a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.diagnostics import LINE_BREAK, Report, render
from netspec.spec.check import check
from netspec.spec.tree import List, Map, Node, Scalar, plain
from netspec.spec.yaml import MAX_BYTES, read_bytes, read_text

LANGUAGE = sorted((Path(__file__).parent / "language").glob("*.yaml"))
ERRORS = sorted((Path(__file__).parents[1] / "specs" / "err").glob("*.yaml"))


def read(text: str) -> Node:
    report = Report()
    node = read_text(text, "spec.yaml", report)
    assert not report.diagnostics
    assert node is not None
    return node


def codes(text: str | bytes) -> list[str]:
    report = Report()
    data = text if isinstance(text, bytes) else text.encode()
    read_bytes(data, "spec.yaml", report)
    return [d.code for d in report.diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.", 1.0),
        (".5", 0.5),
        ("-12", -12),
        ("+3", 3),
        ("0o17", 15),
        ("0x1f", 31),
        ("017", 17),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("1e5x", "1e5x"),
        ("-", "-"),
        ("''", ""),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = plain(read(f"a: [{text}]" if text != "-" else "a: ['-']"))["a"][0]
    assert found == value
    assert type(found) is type(value)


def test_keys_and_values_know_their_place() -> None:
    node = read("# é\na: {b: 'x', größe: [1,\n  2]}\n")
    assert isinstance(node, Map)
    inner = node.entries["a"].value
    assert isinstance(inner, Map)
    key, value = inner.entries["größe"].key_span, inner.entries["größe"].value.span
    assert (key.line, key.column, key.end_column) == (2, 13, 18)
    assert (value.line, value.column, value.end_line, value.end_column) == (2, 20, 3, 5)
    assert isinstance(inner.entries["größe"].value, List)


def test_block_ends_where_its_last_value_ends() -> None:
    node = read("a:\n  b: 1\n\n\n# comment\nc: 2\n")
    assert isinstance(node, Map)
    assert node.entries["a"].value.span.end_line == 2


def test_aliases_are_expanded() -> None:
    assert plain(read("a: &x {b: 1}\nc: [*x, *x]\n")) == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * 100_000, ["too-deep"]),
        ("{a: " * 100_000, ["too-deep"]),
        ("a: " + "[" * 63 + "]" * 63, []),
        ("a: " + "[" * 64 + "]" * 64, ["too-deep"]),
        ("- &a [" + "[" * 40 + "]" * 40 + "]\n- [[[[[[[[[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]]]]]]]]\n", ["too-deep"]),
        ("\n".join(["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"] + [
            f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]" for i in range(9)
        ]), ["too-large"]),
        (b"a: " + b"x" * MAX_BYTES, ["too-large"]),
        (b"a: \xff\xfe", ["not-utf8"]),
        (b"\xef\xbb\xbfa: 1", []),
        (b"a: \x00", ["yaml-syntax"]),
        ("a: 1\na: 2\na: 3", ["duplicate-key", "duplicate-key"]),
        ("a: &a [*a]", ["bad-alias"]),
        ("[a, b]: 1\nc: 2", ["bad-key"]),
        ("", ["empty-spec"]),
        ("---\n...\n", ["empty-spec"]),
        ("~", ["empty-spec"]),
    ],
    ids=range(16),
)  # fmt: skip
def test_dangerous_text_is_refused(text: str | bytes, expected: list[str]) -> None:
    assert codes(text) == expected


def inside(report: Report) -> bool:
    """Whether every diagnostic has a place inside its file, and can be printed."""
    for d in report.diagnostics:
        assert d.span is not None
        lines = LINE_BREAK.split(report.sources[d.span.file])
        assert 1 <= d.span.line <= len(lines), d
        assert 1 <= d.span.column <= len(lines[d.span.line - 1]) + 1, d
        assert render(d, report.sources)
    return True


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_bytes_end_in_a_traceback(data: bytes) -> None:
    report = Report()
    node = read_bytes(data, "spec.yaml", report)
    assert node is not None or report.failed
    assert inside(report)


@given(st.text(alphabet="ab:-[]{}&*!?|>'\"#%@` \n\t,0.~é$\u2028\x85\r", max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_ends_in_a_traceback(text: str) -> None:
    assert inside(check(text).report)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A spec with some of its pieces cut, doubled, swapped or replaced."""
    path = draw(st.sampled_from([*LANGUAGE, *ERRORS]))
    text = path.read_text(encoding="utf-8", errors="replace")
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        other = draw(st.integers(0, len(text)))
        piece = draw(
            st.sampled_from(["", text[start:end] * 2, text[other : other + 20], "[]", "{}", "null", "-1", "${a}"])
        )
        text = text[:start] + piece + text[end:]
    return text


@given(mutated())
@settings(max_examples=200, deadline=None)
def test_no_mutation_ends_in_a_traceback(text: str) -> None:
    assert inside(check(text).report)


KEYS = ["inputs", "layers", "output", "dense", "units", "from", "share", "init", "repeat", "name", "x"]
SECTIONS = ["network", "data", "loss", "train", "blocks", "vars", "expect", "metrics", "optimizer", "losses"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.sampled_from(["input", "x", "dense", "${n}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.sampled_from(SECTIONS))
@settings(max_examples=300, deadline=None)
def test_no_values_end_in_a_traceback(value: object, section: str) -> None:
    import json

    base = {
        "netspec": 1,
        "data": {"source": {"logic": "xor"}},
        "network": {"inputs": {"x": [2]}, "layers": [{"dense": 1}]},
    }
    assert inside(check(json.dumps({**base, section: value})).report)


def test_scalar_that_was_refused_is_silent() -> None:
    assert plain(Scalar(None, read("a: 1").span)) is None
