"""The language of specs as a JSON Schema, for editors.

It is made of the kinds and sections by `netspec.schema.document` and shipped as a file, since building every model
takes a second: `python -m netspec.schema` writes it anew, and a test holds that it is up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("netspec.schema.json")


def text() -> str:
    """The schema as it is shipped."""
    return FILE.read_text(encoding="utf-8")
