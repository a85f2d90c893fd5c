"""The kinds of optimizers; one import line here adds a kind."""

from netspec.catalog.optimizers import adagrad, adam, lion, rmsprop, rule, sgd
from netspec.catalog.optimizers.optimizer import Optimizer
from netspec.catalog.optimizers.rule import Rule

__all__ = ["Optimizer", "Rule", "adagrad", "adam", "lion", "rmsprop", "rule", "sgd"]
