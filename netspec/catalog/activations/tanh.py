"""The hyperbolic tangent and its straight imitation."""

from netspec.catalog.activations.activation import activation

tanh = activation(
    "tanh",
    formula="(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
    stable="tanh(x)",
    reference="LeCun et al. 1998, Efficient backprop",
)

hard_tanh = activation(
    "hard_tanh",
    formula="max(-1, min(1, x))",
    reference="Collobert 2004, Large scale machine learning",
)
