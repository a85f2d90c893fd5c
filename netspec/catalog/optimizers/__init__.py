"""The kinds of optimizers; one import line here adds a kind."""

from netspec.catalog.optimizers import adam, sgd
from netspec.catalog.optimizers.optimizer import Optimizer

__all__ = ["Optimizer", "adam", "sgd"]
