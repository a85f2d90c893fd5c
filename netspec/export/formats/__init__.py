"""The formats of export; one import line here adds a format."""

from netspec.export.format import FORMATS
from netspec.export.formats import numpy, safetensors

__all__ = ["FORMATS", "numpy", "safetensors"]
