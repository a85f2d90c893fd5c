"""`python -m netspec.schema`: write the shipped schema anew, after a kind or a section has changed."""

from __future__ import annotations

from netspec.schema import FILE
from netspec.schema.document import rendered

FILE.write_text(rendered(), encoding="utf-8", newline="\n")
