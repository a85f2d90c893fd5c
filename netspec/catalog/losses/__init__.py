"""The kinds of losses; one import line here adds a kind."""

from netspec.catalog.losses import binary_cross_entropy, cross_entropy, squared
from netspec.catalog.losses.defined import FormulaLoss, defined_loss
from netspec.catalog.losses.loss import Loss

__all__ = ["FormulaLoss", "Loss", "binary_cross_entropy", "cross_entropy", "defined_loss", "squared"]
