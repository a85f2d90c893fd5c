"""The kinds of layers; the name of a file here adds its kinds."""

from netspec.catalog.layers.activate import Activate
from netspec.catalog.layers.layer import Built, Layer

__all__ = ["Activate", "Built", "Layer"]

Layer.kinds.lie_in(
    __name__,
    "activate",
    "adaptive_pool",
    "affine",
    "batch_norm",
    "conv",
    "conv_transpose",
    "dense",
    "depthwise",
    "dropout",
    "global_pool",
    "layer_norm",
    "local",
    "lrn",
    "maxout",
    "merge",
    "pad",
    "pixel_shuffle",
    "pool",
    "rbf",
    "reshape",
    "stochastic",
    "upsample",
)
