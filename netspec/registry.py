"""Things by name, each in a file of its own that is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from importlib.abc import InspectLoader

Thing = TypeVar("Thing")


class Registry(Mapping[str, Thing], Generic[Thing]):
    """The things of a family by name. A file of the family's package is imported when one of its things is asked for.

    Files are searched for the quoted name, which every file has to hold literally: a spec names a dozen kinds, and to
    import all hundred would double what `netspec validate` takes. Without sources all files are imported.
    """

    def __init__(self, family: str) -> None:
        self._family = family
        self._found: dict[str, Thing] = {}
        self._waiting: dict[str, str | None] = {}  # the text of each file that is not imported
        self._absent: set[str] = set()  # names that were asked for in vain: blocks are layers too, 10,000 times

    def lie_in(self, package: str, *files: str) -> None:
        """Name the files of ``package`` that hold the things; one of them is one word here."""
        self._waiting |= dict.fromkeys(f"{package}.{file}" for file in files)

    def join(self, name: str, thing: Thing) -> None:
        """Let a thing be found.

        Raises:
            TypeError: if another one has its name.
        """
        self._absent.discard(name)
        known = self._found.setdefault(name, thing)
        if known is not thing:
            raise TypeError(f"two of {self._family} are called `{name}`: {known} and {thing}")

    def __getitem__(self, name: str) -> Thing:
        if name not in self._found and name not in self._absent:
            self._absent.add(name)
            self._import([file for file in self._waiting if f'"{name}"' in self._text(file)])
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        self._import(list(self._waiting))
        return iter(sorted(self._found))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _import(self, files: list[str]) -> None:
        for file in files:
            import_module(file)
            self._waiting.pop(file, None)

    def _text(self, file: str) -> str:
        known = self._waiting[file]
        if known is None:
            spec = find_spec(file)
            loader = cast("InspectLoader | None", spec and spec.loader)
            known = (loader and loader.get_source(file)) or ""
            self._waiting[file] = known
        return known
