"""The kinds of optimizers; the name of a file here adds its kinds."""

from netspec.catalog.optimizers.optimizer import Optimizer
from netspec.catalog.optimizers.rule import Rule

__all__ = ["Optimizer", "Rule"]

Optimizer.kinds.lie_in(__name__, "adagrad", "adam", "hebbian", "lion", "perceptron", "rmsprop", "sgd")
