"""The XML of JUnit, which CI systems show as tests: a test for each spec or expectation.

There are two schemas of it that tools hold files to, Jenkins' and Ant's, and what is written is valid by both: a test
has at most one failure, which holds all that was found, and a suite has every attribute that Ant's asks for.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from netspec import __version__
from netspec.cli.findings import Case, Results
from netspec.cli.formats import text
from netspec.cli.formats.format import Format

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(results: Results) -> str:
    """A document with one suite."""
    suites = ET.Element("testsuites")
    spent = sum(case.seconds for case in results.cases)
    about = {
        "id": "0",
        "package": "netspec",
        "name": f"netspec {results.command} {results.subject}".rstrip(),
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "hostname": "localhost",
        "tests": str(len(results.cases)),
        "failures": str(results.failed),
        "errors": "0",
        "time": f"{spent:.3f}",
    }
    suite = ET.SubElement(suites, "testsuite", about)
    ET.SubElement(ET.SubElement(suite, "properties"), "property", {"name": "netspec", "value": __version__})
    for case in results.cases:
        _test(suite, case, results)
    said = [line for case in results.cases for line in _remarks(case, results)]
    ET.SubElement(suite, "system-out").text = _clean("\n".join([*said, text.totals(results)]))
    ET.SubElement(suite, "system-err")
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _test(suite: ET.Element, case: Case, results: Results) -> None:
    about = {"name": _clean(case.name), "classname": f"netspec.{results.command}", "time": f"{case.seconds:.3f}"}
    test = ET.SubElement(suite, "testcase", about)
    if results.fails(case):
        first = next((found for found in case.findings if found.is_error), case.findings[0]).diagnostic
        more = len(case.findings) - 1
        message = first.message + (f" (and {more} more)" if more else "")
        failure = ET.SubElement(test, "failure", {"type": first.code, "message": _clean(message)})
        failure.text = _clean(text.diagnostics(case))


def _remarks(case: Case, results: Results) -> list[str]:
    """What is to be said of a case besides that it failed."""
    said = [f"{case.name}: {remark}" for remark in case.remarks]
    return said if results.fails(case) else [*said, *text.diagnostics(case).splitlines()]


def _clean(content: str) -> str:
    """Text without the characters that XML has no way to write."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", content)


FORMAT = Format(write, (".xml",))
