"""A spec written out again as YAML: includes, overrides and ``${}`` are gone, and it trains to the same bits."""

from __future__ import annotations

import yaml

from netspec.spec.document import Document
from netspec.spec.tree import plain


def resolved(document: Document) -> str:
    """The text of ``document`` as one file; reading it gives an equal network."""
    data = plain(document.tree)
    data.pop("include", None)
    return yaml.safe_dump({"netspec": data.pop("netspec"), "name": document.name, **data}, sort_keys=False)
