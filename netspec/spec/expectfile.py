"""A file with expectations of a spec that stand outside of it, as those of a teacher do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from netspec.diagnostics import Report, Span
from netspec.spec.binding import Binding
from netspec.spec.expectations import KEYS as EXPECTED
from netspec.spec.expectations import Expect, read_expect
from netspec.spec.include import read_file
from netspec.spec.network import Network
from netspec.spec.validation import Place, unknown_key

KEYS: Final = ("netspec", "requires", "expect")


def read_expect_file(path: Path, metrics: tuple[Binding, ...], network: Network) -> tuple[Expect, Mapping[str, str]]:
    """What the `expect` of a file says, and the text of the files that were read for it.

    Args:
        path: A file whose keys are ``expect`` and, if it likes, ``netspec`` and ``requires``.
        metrics: Those of the spec that it is about.
        network: The network of that spec.

    Raises:
        SpecError: with every fault.
    """
    report = Report()
    root = read_file(path, report)
    report.raise_if_failed()
    assert root is not None
    inside = {key: f"it belongs under `expect`: `expect: {{{key}: ...}}`" for key in EXPECTED}
    place = Place("a file of expectations", Span(str(path), 1, 1, 1, 1), inside)
    for key, entry in root.entries.items():
        if key not in KEYS:
            unknown_key(key, entry.key_span, list(KEYS), place, report)
    if "expect" not in root.entries and not report.failed:
        helps = ['as in `expect: {test: {accuracy: ">= 0.9"}}`']
        report.error("missing-key", "a file of expectations needs `expect`", root.span, helps=helps)
    found = read_expect(root.get("expect"), metrics, network, report)
    report.raise_if_failed()
    return found, report.sources
