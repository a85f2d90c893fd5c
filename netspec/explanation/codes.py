"""The codes of diagnostics, each explained in a file of `codes/`: prose, a spec that has the fault, and one mended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from netspec.diagnostics import CODES
from netspec.spec.lints import LINTS

FOLDER: Final = Path(__file__).with_name("codes")
_SPEC: Final = re.compile(r"^```yaml (bad|good)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class CodePage:
    """A code: its meaning in a sentence, prose in Markdown, and two specs where `netspec validate` can tell of it."""

    code: str
    meaning: str
    prose: str
    bad: str = ""
    good: str = ""

    @property
    def title(self) -> str:
        return f"{self.code} (diagnostic)"

    def says(self) -> str:
        """What netspec says of the bad spec; empty if there is none."""
        if not self.bad:
            return ""
        from netspec.diagnostics import in_order, render
        from netspec.spec.check import check
        from netspec.spec.linting import diagnose

        checked = check(self.bad, name="spec.yaml")
        return "\n".join(render(d, checked.report.sources) for d in in_order(diagnose(checked)))

    def facts(self) -> dict[str, Any]:
        """As `explain --json` prints it."""
        found = {"code": self.code, "meaning": self.meaning, "text": self.prose}
        return found | ({"bad": self.bad, "good": self.good, "says": self.says()} if self.bad else {})


def code_page(code: str) -> CodePage:
    """The page of a code that is in `CODES`; that of a lint stands in its own file."""
    for lint in LINTS:
        if lint.code == code:
            return CodePage(code, lint.meaning, lint.why, lint.bad, lint.good)
    text = (FOLDER / f"{code}.md").read_text(encoding="utf-8")
    specs = {found[1]: found[2] for found in _SPEC.finditer(text)}
    return CodePage(code, CODES[code], _SPEC.sub("", text).strip(), specs.get("bad", ""), specs.get("good", ""))
