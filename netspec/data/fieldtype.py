"""What is known of a field of data: its kind, the shape of one sample, how it is stored, its classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from netspec.tensortype import Dim, DType, known, show_shape

FieldKind: TypeAlias = Literal["number", "category", "index", "image", "text"]


@dataclass(frozen=True)
class FieldType:
    """The type of a field: ``image [28, 28, 1] as uint8``.

    ``number``: float32; ``image``: height, width, channels, stored as uint8 (0 to ``top``) or as float32 (0 to 1);
    ``category``: an index into ``classes``; ``index``: an integer below ``size``; ``text``: strings of a source, which
    no network can read before a field makes something of them.
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
    """How many values an index can take, where the source says so."""

    @property
    def size(self) -> int | None:
        """How many classes or values there are, where that is known: ``${data.FIELD.size}``."""
        return self.count if self.classes is None else len(self.classes)

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
    """A type as JSON, once the data are open and every size is a number."""
    shape = None if field_type.shape is None else [known(n) for n in field_type.shape]
    return {
        **vars(field_type),
        "shape": shape,
        "classes": None if field_type.classes is None else list(field_type.classes),
    }


def type_from_json(data: Mapping[str, Any]) -> FieldType:
    """The inverse of `type_to_json`."""
    tuples = {name: None if data[name] is None else tuple(data[name]) for name in ("shape", "classes")}
    return FieldType(**{**data, **tuples})
