"""The kinds of metrics; one import line here adds a kind."""

from netspec.catalog.metrics import accuracy, classes, errors, perplexity, ranking
from netspec.catalog.metrics.metric import Collected, Found, Metric, Reading, Summed

__all__ = [
    "Collected",
    "Found",
    "Metric",
    "Reading",
    "Summed",
    "accuracy",
    "classes",
    "errors",
    "perplexity",
    "ranking",
]
