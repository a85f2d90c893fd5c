"""A smooth unit, unbounded above, bounded below, not monotonic."""

from netspec.catalog.activations.activation import activation

mish = activation(
    "mish",
    formula="x * tanh(log(1 + exp(x)))",
    stable="x * tanh(softplus(x))",
    reference="Misra 2020, Mish: a self regularized non-monotonic activation function",
)
