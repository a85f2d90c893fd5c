"""`requires`: the versions of netspec that a spec, or a file that is included, is made for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from netspec import __version__
from netspec.diagnostics import Report
from netspec.spec.tree import Map, Scalar, describe, is_broken

_Version = tuple[int, ...]

_SIGNS: Final[Mapping[str, Callable[[_Version, _Version], bool]]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}
_PART: Final = re.compile(rf"\s*({'|'.join(_SIGNS)})\s*([0-9]{{1,6}}(?:\.[0-9]{{1,6}}){{0,3}})\s*")


def check_requires(root: Map, report: Report, version: str = __version__) -> None:
    """Hold what one file asks of netspec to the ``version`` that reads it; several conditions stand with commas."""
    node = root.get("requires")
    if node is None or is_broken(node):
        return
    text = node.value if isinstance(node, Scalar) else None
    parts = [_PART.fullmatch(part) for part in text.split(",")] if isinstance(text, str) else [None]
    if not all(parts):
        helps = ['write it as in `requires: ">=1.2"` or `">=1.2, <2"`']
        report.error("wrong-type", f"`requires` takes versions, got {describe(node)}", node.span, helps=helps)
        return
    if all(_SIGNS[part[1]](_numbers(version), _numbers(part[2])) for part in parts if part):
        return
    message = f"this is netspec {version}, and the spec requires {text}"
    notes = ["what else is found may come of that"]
    helps = [f"`pip install 'netspec{text}'`", "or change `requires`, if the spec is sound without it"]
    report.error("unmet-requirement", message, node.span, notes=notes, helps=helps)


def _numbers(version: str) -> _Version:
    """Of `1.2.0.dev3` 1, 2 and 0, and as many zeros as it takes to compare versions of any length."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", version)
    numbers = [int(number) for number in found[0].split(".")] if found else []
    return tuple([*numbers, 0, 0, 0, 0][:4])
