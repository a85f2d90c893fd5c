"""What a word means: the pages of a code or kind, and the index of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from netspec.diagnostics import CODES, ChoiceError, Diagnostic, suggestion
from netspec.explanation.codes import CodePage, code_page
from netspec.explanation.kinds import KindPage, all_kinds, kind_page

Page: TypeAlias = CodePage | KindPage


def pages(word: str) -> list[Page]:
    """What ``word`` is called: a code, or a kind, which several families may have; `FAMILY.KIND` says which.

    Raises:
        ChoiceError: if it is neither, with the nearest there is.
    """
    if word in CODES:
        return [code_page(word)]
    family, _, name = word.rpartition(".")
    found = [kind_page(of, kind) for of, kind in all_kinds() if kind.kind == name and family in ("", of.name)]
    if found:
        return list(found)
    names = [*CODES, *(kind.kind for _, kind in all_kinds())]
    near = suggestion(name.replace(" ", "_"), names) or suggestion(name.replace("_", "-"), names)
    helps = (f"did you mean `netspec explain {near}`?",) if near else ("`netspec explain` lists all that it knows",)
    raise ChoiceError(Diagnostic("unknown-word", f"there is no code and no kind `{word}`", helps=helps))


def index() -> Mapping[str, Sequence[str]]:
    """All words, by what they are: the families of kinds, then the codes."""
    found: dict[str, list[str]] = {}
    for family, kind in all_kinds():
        found.setdefault(family.name, []).append(kind.kind)
    return {**found, "diagnostic": sorted(CODES)}
