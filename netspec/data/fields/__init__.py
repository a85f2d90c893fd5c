"""The fields that a spec can make of columns; the import is the registration."""

from netspec.data.fields import category, image, number

__all__ = ["category", "image", "number"]
