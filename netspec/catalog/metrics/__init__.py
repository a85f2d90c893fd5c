"""The kinds of metrics; one import line here adds a kind."""

from netspec.catalog.metrics import accuracy, rmse
from netspec.catalog.metrics.metric import Metric

__all__ = ["Metric", "accuracy", "rmse"]
