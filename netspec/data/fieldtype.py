"""What is known of a field of data: its kind, the shape of one sample, how it is stored, its classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from netspec.tensortype import Dim, DType, Size, show_shape, size

FieldKind: TypeAlias = Literal["number", "category", "index", "image", "text", "word", "character"]


@dataclass(frozen=True)
class FieldType:
    """The type of a field: ``image [28, 28, 1] as uint8``.

    ``number``: float32; ``image``: height, width, channels, stored as uint8 (0 to ``top``) or as float32 (0 to 1);
    ``category``: an index into ``classes``; ``index``: an integer below ``size``, of tokens with their vocabulary as
    ``classes``. ``text``, ``word`` and ``character`` are of a source, and no network can read them before a field makes
    something of them: whole strings, and strings that are cut into tokens already.

    An axis whose length differs from sample to sample is a size that is a single symbol: ``index [T]``.
    """

    kind: FieldKind
    shape: tuple[Dim, ...] | None
    """Of one sample; None until the data are opened."""
    dtype: DType | None
    """How it is stored and enters the graph; None for text, and where only the data can tell."""
    classes: tuple[str, ...] | None = None
    """The names of a category's classes; None until the data are opened."""
    top: int = 255
    """The value of a full pixel in a uint8 image, which the network sees as 1."""
    count: int | None = None
    """How many values an index can take, where the source or the spec says so; classes may be fewer."""
    vocabulary: str | None = None
    """Of an index: the field whose vocabulary it shares."""
    scheme: str | None = None
    """Of tags of named stretches: how they are written."""

    @property
    def size(self) -> int | None:
        """How many classes or values there are, where that is known: ``${data.FIELD.size}``."""
        if self.count is not None:
            return self.count
        return None if self.classes is None else len(self.classes)

    @property
    def is_raw(self) -> bool:
        """Whether no network can read it before a field makes something of it."""
        return self.kind in ("text", "word", "character")

    @property
    def lengths(self) -> tuple[str, ...]:
        """The symbols of its axes whose length differs from sample to sample."""
        return tuple(str(n) for n in self.shape or () if isinstance(n, Size))

    def extent(self, name: str) -> Dim:
        """``${data.FIELD.size}`` of the field ``name``: a number, or the symbol that stands for it without the data."""
        return size(f"|{self.vocabulary or name}|") if self.size is None else self.size

    def __str__(self) -> str:
        shape = "" if self.shape is None else f" {show_shape(self.shape)}"
        size = "" if self.size is None else f" of {self.size}"
        return f"{self.kind}{shape}{size}"


def number(*shape: Dim) -> FieldType:
    """Real numbers, stored as float32."""
    return FieldType("number", shape, "float32")


def category(classes: tuple[str, ...] | None) -> FieldType:
    """One class a sample, stored as its index: uint8 where that is wide enough, else int32."""
    if classes is None:
        return FieldType("category", (), None)
    return FieldType("category", (), "uint8" if len(classes) <= 256 else "int32", classes)


def image(height: Dim, width: Dim, channels: Dim, top: int = 255) -> FieldType:
    """Pixels, stored as uint8."""
    return FieldType("image", (height, width, channels), "uint8", top=top)


TEXT = FieldType("text", (), None)


def numbered_classes(count: int) -> tuple[str, ...]:
    """Classes that have no other name than their index."""
    return tuple(str(i) for i in range(count))


def type_to_json(field_type: FieldType) -> dict[str, Any]:
    """A type as JSON, once the data are open and every size is a number, or the symbol of a length."""
    shape = None if field_type.shape is None else [str(n) if isinstance(n, Size) else n for n in field_type.shape]
    return {
        **vars(field_type),
        "shape": shape,
        "classes": None if field_type.classes is None else list(field_type.classes),
    }


def type_from_json(data: Mapping[str, Any]) -> FieldType:
    """The inverse of `type_to_json`."""
    classes = None if data["classes"] is None else tuple(data["classes"])
    shape = None if data["shape"] is None else tuple(size(n) if isinstance(n, str) else n for n in data["shape"])
    return FieldType(**{**data, "classes": classes, "shape": shape})


def stored_dtype(type_: FieldType) -> DType:
    """How a field lies in memory."""
    return type_.dtype or ("int32" if type_.kind in ("category", "index") else "float32")
