"""A sigmoid that approaches its bounds like 1/x."""

from netspec.catalog.activations.activation import activation

softsign = activation(
    "softsign",
    formula="x / (1 + abs(x))",
    reference="Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
)
