"""The activation that changes nothing."""

from netspec.catalog.activations.activation import activation

linear = activation(
    "linear",
    formula="x",
    reference="Widrow & Hoff 1960, Adaptive switching circuits",
)
