"""The types of fields that kinds share, strict but in the words of a spec.

A refusal is a `PydanticCustomError` of type ``field`` whose message is meant for the user as it stands.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from netspec.tensortype import Dim, Size

LARGEST: Final = 2**31 - 1
"""Of a whole number of a layer. No axis has more positions; sizes and steps in bytes stay far within 64 bits."""

_MOST_WRITTEN: Final = 60
"""Characters of a value, in a message."""


def refusal(message: str) -> PydanticCustomError:
    """The error that a validator raises; braces in ``message`` stay as they are."""
    return PydanticCustomError("field", "{message}", {"message": message})


def _written(value: Any) -> str:
    """A value as a spec writes it, in short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        text = f"[{', '.join(_written(item) for item in value[:_MOST_WRITTEN])}]"
    else:
        text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MOST_WRITTEN else text[: _MOST_WRITTEN - 3] + "..."


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether it is a whole number from ``least`` to `LARGEST`."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST


def not_whole(expected: str, value: Any) -> PydanticCustomError:
    """The refusal of what should have been whole numbers; it tells of `LARGEST` where that is what is wrong."""
    given = value if isinstance(value, list | tuple) else (value,)
    numbers = [n for item in given for n in (item if isinstance(item, list | tuple) else (item,))]
    if any(isinstance(n, int) and n > LARGEST for n in numbers):
        return refusal(f"expected at most {LARGEST:,}, got {_written(value)}")
    return refusal(f"expected {expected}, got {_written(value)}")


def _count(value: Any) -> Dim:
    if isinstance(value, Size) or is_whole(value, 1):
        return value  # type: ignore[no-any-return]  # both sides of `or` make it a size
    raise not_whole("a whole number above 0", value)


def _counts(value: Any) -> tuple[Dim, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise refusal(f"expected a list of whole numbers above 0, got {_written(value)}")
    return tuple(_count(item) for item in value)


def pair(value: Any) -> Any:
    """Two of a number that stands for both."""
    return (value, value) if isinstance(value, int | float) else tuple(value) if isinstance(value, list) else value


Count: TypeAlias = Annotated[int | Size, PlainValidator(_count), WithJsonSchema({"type": "integer", "minimum": 1})]
"""A size that a layer makes: a number above 0, or a size that the data will tell, such as a number of classes."""

Counts: TypeAlias = Annotated[
    tuple[int | Size, ...],
    PlainValidator(_counts),
    WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}),
]
"""A shape."""

Positive: TypeAlias = Annotated[int, Field(gt=0, le=LARGEST)]
"""A whole number above 0."""

Pair: TypeAlias = Annotated[
    tuple[Positive, Positive],
    BeforeValidator(pair, json_schema_input_type=Positive | tuple[Positive, Positive]),
]
"""Two whole numbers above 0; one stands for both."""

Probability: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
"""A share that is not all: at least 0, below 1."""

NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
AboveZero: TypeAlias = Annotated[float, Field(gt=0)]


def nested(value: Any, depth: int = 0) -> Any:
    """Lists of numbers, of any depth and rectangular, as tuples."""
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    if not isinstance(value, list | tuple) or not value or depth > 8:
        raise refusal(f"expected numbers, or lists of them, got {_written(value)}")
    items = tuple(nested(item, depth + 1) for item in value)
    if any(shape_of(item) != shape_of(items[0]) for item in items):
        raise refusal("lists side by side must have the same length")
    return items


def shape_of(values: Any) -> tuple[int, ...]:
    """The shape of nested tuples."""
    return (len(values), *shape_of(values[0])) if isinstance(values, tuple) else ()


Numbers: TypeAlias = Annotated[Any, PlainValidator(nested), WithJsonSchema({"type": ["number", "array"]})]
"""A number, or numbers in rectangular lists."""

Per: TypeAlias = Literal["channel", "position", "element"]
