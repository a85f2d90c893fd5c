"""The kinds of metrics; the name of a file here adds its kinds."""

from netspec.catalog.metrics.metric import Collected, Compared, Decoded, Found, Inspected, Metric, Reading, Summed

__all__ = ["Collected", "Compared", "Decoded", "Found", "Inspected", "Metric", "Reading", "Summed"]

Metric.kinds.lie_in(
    __name__, "accuracy", "bleu", "classes", "entities", "errors", "gradient_norm", "perplexity", "ranking",
    "sequence_accuracy", "sparsity",
)  # fmt: skip
