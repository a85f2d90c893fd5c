"""A smooth rectifier."""

from netspec.catalog.activations.activation import activation

softplus = activation(
    "softplus",
    formula="log(1 + exp(x))",
    stable="softplus(x)",
    reference="Dugas et al. 2001, Incorporating second-order functional knowledge",
)
