"""What units do with their net input; one import line here adds an activation."""

from netspec.catalog.activations import (
    elu,
    gelu,
    linear,
    mish,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    step,
    tanh,
)
from netspec.catalog.activations.activation import Activation, FormulaActivation, activation, defined_activation

__all__ = [
    "Activation",
    "FormulaActivation",
    "activation",
    "defined_activation",
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
]
