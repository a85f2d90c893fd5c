"""The gallery's specs, trained, as plain values to compare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from netspec import api
from netspec.data.source import Source
from netspec.runs.checkpoint import load_weights
from netspec.runs.metrics import read_metrics
from netspec.runs.run import Run
from netspec.spec.check import check
from netspec.spec.document import Document
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

GALLERY = Path(__file__).parents[2] / "specs"
CORPORA = ("conll2002/", "brown/", "ptb/", "tinyshakespeare/")
"""Folders of text of which an epoch takes a minute or more."""

SPECS = sorted(path for path in GALLERY.rglob("*.yaml") if "netspec: 1\n" in path.read_text(encoding="utf-8"))


@cache
def document_of(spec: Path) -> Document:
    """A spec as it is read without its data."""
    document = check(spec).document
    assert document is not None, spec
    return document


def is_drawn(spec: Path) -> bool:
    """Whether its data are random numbers, of which nothing can be learnt: what it shows is the network."""
    data = document_of(spec).data
    return data is not None and data.source.kind == "random"


def is_trained(spec: Path) -> bool:
    """Whether it learns; of the others some say their weights, some draw their data."""
    return document_of(spec).optimizer is not None and not is_drawn(spec)


def public_set(spec: Path) -> Source | None:
    """The public set that it reads by its name, whose files do not come with netspec."""
    document = document_of(spec)
    source = document.data and document.data.source
    return source if source and source.download is not None else None


def is_real(spec: Path) -> bool:
    """Whether it reads what NETSPEC_DATA holds: a public data set, or a table that does not lie beside the spec."""
    text = spec.read_text(encoding="utf-8")
    return public_set(spec) is not None or any(
        word in text for word in ("{idx:", "tabular/", "timeseries/", "mr/", *CORPORA)
    )


def trains_for(spec: Path) -> list[pytest.MarkDecorator]:
    """The marks of what a test of every change has no time for: data of MNIST's size, and many epochs of it."""
    source = public_set(spec)
    text = spec.read_text(encoding="utf-8")
    if any(word in text for word in ("rewriting:", "{shapes:")):
        return [pytest.mark.slow]
    if any(word in text for word in CORPORA):
        return [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(0)]
    if source is None or sum((source.sizes() or {}).values()) < 20_000:
        return []
    long = [pytest.mark.long, pytest.mark.timeout(0)] if document_of(spec).train.epochs > 20 else []
    return [pytest.mark.slow, *long]


RESNET = {"width": 4, "size": 33, "classes": 7}
SMALL: Mapping[str, Mapping[str, float]] = {
    "cifar10/resnet20": {"n": 1, "width": 4},
    "cifar10/resnet56": {"n": 1, "width": 4},
    # Standard deviations of the paper are those of wide layers: behind narrow ones gradients vanish to rounding.
    "imagenet/alexnet": {"width": 2, "units": 8, "size": 67, "classes": 7, "std": 0.3},
    "imagenet/googlenet": {"part": 16, "units": 8, "size": 65, "classes": 7},
    "imagenet/vgg16": {"width": 2, "units": 8, "size": 32, "classes": 7},
    "go/alphago_policy": {"width": 6, "planes": 4, "size": 7},
    "go/alphago_value": {"width": 6, "planes": 4, "size": 7, "units": 8},
    "imagenet/resnet18": RESNET,
    **{f"imagenet/resnet{n}": {**RESNET, "second": 1, "third": 1} for n in (34, 50, 101, 152)},
    "lm/char_transformer": {"width": 16, "steps": 12, "blocks": 1},
    "lm/elman": {"steps": 3},
    "lm/lstm": {"steps": 3},
}
"""For each deep or long network the variables that make it small, with every kind of block still there."""


def named(spec: Path) -> str:
    """``imagenet/resnet50``: as `SMALL` calls a spec of the gallery."""
    return spec.relative_to(GALLERY).with_suffix("").as_posix()


def is_deep(spec: Path) -> bool:
    """Whether a sample takes so many multiply-adds that differences and many trainings of it take minutes."""
    found = re.search(r"^  macs: (\d+)", spec.read_text(encoding="utf-8"), re.MULTILINE)
    return found is not None and int(found[1]) > 10_000_000


def small(spec: Path) -> list[str]:
    """What is overridden so that a large network is small; what it expects is of the large one."""
    if named(spec) not in SMALL:
        assert not is_deep(spec), f"{spec} is deep: `SMALL` has to say how its gradients are checked"
        return []
    return [*(f"vars.{name}={value}" for name, value in SMALL[named(spec)].items()), "expect={}"]


TRAINED = [spec for spec in SPECS if is_trained(spec)]
DRAWN = [spec for spec in SPECS if is_drawn(spec)]


@dataclass(frozen=True)
class Trained:
    """What a training leaves: the last weights, a line of metrics for each epoch and split, and those of the test."""

    folder: Path
    weights: Mapping[str, npt.NDArray[np.float32]]
    lines: list[dict[str, Any]]
    test: Mapping[str, float] | None

    def epochs(self, metric: str, split: str = "train") -> list[float]:
        """A metric of every epoch, as `metrics.jsonl` has it."""
        return [line["metrics"][metric] for line in self.lines if line["split"] == split]


def spec_of(name: str | Path) -> Path:
    """``specs/NAME.yaml``, or the file itself."""
    return name if isinstance(name, Path) else GALLERY / f"{name}.yaml"


def trained(name: str | Path, out: Path, *overrides: str) -> Trained:
    """Train a spec into ``out``."""
    api.train(spec_of(name), out=out, overrides=overrides)
    run = Run(out)
    return Trained(out, load_weights(run.last).arrays, read_metrics(run.metrics), run.read_summary()["test"])


def columns(name: str | Path) -> Mapping[str, npt.NDArray[Any]]:
    """The fields of a spec, all rows, as they are stored."""
    document = check(spec_of(name)).document
    assert document is not None
    return open_spec(document).dataset.columns


def answers(
    name: str | Path,
    given: Mapping[str, npt.NDArray[Any]],
    weights: Mapping[str, npt.NDArray[np.float32]] | None = None,
) -> npt.NDArray[np.float32]:
    """What the network gives for rows in the place of its data, with given or initial weights."""
    document = check(spec_of(name)).document
    assert document is not None
    opened = open_spec(document)
    arrays = {key: np.ascontiguousarray(rows, opened.dataset.columns[key].dtype) for key, rows in given.items()}
    engine = Engine(opened.program, arrays, opened.constants, seed=document.train.seed)
    if weights is not None:
        engine.load(dict(weights))
    (found,) = engine.predict(np.arange(len(next(iter(arrays.values()))))).values()
    engine.close()
    return found
