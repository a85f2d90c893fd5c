"""Formulas as they are typeset and drawn."""

from __future__ import annotations

import re

import pytest
from netspec_docs.formulas import curves, functions, latex

from netspec.catalog.activations import Activation, FormulaActivation
from netspec.compiler.formula import parse
from netspec.compiler.formula.functions import CALLABLE, SHORT

TYPESET = {
    "a - (b - c)": "a - (b - c)",
    "a - b - c": "a - b - c",
    "-(a + b)": "-(a + b)",
    "(a + b) * c": r"(a + b) \, c",
    "a / b * c": r"\frac{a}{b} \, c",
    "(a + b) ** 2": "(a + b)^{2}",
    "exp(-x)": "e^{-x}",
    "alpha * abs(x)": r"\alpha \, |x|",
    "slope * erf(x)": r"\mathit{slope} \, \operatorname{erf}(x)",
    "max(x, 0)": r"\max(x, 0)",
    "where(x >= 0, 1, -1)": r"\begin{cases} 1 & \text{if } x \ge 0 \\ -1 & \text{else} \end{cases}",
}
DRAWN = [
    kind
    for kind in Activation.kinds.values()
    if issubclass(kind, FormulaActivation) and not parse(kind.formula, ("x", *kind.parameters())).draws
]


@pytest.mark.parametrize("text", TYPESET)
def test_formula_is_typeset(text: str) -> None:
    assert latex(parse(text).output) == TYPESET[text]


@pytest.mark.parametrize("kind", DRAWN, ids=lambda kind: kind.kind)
def test_curves_stay_in_the_picture(kind: type[FormulaActivation]) -> None:
    svg = curves(kind.model_validate({}).computed())
    width, height = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    for path in re.findall(r'class="(?:value|slope)" d="([^"]*)"', svg):
        points = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)
        assert len(points) == 401
        assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points)


def test_a_step_has_no_riser() -> None:
    (value,) = re.findall(r'class="value" d="([^"]*)"', curves(parse("where(x >= 0, 1, 0)", ("x",))))
    assert value.count("M") == 2


def test_every_function_is_listed() -> None:
    assert re.findall(r"^`(\w+)\(", functions(), re.MULTILINE) == [*CALLABLE, *SHORT]
