"""The kinds of layers; the name of a file here adds its kinds."""

from netspec.catalog.layers.activate import Activate
from netspec.catalog.layers.layer import Built, Layer

__all__ = ["Activate", "Built", "Layer"]

Layer.kinds.lie_in(
    __name__,
    "activate",
    "adaptive_pool",
    "affine",
    "attention",
    "batch_norm",
    "conv",
    "conv_transpose",
    "crf",
    "dense",
    "depthwise",
    "dropout",
    "embedding",
    "global_pool",
    "gru",
    "hierarchical_softmax",
    "layer_norm",
    "local",
    "lrn",
    "lstm",
    "maxout",
    "merge",
    "one_hot",
    "over_time",
    "pad",
    "pixel_shuffle",
    "pool",
    "positional",
    "rbf",
    "reshape",
    "rnn",
    "stochastic",
    "upsample",
)
