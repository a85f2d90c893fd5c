"""The `train` section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from netspec.diagnostics import Report, suggestion
from netspec.spec.binding import Binding
from netspec.spec.tree import Entry, Map, Node, Scalar
from netspec.spec.validation import Place, as_map, build

STRICT: Final = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

Split: TypeAlias = Literal["train", "validation", "test"]
Above: TypeAlias = Annotated[float, Field(gt=0)]


class Select(BaseModel):
    """Which weights are `best`."""

    model_config = STRICT

    metric: str = Field(default="loss", description="What is compared: `loss` or a metric of the spec.")
    split: Split = Field(default="validation", description="The rows it is measured on.")


class EarlyStop(BaseModel):
    """When to stop before the last epoch."""

    model_config = STRICT

    patience: Annotated[int, Field(gt=0)] = Field(
        description="Epochs without a better value after which training ends."
    )
    metric: str = Field(default="loss", description="What is compared: `loss` or a metric of the spec.")
    split: Split = Field(default="validation", description="The rows it is measured on.")


class Clip(BaseModel):
    """What keeps gradients small."""

    model_config = STRICT

    norm: Above | None = Field(default=None, description="Largest norm of all gradients together.")
    value: Above | None = Field(default=None, description="Largest absolute value of each element.")


class Average(BaseModel):
    """What is kept of the weights beside themselves, to be used in their place."""

    model_config = STRICT

    ema: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="How much of the average is kept at each step; corrected for its start, as Adam's means are."
    )


class Train(BaseModel):
    """How long and in what pieces the network is trained."""

    model_config = STRICT

    epochs: Annotated[int, Field(ge=0)] = Field(default=10, description="Passes over the training rows.")
    batch: Annotated[int, Field(gt=0)] | Literal["full"] = Field(default=32, description="Rows a step; `full` is all.")
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = Field(default=0, description="What all random numbers follow from.")
    shuffle: bool = Field(default=True, description="Whether rows come in another order every epoch.")
    select: Select | None = Field(
        default=None,
        description="Which weights are best; by default those of the lowest validation loss, else of the last epoch.",
    )
    accumulate: Annotated[int, Field(gt=0)] = Field(
        default=1, description="Batches a step: their gradients are gathered as if they were one batch."
    )
    average: Average | None = Field(
        default=None,
        description="Averages of the weights: what evaluation measures, and what `best` and `last` hold.",
    )
    clip: Clip | None = Field(default=None, description="A limit on gradients.")
    early_stop: EarlyStop | None = Field(default=None, description="When to stop before the last epoch.")


# What people write under `train` that stands elsewhere.
_ELSEWHERE: Final = {
    **{
        key: f"`{key}` stands at the top, beside `train`"
        for key in ("optimizer", "schedule", "loss", "metrics", "data", "network", "expect", "decode", "name", "vars")
    },
    **{key: f"`{key}` belongs inside the optimizer" for key in ("lr", "learning_rate", "momentum", "weight_decay")},
    "validation": "it belongs under `data`: `data: {split: {validation: ...}}`",
    "split": "it belongs under `data`: `data: {split: {validation: ...}}`",
}


def read_train(entry: Entry | None, metrics: Sequence[Binding], report: Report) -> Train:
    """The section, or its defaults where it is absent or wrong."""
    section = as_map(entry.value, "train", report) if entry else None
    if entry is None or section is None:
        return Train()
    bare = section.get("select")
    if isinstance(bare, Scalar) and isinstance(bare.value, str):
        section = section.with_value("select", Map({"metric": Entry("metric", bare.span, bare)}, bare.span))
    made = build(Train, section, Place("`train`", entry.key_span, _ELSEWHERE), report)
    for key in ("select", "early_stop"):
        metric = _metric_of(section.get(key))
        if metric is not None:
            check_metric(metric, metrics, section.get(key), report)
    if made is None:
        return Train()
    if made.batch == "full" and made.accumulate > 1:
        message = f"`batch: full` is one batch an epoch, so there are no {made.accumulate} to make a step of"
        report.error("out-of-range", message, (section.get("accumulate") or section).span)
    return made


def _metric_of(node: Node | None) -> str | None:
    """The metric that is named, be the rest of the section right or wrong."""
    metric = node.get("metric") if isinstance(node, Map) else None
    return metric.value if isinstance(metric, Scalar) and isinstance(metric.value, str) else None


def check_metric(name: str, metrics: Sequence[Binding], at: Node | None, report: Report) -> None:
    """Whether there is a metric to compare by; ``at`` is the map that names it, perhaps below a kind."""
    known = ["loss", *(b.name for b in metrics if b.is_number)]
    if name in known or at is None:
        return
    inner = next(iter(at.entries.values())).value if isinstance(at, Map) and len(at.entries) == 1 else None
    named = next((m.get("metric") for m in (at, inner) if isinstance(m, Map) and "metric" in m.entries), None)
    where = (named or at).span
    if any(b.name == name for b in metrics):
        report.error("wrong-type", f"`{name}` is a table, and only numbers can be compared", where)
        return
    near = suggestion(name, known)
    helps = [f"did you mean `{near}`?"] if near else [f"there are {', '.join(f'`{k}`' for k in known)}"]
    report.error("unknown-kind", f"there is no metric `{name}` in `metrics`", where, helps=helps)
