"""What units do with their net input; the name of a file here adds its activations."""

from netspec.catalog.activations.activation import Activation, FormulaActivation, activation, defined_activation

__all__ = ["Activation", "FormulaActivation", "activation", "defined_activation"]

Activation.kinds.lie_in(
    __name__,
    "elu",
    "gelu",
    "linear",
    "mish",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "step",
    "tanh",
)
