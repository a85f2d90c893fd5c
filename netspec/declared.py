"""The base of everything a spec can name: a strict model that registers itself under its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Strict

if TYPE_CHECKING:
    from importlib.abc import InspectLoader

_T = TypeVar("_T")

Items = Annotated[tuple[_T, ...], Strict(False)]
"""A list in a spec: frozen as a tuple, its items as strict as any."""


class Kinds(Mapping[str, "type[Declared]"]):
    """The kinds of a family by name. A file of the family's package is imported when one of its kinds is asked for.

    Files are searched for the quoted name, which every file has to hold literally: a spec names a dozen kinds, and to
    import all hundred would double what `netspec validate` takes. Without sources all files are imported.
    """

    def __init__(self) -> None:
        self._found: dict[str, type[Declared]] = {}
        self._waiting: dict[str, str | None] = {}  # the text of each file that is not imported
        self._absent: set[str] = set()  # names that were asked for in vain: blocks are layers too, 10,000 times

    def lie_in(self, package: str, *files: str) -> None:
        """Name the files of ``package`` that hold the kinds; one of them is one word here."""
        self._waiting |= dict.fromkeys(f"{package}.{file}" for file in files)

    def join(self, kind: type[Declared]) -> None:
        """Let a kind be found.

        Raises:
            TypeError: if another one has its name.
        """
        self._absent.discard(kind.kind)
        known = self._found.setdefault(kind.kind, kind)
        if known is not kind:
            raise TypeError(f"two kinds of {kind.family} are called `{kind.kind}`: {known} and {kind}")

    def __getitem__(self, name: str) -> type[Declared]:
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


class Declared(BaseModel):
    """A kind that specs can choose, with its fields; its docstring and field descriptions are its documentation.

    A direct subclass opens a family (``class Layer(Declared, family="layer")``); a subclass of a family that sets
    ``kind`` joins it: that, and the name of its file in the family's package, is all of its registration. The main
    field, which a spec may give as a bare scalar or list, carries ``json_schema_extra={"main": True}``.

    Strict and closed, because lax models take "no" for False, drop unknown keys and let NaN through. Built on first
    use: building every model at import would cost each command 60 ms.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    family: ClassVar[str]
    kind: ClassVar[str]
    kinds: ClassVar[Kinds]

    def __init_subclass__(cls, family: str | None = None, **rest: Any) -> None:
        # `object` takes no arguments; pydantic hands ``family`` on to the method below.
        super().__init_subclass__(**rest)

    @classmethod
    def __pydantic_init_subclass__(cls, family: str | None = None, **_: Any) -> None:
        if family is not None:
            cls.family, cls.kinds = family, Kinds()
        elif "kind" in vars(cls):
            cls.kinds.join(cls)

    @classmethod
    def main_field(cls) -> str | None:
        """The field that a bare scalar or list fills, if there is one."""
        for name, field in cls.model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("main"):
                return field.alias or name
        return None
