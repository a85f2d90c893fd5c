"""The base of everything a spec can name: a strict model that registers itself under its kind."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Strict

from netspec.registry import Registry

_T = TypeVar("_T")

Items = Annotated[tuple[_T, ...], Strict(False)]
"""A list in a spec: frozen as a tuple, its items as strict as any."""


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
    kinds: ClassVar[Registry[type[Declared]]]

    def __init_subclass__(cls, family: str | None = None, **rest: Any) -> None:
        # `object` takes no arguments; pydantic hands ``family`` on to the method below.
        super().__init_subclass__(**rest)

    @classmethod
    def __pydantic_init_subclass__(cls, family: str | None = None, **_: Any) -> None:
        if family is not None:
            cls.family, cls.kinds = family, Registry(f"the kinds of {family}")
        elif "kind" in vars(cls):
            cls.kinds.join(cls.kind, cls)

    @classmethod
    def main_field(cls) -> str | None:
        """The field that a bare scalar or list fills, if there is one."""
        for name, field in cls.model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("main"):
                return field.alias or name
        return None
