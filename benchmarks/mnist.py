"""The network and the data that most benchmarks share: MNIST, 784-256-128-10, from stored 8-bit pixels."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.harness import THREADS
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import Opened, open_spec

Array: TypeAlias = npt.NDArray[Any]

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "specs" / "mnist" / "mlp.yaml"
SIZES = (784, 256, 128, 10)
LR, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


class MissingDataError(RuntimeError):
    """There is no MNIST here."""


def check_data() -> None:
    """Whether MNIST is here.

    Raises:
        MissingDataError: if it is not, with what to set.
    """
    folder = os.environ.get("NETSPEC_DATA")
    if not folder:
        raise MissingDataError(
            "set NETSPEC_DATA to the folder that holds mnist/train-images-idx3-ubyte.gz and its like"
        )
    if not (Path(folder) / "mnist" / "train-images-idx3-ubyte.gz").exists():
        raise MissingDataError(f"there is no mnist/train-images-idx3-ubyte.gz in NETSPEC_DATA={folder}")


@lru_cache(1)
def opened(spec: Path = SPEC) -> Opened:
    """The spec with its data."""
    check_data()
    return open_spec(load(spec))


def engine(spec: Path = SPEC, threads: int | None = THREADS) -> Engine:
    """An engine over the data of a spec."""
    there = opened(spec)
    seed = there.program.document.train.seed
    return Engine(there.program, there.dataset.columns, there.constants, seed=seed, threads=threads)


def training_data() -> tuple[Array, Array]:
    """Pixels ``uint8[60000, 784]`` and labels ``int64[60000]``."""
    dataset = opened().dataset
    rows = np.asarray(dataset.splits["train"])
    images = np.ascontiguousarray(dataset.columns["image"][rows]).reshape(len(rows), -1)
    return images, np.asarray(dataset.columns["label"][rows], np.int64)


def shuffled(batch: int, steps: int) -> list[Array]:
    """Some orders of rows ``int64[steps, batch]``; rounds take them in turn."""
    rng = np.random.default_rng(0)
    return [rng.permutation(60_000)[: steps * batch].reshape(steps, batch) for _ in range(4)]


def initial_weights() -> list[tuple[Array, Array]]:
    """The weights and biases of each layer, as all contenders begin."""
    made = engine().weights()
    return [(made[f"{layer}.kernel"], made[f"{layer}.bias"]) for layer in ("dense_1", "dense_2", "logits")]
