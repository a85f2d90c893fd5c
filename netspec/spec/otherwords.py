"""What other tools call the kinds and keys of specs, so that a word which is clear gets a clear answer.

Words are compared without case, `_` and the like: `CrossEntropyLoss` is `cross_entropy` without standing here.
A word is answered only where what it means is one of the choices, so it may stand for a kind or for a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    # layers
    "fc": "dense",
    "fully_connected": "dense",
    "inner_product": "dense",
    # activations
    "heaviside": "step",
    "identity": "linear",
    "lrelu": "leaky_relu",
    "logistic": "sigmoid",
    "swish": "silu",
    # losses
    "bce": "binary_cross_entropy",
    "bce_with_logits": "binary_cross_entropy",
    "categorical_cross_entropy": "cross_entropy",
    "kl_div": "kl",
    "kl_divergence": "kl",
    "l1": "mae",
    "l2": "mse",
    "log_loss": "cross_entropy",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "nll": "cross_entropy",
    "pinball": "quantile",
    "poisson_nll": "poisson",
    "smooth_l1": "huber",
    "softmax_cross_entropy": "cross_entropy",
    "sparse_categorical_cross_entropy": "cross_entropy",
    # metrics
    "acc": "accuracy",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "r2_score": "r2",
    "root_mean_squared_error": "rmse",
    "sparse_categorical_accuracy": "accuracy",
    "top_k_accuracy": "top_k",
    "top_k_categorical_accuracy": "top_k",
    # optimizers
    "gradient_descent": "sgd",
    "momentum": "sgd",
    # schedules
    "cosine_annealing": "cosine",
    "cosine_decay": "cosine",
    "exponential_decay": "exponential",
    "multi_step": "step",
    "reduce_on_plateau": "plateau",
    "step_decay": "step",
    # initializers
    "gaussian": "normal",
    "glorot": "glorot_uniform",
    "kaiming": "he_uniform",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
    "random_normal": "normal",
    "random_uniform": "uniform",
    "xavier": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "xavier_uniform": "glorot_uniform",
}
KEYS: Final[Mapping[str, str]] = {
    "act": "activation",
    "activation_function": "activation",
    "batch_size": "batch",
    "criterion": "loss",
    "early_stopping": "early_stop",
    "lr_schedule": "schedule",
    "lr_scheduler": "schedule",
    "p": "rate",
    "dataset": "data",
    "eps": "epsilon",
    "eta": "lr",
    "hidden_units": "units",
    "kernel_initializer": "init",
    "kernel_regularizer": "regularize",
    "kernel_size": "kernel",
    "learning_rate": "lr",
    "max_iter": "epochs",
    "minibatch": "batch",
    "minibatch_size": "batch",
    "model": "network",
    "modules": "layers",
    "monitor": "metric",
    "negative_slope": "slope",
    "neurons": "units",
    "nodes": "units",
    "objective": "loss",
    "out_channels": "filters",
    "out_features": "units",
    "pool_size": "size",
    "prob": "rate",
    "random_seed": "seed",
    "random_state": "seed",
    "scheduler": "schedule",
    "strides": "stride",
    "trainer": "train",
    "use_bias": "bias",
    "valid": "validation",
    "validation_split": "validation",
}
_ENDINGS: Final = ("loss", "layer", "optimizer", "score", "lr")
"""What other tools put behind a name: `MSELoss`, `StepLR`."""


def meant(word: str, choices: Iterable[str], words: Mapping[str, str]) -> str | None:
    """The choice that other tools call ``word``, by ``words``; None where there is none."""
    by_letters = {_letters(choice): choice for choice in choices}
    known = by_letters | {_letters(key): choice for key, choice in words.items() if choice in by_letters.values()}
    letters = _letters(word)
    stems = (letters.removesuffix(ending) for ending in _ENDINGS if letters.endswith(ending))
    return next((known[found] for found in (letters, *stems) if found in known), None)


def _letters(word: str) -> str:
    """`CategoricalCrossentropy`, `categorical_crossentropy` and `categorical-cross-entropy` are one word."""
    return re.sub(r"[\W_]", "", word).lower()
