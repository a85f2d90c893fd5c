"""The kinds of losses; one import line here adds a kind."""

from netspec.catalog.losses import absolute, binary_cross_entropy, cross_entropy, divergence, margin, squared
from netspec.catalog.losses.defined import FormulaLoss, defined_loss
from netspec.catalog.losses.loss import Loss

__all__ = [
    "FormulaLoss",
    "Loss",
    "absolute",
    "binary_cross_entropy",
    "cross_entropy",
    "defined_loss",
    "divergence",
    "margin",
    "squared",
]
