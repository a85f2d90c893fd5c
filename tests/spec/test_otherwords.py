"""Words of other tools: each stands for something there is, and none hides a word of the language."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from netspec.catalog.activations import Activation
from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.layers.layer import Layer
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Metric
from netspec.catalog.optimizers import Optimizer
from netspec.catalog.schedules import Schedule
from netspec.data.splits import Split
from netspec.declared import Declared
from netspec.spec import otherwords
from netspec.spec.document import KEYS as TOP
from netspec.spec.items import COMMON
from netspec.spec.topology import KEYS as NETWORK
from netspec.spec.training import EarlyStop, Train

FAMILIES: list[type[Declared]] = [Layer, Activation, Loss, Metric, Optimizer, Schedule, Initializer]
MODELS: list[type[BaseModel]] = [Train, EarlyStop, Split, *(kind for f in FAMILIES for kind in f.kinds.values())]
CHOICES = {key for model in MODELS for key in model.model_fields} | {*TOP, *NETWORK, *COMMON}


@pytest.mark.parametrize(("word", "kind"), otherwords.KINDS.items())
def test_a_word_for_a_kind_means_one_that_there_is(word: str, kind: str) -> None:
    meaning = [family for family in FAMILIES if kind in family.kinds]
    assert meaning
    for family in meaning:
        assert otherwords.meant(word, family.kinds, otherwords.KINDS) == (word if word in family.kinds else kind)


@pytest.mark.parametrize(("word", "key"), otherwords.KEYS.items())
def test_a_word_for_a_key_means_one_that_there_is(word: str, key: str) -> None:
    assert key in CHOICES
    assert otherwords.meant(word, [key], otherwords.KEYS) == key


@pytest.mark.parametrize(
    ("word", "kind"),
    [("CrossEntropyLoss", "cross_entropy"), ("MSELoss", "mse"), ("batch-norm", "batch_norm"), ("F1Score", "f1")],
)
def test_case_and_endings_do_not_matter(word: str, kind: str) -> None:
    choices = ["cross_entropy", "mse", "batch_norm", "f1", "sgd"]
    assert otherwords.meant(word, choices, otherwords.KINDS) == kind


def test_a_word_is_answered_only_by_what_can_be_chosen() -> None:
    assert otherwords.meant("fc", ["mse", "mae"], otherwords.KINDS) is None
    assert otherwords.meant("adamm", ["adam"], otherwords.KINDS) is None
