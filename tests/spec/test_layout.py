"""The canonical layout: it says the same, keeps every comment, and is laid out no other way the second time."""

from __future__ import annotations

import re
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.diagnostics import NetspecError, Report, SpecError
from netspec.spec.layout.canonical import canonical
from netspec.spec.layout.written import Branch, Leaf
from netspec.spec.tree import plain
from netspec.spec.upgrades import Step, upgraded
from netspec.spec.yaml import read_text

ROOT = Path(__file__).parents[2]
WRITTEN = sorted([*Path(__file__).parent.glob("*/*.yaml"), *(ROOT / "tests" / "specs" / "err").glob("*.yaml")])
SPECS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "specs").rglob("*.yaml"))


def laid_out(text: str) -> str:
    return canonical(textwrap.dedent(text).lstrip("\n"), "spec.yaml")


def meaning(text: str) -> object:
    tree = read_text(text, "spec.yaml", Report())
    assert tree is not None
    return plain(tree)


@pytest.mark.parametrize("name", SPECS)
def test_every_spec_is_laid_out_as_it_should_be(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert canonical(text, name) == text


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_layout_keeps_what_a_spec_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    report = Report()
    tree = read_text(text, path.name, report)
    if tree is None or any(d.code != "left-open" for d in report.diagnostics):
        with pytest.raises(SpecError):
            canonical(text, path.name)
        return
    found = canonical(text, path.name)
    assert meaning(found) == plain(tree)
    assert sorted(re.findall(r"(?m)(?:^|\s)(#.*)$", found)) == sorted(re.findall(r"(?m)(?:^|\s)(#.*)$", text))
    assert canonical(found, path.name) == found


CASES = {
    "sections go in their order, with what is said of them": (
        """
        # A head.
        network: {layers: [flatten]}
        # of the version
        netspec: 1   # one
        """,
        """
        # A head.
        # of the version
        netspec: 1   # one
        network: {layers: [flatten]}
        """,
    ),
    "a layer is a line": (
        """
        layers:
        - dense:
            units:   64
            activation: relu
        - {dense: 10}
        - conv2d: { filters : 6 , kernel: [ 5,5 ] }
        """,
        """
        layers:
          - dense: {units: 64, activation: relu}
          - dense: 10
          - conv2d: {filters: 6, kernel: [5, 5]}
        """,
    ),
    "what holds a comment stays open": (
        """
        layers:   # from below
          - dense: {units: 64,   # hidden
                    activation: relu}
          - dense:
              # few
              units: 3
        # the end
        """,
        """
        layers:   # from below
          - dense:
              units: 64          # hidden
              activation: relu
          - dense:
              # few
              units: 3
        # the end
        """,
    ),
    "comments below a list belong to it where they stand as far in": (
        """
        network:
            layers:
                - flatten
                # - dropout: 0.5
            output: x
            # of the network
        # of the loss

        loss: mse
        """,
        """
        network:
          layers:
            - flatten
            # - dropout: 0.5
          output: x
          # of the network
        # of the loss

        loss: mse
        """,
    ),
    "blank lines are one at most, and none begins a list": (
        """
        loss: mse



        metrics:

          - accuracy

          - mae
        """,
        """
        loss: mse

        metrics:
          - accuracy

          - mae
        """,
    ),
    "texts are quoted as others are, where that hides nothing": (
        """
        vars: {a: 'x', b: 'it''s', c: "y", d: 'say "no"'}
        """,
        """
        vars: {a: "x", b: 'it''s', c: "y", d: 'say "no"'}
        """,
    ),
    "what is plain in a block is quoted in brackets if it has to be": (
        """
        layers:
          - dense:
              units: "3, 4"
              name: ???
              activation: max(x, 0)
        """,
        """
        layers:
          - dense: {units: "3, 4", name: ???, activation: "max(x, 0)"}
        """,
    ),
    "text blocks and anchors stay": (
        """
        vars:
            formula: |   # of two lines
                 a = x
                 a * a
            init: &init
                kernel: zeros
        layers:
        - dense: {units: 1, init: *init}
        """,
        """
        vars:
          formula: |     # of two lines
            a = x
            a * a
          init: &init
            kernel: zeros
        layers:
          - dense: {units: 1, init: *init}
        """,
    ),
    "a text over several lines becomes one": (
        """
        vars:
          a: one
            two
          b: "three
            four"
        """,
        """
        vars:
          a: one two
          b: "three four"
        """,
    ),
    "the mark of the document's start goes": (
        """
        ---
        loss: mse
        ...
        """,
        """
        loss: mse
        """,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_layout(case: str) -> None:
    written, expected = (textwrap.dedent(text).lstrip("\n") for text in CASES[case])
    assert laid_out(written) == expected
    assert laid_out(expected) == expected


def test_long_lists_keep_their_rows_and_long_maps_are_opened() -> None:
    row = ", ".join(["0.5"] * 20)
    text = f"vars:\n  k: [{row},\n      {row}]\n  m: {{first: [{row}], second: {{third: [1, 2], fourth: 1}}}}\n"
    found = laid_out(text)
    assert found == (
        f"vars:\n  k: [{row},\n      {row}]\n  m:\n    first: [{row}]\n    second: {{third: [1, 2], fourth: 1}}\n"
    )
    assert laid_out(found) == found


def test_an_alias_never_comes_before_its_anchor() -> None:
    text = "netspec: 1\nloss: &it mse\nvars: {a: *it}\n"
    assert laid_out(text) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [1, 2", "yaml-syntax"),
        ("a: 1\na: 2\n", "duplicate-key"),
        ("%YAML 1.2\n---\na: 1\n", "cannot-format"),
        ("a: !!map {b: 1}\n", "cannot-format"),
        ("- 1\n", None),
    ],
)
def test_what_cannot_be_laid_out_is_refused(text: str, code: str | None) -> None:
    if code is None:
        assert canonical(text, "x.yaml") == "- 1\n"
        return
    with pytest.raises(SpecError) as raised:
        canonical(text, "x.yaml")
    assert [d.code for d in raised.value.diagnostics] == [code]


def test_lines_end_in_one_way() -> None:
    assert canonical("\ufeffa: 1  # one\r\n\r\nb:\r\n- 2\r\n", "x.yaml") == "a: 1  # one\n\nb:\n  - 2\n"


# --- documents at random, in every style, with comments in every place ---

WORDS = st.sampled_from(["a", "relu", "0.5", "1e-3", "-1", "x y", "'q'", '"d, e"', "max(x)", "true", "a#b", "a:b"])
KEYS = st.sampled_from(["units", "layers", "netspec", "loss", "'k'", "data", "train"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A map in block style with comments and blank lines between and behind its lines."""
    count = 0

    def comment(indent: str = "") -> str:
        nonlocal count
        if not draw(st.integers(0, 3)):
            count += 1
            return f"{indent}# c{count}"
        return ""

    def flow(depth: int) -> str:
        if depth > 2 or draw(st.booleans()):
            return draw(WORDS)
        parts = [flow(depth + 1) for _ in range(draw(st.integers(0, 3)))]
        if draw(st.booleans()):
            parts = [f"k{i}: {part}" for i, part in enumerate(parts)]
            opening, closing = "{", "}"
        else:
            opening, closing = "[", "]"
        between = [", " if not (said := comment("  ")) else f",{said}\n        " for _ in parts[1:]]
        inside = "".join(part + (between[i] if i < len(between) else "") for i, part in enumerate(parts))
        end = f"{said}\n       " if parts and (said := comment("   ")) else ""
        return f"{opening}{inside}{end}{closing}"

    def block(indent: str, depth: int) -> list[str]:
        lines = []
        is_map = depth == 0 or draw(st.booleans())
        keys = draw(st.lists(KEYS, min_size=1, max_size=4, unique=True))
        for key in keys:
            lines += [text for text in (comment(indent + " " * draw(st.integers(0, 2))),) if text]
            lines += [""] * draw(st.integers(0, 2))
            start = f"{indent}{key}:" if is_map else f"{indent}-"
            if depth < 3 and draw(st.booleans()):
                inner = block(indent + " " * draw(st.integers(1, 4)), depth + 1)
                lines += [start + comment("  "), *inner]
            else:
                lines.append(f"{start} {flow(0)}{comment('   ')}")
        last = comment(indent)
        return [*lines, last] if last else lines

    return "\n".join(block("", 0)) + "\n"


@given(documents())
def test_any_document_keeps_its_meaning_and_its_comments(text: str) -> None:
    found = canonical(text, "x.yaml")
    assert meaning(found) == meaning(text)
    assert sorted(re.findall(r"# c\d+", found)) == sorted(re.findall(r"# c\d+", text))
    assert canonical(found, "x.yaml") == found


@given(st.text(alphabet="ab:-#[]{},'\"|> \n&*!?%\t", max_size=40))
def test_any_text_is_laid_out_or_refused(text: str) -> None:
    with suppress(SpecError):
        found = canonical(text, "x.yaml")
        assert meaning(found) == meaning(text)
        assert canonical(found, "x.yaml") == found


# --- versions ---


def rename(root: Branch) -> None:
    """The made-up step: `error` is now `loss`."""
    entry = root.entry("error")
    if entry is not None and isinstance(entry.key, Leaf):
        entry.key = Leaf("loss", "loss", 0, 0, "", in_flow=False)


STEPS = [Step(1, "`error` is called `loss`", rename), Step(2, "nothing else", lambda root: None)]


def test_a_spec_goes_through_all_steps_with_its_comments() -> None:
    text = "# A spec.\nnetspec: 1   # old\nerror: mse  # of the step\n"
    found, taken = upgraded(text, "x.yaml", STEPS, to=3)
    assert found == "# A spec.\nnetspec: 3   # old\nloss: mse   # of the step\n"
    assert [step.summary for step in taken] == [step.summary for step in STEPS]
    assert upgraded(found, "x.yaml", STEPS, to=3) == (found, ())


def test_version_1_is_the_newest() -> None:
    assert upgraded("netspec: 1\nloss: mse\n", "x.yaml") == ("netspec: 1\nloss: mse\n", ())
    assert upgraded("loss: mse\n", "x.yaml") == ("loss: mse\n", ())  # a fragment
    for version in ("0", "2"):
        with pytest.raises(NetspecError, match="this program reads version 1"):
            upgraded(f"netspec: {version}\n", "x.yaml")
