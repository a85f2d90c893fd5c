"""The kinds of losses; the name of a file here adds its kinds."""

from netspec.catalog.losses.loss import Loss

__all__ = ["Loss"]

Loss.kinds.lie_in(
    __name__,
    "absolute",
    "binary_cross_entropy",
    "cross_entropy",
    "divergence",
    "likelihood",
    "margin",
    "sampled",
    "squared",
)
