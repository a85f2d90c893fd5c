"""The specs that the language was written against: each resolves, or names exactly the kinds that are still missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from netspec.catalog.activations import Activation
from netspec.catalog.layers import Layer
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Metric
from netspec.catalog.optimizers import Optimizer
from netspec.catalog.schedules import Schedule
from netspec.data.augmentation import Augmentation
from netspec.data.field import Field
from netspec.data.source import Source
from netspec.declared import Declared
from netspec.spec.check import check

LANGUAGE = Path(__file__).parent / "language"
FAMILIES: Final[dict[str, type[Declared]]] = {
    family.family: family
    for family in (Activation, Augmentation, Field, Layer, Loss, Metric, Optimizer, Schedule, Source)
}
MISSING: Final = re.compile(r"there is no (\w+) `(\w+)`")

# What each spec names; kinds that are registered are no longer missing, and then `expect.parameters` is held.
KINDS: Final = {
    "alphago_policy": ["source random", "layer conv2d", "layer affine", "layer flatten"],
    "bilstm_crf": [
        "source conll", "field tokens", "layer embedding", "layer lstm", "layer crf", "loss negative_log_likelihood",
        "metric entity_f1",
    ],
    "captioning": [
        "source shapes", "field tokens", "field shift", "layer conv2d", "layer max_pool2d",
        "layer embedding", "metric perplexity", "metric bleu",
    ],
    "cbow": [
        "source windows", "field tokens", "layer embedding", "layer mean_over_time", "loss negative_sampling",
        "schedule polynomial",
    ],
    "elman_lm": ["source stream", "layer one_hot", "schedule plateau", "metric perplexity"],
    "googlenet": [
        "layer conv2d", "layer max_pool2d", "layer avg_pool2d", "layer lrn", "layer global_avg_pool2d", "metric top_k",
    ],
    "kim_cnn": [
        "source lines", "field tokens", "layer embedding", "layer conv1d", "layer max_over_time", "optimizer adadelta",
    ],
    "lenet5_1998": ["layer zero_pad", "layer conv2d", "layer avg_pool2d", "layer rbf"],
    "nplm": ["source windows", "field tokens", "layer embedding", "metric perplexity"],
    "resnet20": [
        "source cifar10", "augmentation crop", "augmentation flip", "layer conv2d", "layer batch_norm",
        "layer max_pool2d", "layer zero_pad", "layer global_avg_pool2d", "schedule step",
    ],
    "resnet20_projection": [
        "source cifar10", "augmentation crop", "augmentation flip", "layer conv2d", "layer batch_norm",
        "layer global_avg_pool2d", "schedule step",
    ],
    "seq2seq": [
        "source pairs", "field tokens", "field shift", "layer embedding", "layer lstm", "layer attention",
        "metric sequence_accuracy",
    ],
    "xor": ["source logic", "layer dense", "loss squared_error", "optimizer sgd", "metric accuracy"],
}  # fmt: skip


def is_registered(named: str) -> bool:
    family, kind = named.split()
    if family == "layer" and kind in Activation.kinds:
        return True
    return family in FAMILIES and kind in FAMILIES[family].kinds


def test_every_spec_is_here() -> None:
    assert {path.stem for path in LANGUAGE.glob("*.yaml")} == set(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_exactly_the_missing_kinds_are_named(name: str) -> None:
    report = check(LANGUAGE / f"{name}.yaml").report
    found = set()
    for d in report.diagnostics:
        match = MISSING.search(d.message)
        assert d.code == "unknown-kind", d
        assert match is not None, d
        found.add(f"{match[1]} {match[2]}")
    assert found == {named for named in KINDS[name] if not is_registered(named)}
