"""The fields that a spec can make of columns; the name of a file here adds its fields."""

from netspec.data.field import Field

Field.kinds.lie_in(__name__, "category", "date", "image", "number", "one_hot", "shift", "tokens")
