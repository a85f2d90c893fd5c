"""What holds of every text that is read as a spec, be it one or not: what fuzzing looks for an exception to."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import Final

from netspec.diagnostics import Report, in_order, lines_of, render
from netspec.spec.check import check
from netspec.spec.linting import diagnose
from netspec.spec.yaml import read_bytes

ROOT: Final = Path(__file__).parents[2]
SEEDS: Final = sorted(
    path for folder in ("specs", "tests/spec/language", "tests/specs/err") for path in (ROOT / folder).rglob("*.yaml")
)
"""Valid specs and bad ones."""
SECONDS = 2.0
"""No text may take longer."""

_TOKEN: Final = re.compile(r"\$\{[^{}\n]*\}|\w+|\s+|[^\w\s]")
# What is put in the place of a piece: what breaks readers, what breaks arithmetic, and what specs are made of.
_PIECES: Final = (
    "", " ", "\n", "\t", "[", "]", "{", "}", ":", "- ", "#", "&a ", "*a", "!x ", "null", "~", "true", "???", "${a}",
    "${", "$${", "0", "-1", "1e999", ".nan", "9223372036854775807", "9223372036854775808", "1e-3", "0.5", "[]", "{}",
    "''", '"', "'", "|\n", ">\n", "\u2028", "\ufeff", "\x00", "\ud7ff", "input", "layers", "dense", "repeat", "from",
    "share", "init", "units", "lint: {ignore: [no-seed]}\n", "vars", "blocks", "${data.x.size}", "x", "10000",
    "1000000", "2 ** 62",
)  # fmt: skip


def hold(data: bytes) -> None:
    """Read ``data`` as a spec, and check it; whatever it is, every fault has a place, and it is soon told.

    Raises:
        AssertionError: if a fault has no place in its file, or telling it took too long.
    """
    begun = time.process_time()
    report = Report()
    node = read_bytes(data, "spec.yaml", report)
    assert node is not None or report.failed
    _hold_places(report)
    if node is not None:
        checked = check(data.decode("utf-8"))
        found = diagnose(checked)
        checked.report.diagnostics = in_order([*checked.report.diagnostics, *found])
        assert checked.document is not None or checked.report.failed
        _hold_places(checked.report)
    seconds = time.process_time() - begun
    assert seconds < SECONDS, f"{seconds:.1f} seconds"


def _hold_places(report: Report) -> None:
    for d in report.diagnostics:
        assert d.span is not None, d
        lines = lines_of(report.sources[d.span.file])
        assert 1 <= d.span.line <= len(lines), d
        assert 1 <= d.span.column <= len(lines[d.span.line - 1]) + 1, d
        assert render(d, report.sources)


def mutated(text: str, seed: int) -> str:
    """``text`` with one to four of its pieces cut, doubled, swapped, replaced or indented."""
    draw = random.Random(seed)
    tokens = _TOKEN.findall(text) or [""]
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(tokens))
        other = draw.randrange(len(tokens))
        match draw.randrange(6):
            case 0:
                del tokens[at : at + draw.randint(1, 5)]
                tokens = tokens or [""]
            case 1:
                tokens[at:at] = tokens[other : other + draw.randint(1, 20)]
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens.insert(at, draw.choice(_PIECES))
            case 4:
                tokens[at] = draw.choice(_PIECES)
            case _:
                tokens[at] = tokens[at] + "\n" + " " * draw.randint(0, 12)
    return "".join(tokens)
