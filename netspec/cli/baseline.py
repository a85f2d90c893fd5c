"""Findings that are accepted as they are today, kept in a file, so that a check fails on new ones alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from netspec.cli.findings import Results
from netspec.diagnostics import ChoiceError, Diagnostic

_VERSION: Final = 1


def read(path: Path) -> dict[str, str | None]:
    """The fingerprints that a file holds which `write` wrote, each with the file of its finding.

    Raises:
        ChoiceError: if it is none.
    """
    try:
        facts = json.loads(path.read_text("utf-8"))
        if not isinstance(facts, dict):
            raise ValueError("it holds no JSON object")
        if facts["version"] != _VERSION:
            raise ValueError(f"its version is {facts['version']!r}, and this program reads version {_VERSION}")
        return {str(accepted["fingerprint"]): accepted["file"] for accepted in facts["accepted"]}
    except (ValueError, LookupError, TypeError, RecursionError) as fault:
        message = f"`{path}` is no baseline: {fault}" if str(fault) else f"`{path}` is no baseline"
        helps = ("remove it, and `--baseline` writes it anew with the findings there are then",)
        raise ChoiceError(Diagnostic("damaged-file", message, helps=helps)) from None


def write(path: Path, results: Results) -> int:
    """Accept all findings there are; how many. Code, file and line are there for those who read the file."""
    from netspec.runs.files import disk_faults

    accepted = [
        {
            "fingerprint": found.fingerprint,
            "code": found.diagnostic.code,
            "file": results.path(found.diagnostic.span.file) if found.diagnostic.span else None,
            "text": found.line.strip(),
        }
        for found in results.findings()
    ]
    text = json.dumps({"version": _VERSION, "accepted": accepted}, indent=1) + "\n"
    with disk_faults("write", path, "with --baseline"):
        path.write_text(text, encoding="utf-8", newline="\n")
    return len(accepted)


def refuse_in_ci(path: Path) -> None:
    """Write no new file in CI: it would accept whatever is wrong, in every run anew.

    Raises:
        ChoiceError: if this is CI, as the variable ``CI`` says there.
    """
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        return
    message = f"there is no baseline `{path}`, and CI does not write one"
    helps = ("run the same command on your machine, and commit the file that it writes",)
    raise ChoiceError(Diagnostic("missing-file", message, helps=helps))


def accept(results: Results, accepted: Mapping[str, str | None]) -> tuple[Results, int]:
    """The results without what is accepted, and how many accepted findings of these specs are not there any more."""
    specs = {results.path(case.name) for case in results.cases}
    expected = {fingerprint for fingerprint, file in accepted.items() if file in specs}
    there = {found.fingerprint for found in results.findings()}
    cases = (case.without("in the baseline", lambda found: found.fingerprint in accepted) for case in results.cases)
    return results._replace(cases=tuple(cases)), len(expected - there)
