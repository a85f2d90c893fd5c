"""The kinds of metrics; the name of a file here adds its kinds."""

from netspec.catalog.metrics.metric import Collected, Compared, Found, Inspected, Metric, Reading, Summed

__all__ = ["Collected", "Compared", "Found", "Inspected", "Metric", "Reading", "Summed"]

Metric.kinds.lie_in(
    __name__, "accuracy", "classes", "entities", "errors", "gradient_norm", "perplexity", "ranking", "sparsity"
)
