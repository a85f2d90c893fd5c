"""The input times a gate of itself."""

from netspec.catalog.activations.activation import activation

silu = activation(
    "silu",
    formula="x / (1 + exp(-x))",
    stable="x * sigmoid(x)",
    reference="Elfwing et al. 2018, Sigmoid-weighted linear units; Ramachandran et al. 2017 call it swish",
)

hard_silu = activation(
    "hard_silu",
    formula="x * max(0, min(1, x / 6 + 1 / 2))",
    reference="Howard et al. 2019, Searching for MobileNetV3",
)
