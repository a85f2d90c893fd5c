"""The input times the probability that a standard normal value lies below it."""

from netspec.catalog.activations.activation import activation

gelu = activation(
    "gelu",
    formula="x * (1 + erf(x / sqrt(2))) / 2",
    stable="0.5 * x * (1 + erf(0.7071067811865476 * x))",
    reference="Hendrycks & Gimpel 2016, Gaussian error linear units",
)
