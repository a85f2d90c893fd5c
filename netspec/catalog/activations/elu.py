"""Units that saturate below and are linear above."""

from netspec.catalog.activations.activation import activation

elu = activation(
    "elu",
    formula="where(x > 0, x, alpha * (exp(x) - 1))",
    stable="where(x > 0, x, alpha * expm1(x))",
    reference="Clevert et al. 2016, Fast and accurate deep network learning by exponential linear units",
    alpha=1.0,
)

celu = activation(
    "celu",
    formula="where(x > 0, x, alpha * (exp(x / alpha) - 1))",
    stable="where(x > 0, x, alpha * expm1(x / alpha))",
    reference="Barron 2017, Continuously differentiable exponential linear units",
    alpha=1.0,
)

# The fixed point of mean 0 and variance 1; the paper prints more digits than float32 holds.
selu = activation(
    "selu",
    formula="1.0507009873554805 * where(x > 0, x, 1.6732632423543772 * (exp(x) - 1))",
    stable="1.0507009873554805 * where(x > 0, x, 1.6732632423543772 * expm1(x))",
    reference="Klambauer et al. 2017, Self-normalizing neural networks",
)
