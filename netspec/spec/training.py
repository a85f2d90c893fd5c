"""The `train` section."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

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

    patience: Annotated[int, Field(gt=0)] = Field(description="Epochs without a better value after which training ends.")
    metric: str = Field(default="loss", description="What is compared: `loss` or a metric of the spec.")
    split: Split = Field(default="validation", description="The rows it is measured on.")


class Clip(BaseModel):
    """What keeps gradients small."""

    model_config = STRICT

    norm: Above | None = Field(default=None, description="Largest norm of all gradients together.")
    value: Above | None = Field(default=None, description="Largest absolute value of each element.")


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
    clip: Clip | None = Field(default=None, description="A limit on gradients.")
    early_stop: EarlyStop | None = Field(default=None, description="When to stop before the last epoch.")
