"""The families of kinds: the page of each, and the spec in which an example of its kinds stands.

A kind's example is the text under ``Example:`` in its docstring, else its name with its main field's default. The page
shows it in a snippet; a test checks the snippet in a whole spec.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from netspec.catalog.activations import Activation
from netspec.catalog.augmentations import Augmentation
from netspec.catalog.initializers import Initializer
from netspec.catalog.layers import Layer
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Metric
from netspec.catalog.optimizers import Optimizer
from netspec.catalog.schedules import Schedule
from netspec.data.field import Field
from netspec.data.section import DataSection  # noqa: F401  registers the kinds of sources and fields
from netspec.data.source import Source
from netspec.declared import Declared
from netspec.docstrings import read
from netspec.explanation.fields import default_of
from netspec.spec.check import Checked, check

Sections = Mapping[str, str]
"""Sections of a spec, each as the YAML behind its key; ``SNIPPET`` in one stands for what the page shows."""

CLASSES: Sections = {
    "data": "{source: {sklearn: digits}}",
    "network": "{inputs: {image: [8, 8, 1]}, layers: [flatten, {dense: 10}]}",
    "loss": "cross_entropy",
    "optimizer": "sgd",
}
DECISION: Sections = {
    **CLASSES,
    "data": "{source: {sklearn: breast_cancer}}",
    "network": "{inputs: {x: [30]}, layers: [{dense: 1}]}",
    "loss": "binary_cross_entropy",
}
NUMBERS: Sections = {
    **CLASSES,
    "data": "{source: {sklearn: diabetes}}",
    "network": "{inputs: {x: [10]}, layers: [{dense: 1}]}",
    "loss": "mse",
}
TAGS: Sections = {
    **CLASSES,
    "data": "{source: {conll: {path: esp.train, columns: [word, entity]}}, "
    "fields: {words: {tokens: word}, tags: {tokens: {of: entity, scheme: iobes}}}}",
    "network": "{inputs: {words: [T]}, layers: [{embedding: 8}, {dense: '${data.tags.size}'}, "
    "{crf: {transitions: iobes, name: labels}}]}",
    "loss": "negative_log_likelihood",
}
SEQUENCES: Sections = {
    **CLASSES,
    "data": "{source: {rewriting: {task: add}}, fields: {question: {tokens: {of: source, unit: character}}, "
    "answer: {tokens: {of: target, unit: character, end: true}}, given: {shift: answer}}}",
    "network": "{inputs: {question: [S], given: [T]}, layers: [{embedding: {size: 8, from: question}}, "
    "{gru: {units: 8, name: encoder}}, {embedding: {size: 8, from: given}}, {gru: {units: 8, initial: encoder.state}}, "
    "{dense: {units: '${data.answer.size}', name: scores}}]}",
    "loss": "{cross_entropy: {target: answer}}",
    "decode": "{input: given, output: scores}",
}

# What a loss or metric may be asked to compare, and a spec that asks for it.
COMPARISONS: Mapping[str, Sections] = {
    "a score for each class `[K]` with the class `[]`": CLASSES,
    "one score `[1]` with one of two classes `[]`": DECISION,
    "numbers `[n]` with as many numbers `[n]`": NUMBERS,
    "tokens that `decode` makes `[T]` with tokens `[T]`": SEQUENCES,
    "the best path of a `crf` `[T, K]` with tags `[T]`": TAGS,
}


@dataclass(frozen=True)
class Family:
    """A family of kinds."""

    kind: type[Declared]
    page: str
    snippet: str
    """What the page shows, with ``EXAMPLE`` for the example."""
    around: Sections = field(default_factory=dict)
    """What stands around it: a section in which it stands is that section alone, others are added."""

    @property
    def name(self) -> str:
        return self.kind.family

    @property
    def kinds(self) -> list[type[Declared]]:
        """All kinds, by name."""
        return [kind for _, kind in sorted(self.kind.kinds.items())]

    def example(self, kind: type[Declared]) -> str:
        """What the page shows of a kind; an example may be the whole section, where it needs others beside it."""
        given = read(kind).example or _by_name(kind)
        is_whole = given.startswith(self.snippet.partition(":")[0] + ":")
        return given if is_whole else self.snippet.replace("EXAMPLE", given)

    def spec(self, kind: type[Declared], around: Sections | None = None) -> str:
        """The example in a whole spec."""
        shown = self.example(kind)
        lines = [] if shown.startswith("netspec") else ["netspec: 1"]
        for key, value in (around or self.around).items():
            if "SNIPPET" in value:
                lines.append(f"{key}:{value.replace('SNIPPET', textwrap.indent(shown, '  '))}")
            elif not shown.startswith(f"{key}:"):
                lines.append(f"{key}: {value}")
        if not any("SNIPPET" in value for value in (around or self.around).values()):
            lines.append(shown)
        return "\n".join([*lines, ""])

    def checked(self, kind: type[Declared], around: Sections | None = None) -> Checked:
        """What netspec says of that spec."""
        return check(self.spec(kind, around), name=f"<{kind.kind}>")


def _by_name(kind: type[Declared]) -> str:
    main = default_of(kind)
    return kind.kind if main is None else f"{{{kind.kind}: {main}}}"


FAMILIES = (
    Family(Layer, "layers", "EXAMPLE", {"network": "\nSNIPPET"}),
    Family(
        Activation,
        "activations",
        "- dense: {units: 8, activation: EXAMPLE}",
        {"network": "\n  inputs: {x: [4]}\n  layers:\nSNIPPET"},
    ),
    Family(Loss, "losses", "loss: EXAMPLE"),
    Family(Metric, "metrics", "metrics: [EXAMPLE]"),
    Family(Optimizer, "optimizers", "optimizer: EXAMPLE", CLASSES),
    Family(Schedule, "schedules", "schedule: EXAMPLE", CLASSES),
    Family(
        Initializer,
        "initializers",
        "- dense: {units: 3, init: EXAMPLE}",
        {"network": "\n  inputs: {x: [2]}\n  layers:\nSNIPPET"},
    ),
    Family(Source, "../sources/index", "netspec: 1\nEXAMPLE"),
    Family(
        Augmentation,
        "augmentations",
        "augment:\n  - EXAMPLE",
        {
            "data": "\n  source: mnist\nSNIPPET",
            "network": "{inputs: {image: [28, 28, 1]}, layers: [flatten, {dense: 10}]}",
            "loss": "cross_entropy",
        },
    ),
    Family(
        Field,
        "fields",
        "fields: {it: EXAMPLE}",
        {
            "data": "\n  source: {npz: samples.npz}\nSNIPPET",
            "network": "{inputs: {x: [2]}, layers: [dense: 1]}",
        },
    ),
)

BY_NAME = {family.name: family for family in FAMILIES}
