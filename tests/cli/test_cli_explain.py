"""`netspec explain`: codes and kinds in words, as text of a terminal's width and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from click.testing import Result

from netspec.cli import streams
from netspec.diagnostics import CODES
from netspec.explanation.kinds import all_kinds
from netspec.explanation.lookup import index
from netspec.explanation.plain import formula, plain

Run = Callable[..., Result]


def test_a_code_is_explained_with_both_specs(run: Run) -> None:
    text = run("explain", "shape-mismatch").stdout
    assert text.startswith("shape-mismatch (diagnostic)\n\nShapes do not fit together: ")
    assert "  spec.yaml:6:7: error[shape-mismatch]: `dense` acts on the last axis" in text
    wrong, right = text.split("right:\n")
    assert "- flatten\n" not in wrong.split("what netspec says of it:")[0]
    assert "- flatten\n" in right


def test_a_code_without_a_spec_has_prose_alone(run: Run) -> None:
    text = run("explain", "disk-full").stdout
    assert "NETSPEC_RUNS" in text
    assert "wrong:" not in text


def test_a_kind_is_explained_from_its_file(run: Run) -> None:
    text = run("explain", "adam").stdout
    assert text.startswith("adam (optimizer)\n\np ← p - η m̂ / (√v̂ + ε) with corrected running means")
    assert "  lr            a number at least 0, by default 0.001, the main field. Learning rate.\n" in text
    assert "example:\n\n  optimizer: {adam: 0.001}\n" in text
    assert "reference: Kingma & Ba 2015" in text


def test_a_name_of_several_families_is_explained_for_each(run: Run) -> None:
    assert [line for line in run("explain", "mae").stdout.splitlines() if line.startswith("mae (")] == [
        "mae (loss)",
        "mae (metric)",
    ]
    assert "mae (loss)" not in run("explain", "metric.mae").stdout


@pytest.mark.parametrize(
    ("word", "near"), [("shape_mismatch", "shape-mismatch"), ("lstn", "lstm"), ("cross entropy", "cross_entropy")]
)
def test_a_near_miss_gets_an_answer(run: Run, word: str, near: str) -> None:
    done = run("explain", word)
    assert done.exit_code == 2
    assert f"did you mean `netspec explain {near}`?" in done.stderr


def test_alone_it_lists_everything(run: Run) -> None:
    text = run("explain").stdout
    for name, words in index().items():
        assert f"{name} " in text
        assert all(word in text for word in words)
    listed = json.loads(run("explain", "--json").stdout)["words"]
    assert set(listed["diagnostic"]) == set(CODES)
    assert sum(map(len, listed.values())) == len(CODES) + len(all_kinds())


def test_every_word_is_explained_within_the_width(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "width_of", lambda stream: 80 if stream is sys.stdout else None)
    for name, words in index().items():
        for word in words:
            if name == "diagnostic" and word not in ("yaml-syntax", "no-header"):
                continue
            prose = run("explain", word if name == "diagnostic" else f"{name}.{word}").stdout.split("\nexample:")[0]
            assert f"{word} ({name})" in prose
            assert "\\" not in prose or word == "csv", "LaTeX that no terminal shows"
            if name != "diagnostic":
                assert max(map(len, prose.splitlines())) <= 80


def test_json_holds_what_the_text_says(run: Run) -> None:
    (code,) = json.loads(run("explain", "dead-layer", "--json").stdout)["explained"]
    assert code.keys() == {"code", "meaning", "text", "bad", "good", "says"}
    (kind,) = json.loads(run("explain", "dropout", "--json").stdout)["explained"]
    assert kind["fields"][0]["name"] == "rate"
    assert kind["fields"][0]["main"]
    assert kind["reference"].startswith("Srivastava")


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"p \leftarrow p - \eta\, \hat m", "p ← p - η m̂"),
        (r"\frac1K \sum_k (y_k - t_k)^2", "1/K Σₖ (yₖ - tₖ)²"),
        (r"\sqrt{\frac{a + b}{2n}}", "√((a + b)/(2n))"),
        (r"x_{i+1}^\top", "xᵢ₊₁ᵀ"),
        (r"e^{x_k} \le \mathrm{max}(Q)", "e^(xₖ) ≤ max(Q)"),
    ],
)
def test_formulas_are_written_in_signs(latex: str, text: str) -> None:
    assert formula(latex) == text


def test_markdown_loses_its_marks() -> None:
    assert plain("See ``x`` and [the page](a.md#b): $a_1$.") == "See `x` and the page: a₁."
