"""The fields that a spec can make of columns; the import is the registration."""

from netspec.data.fields import category, date, image, number, one_hot

__all__ = ["category", "date", "image", "number", "one_hot"]
