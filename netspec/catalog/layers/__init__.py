"""The kinds of layers; one import line here adds a kind."""

from netspec.catalog.layers import activate, affine, dense, dropout, maxout, merge, reshape
from netspec.catalog.layers.activate import Activate
from netspec.catalog.layers.layer import Built, Layer

__all__ = ["Activate", "Built", "Layer", "activate", "affine", "dense", "dropout", "maxout", "merge", "reshape"]
