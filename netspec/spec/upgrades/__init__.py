"""Steps from one version of the language to the next, a file each, which keep the comments of a spec.

Version 1 is the first, so there is none yet. A step of version N is a file `from_N.py` with a `Step`, named in `STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from netspec.diagnostics import Diagnostic, NetspecError
from netspec.spec.document import VERSION
from netspec.spec.layout.canonical import canonical, parsed
from netspec.spec.layout.printing import printed
from netspec.spec.layout.written import Branch, Leaf


@dataclass(frozen=True)
class Step:
    """From version ``version`` to the one after it; ``apply`` changes a spec as it is written, in place."""

    version: int
    summary: str
    apply: Callable[[Branch], None]


STEPS: Final[Sequence[Step]] = ()


def version_of(root: Branch) -> int | None:
    """The version that a file says it is written in; None where it says none, as a fragment does."""
    entry = root.entry("netspec")
    if entry is None or not isinstance(entry.value, Leaf) or not entry.value.value.isdecimal():
        return None
    return int(entry.value.value)


def upgraded(text: str, file: str, steps: Sequence[Step] = STEPS, to: int = VERSION) -> tuple[str, tuple[Step, ...]]:
    """A spec in version ``to`` of the language and the canonical layout, and the steps that led there.

    Raises:
        SpecError: if it is no YAML, or cannot be laid out.
        NetspecError: if it is of a later version, or of one that no step leads on from.
    """
    text = canonical(text, file)
    root = parsed(text)
    version = version_of(root)
    if version is None or version == to:
        return text, ()
    known = {step.version: step for step in steps}
    taken = []
    for number in range(version, to):
        if number not in known:
            raise _no_way(file, version, to)
        known[number].apply(root)
        taken.append(known[number])
    if version > to:
        raise _no_way(file, version, to)
    entry = root.entry("netspec")
    assert entry is not None
    assert isinstance(entry.value, Leaf)
    entry.value = replace(entry.value, text=str(to), value=str(to))
    return canonical(printed(root), file), tuple(taken)


def _no_way(file: str, version: int, to: int) -> NetspecError:
    message = f"{file}: it is written in version {version} of the language, and this program reads version {to}"
    helps = ("a later netspec may read it",) if version > to else ("there is no such version",)
    return NetspecError(Diagnostic("version", message, helps=helps))
