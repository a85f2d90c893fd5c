"""What an augmentation is: a random change of a training sample."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.declared import Declared


class Augmentation(Declared, family="augmentation"):
    """A change drawn anew for every training sample and step; it acts in training only and is part of the graph.

    What the kinds do to the graph stands with them, in `netspec.catalog.augmentations`.
    """

    once: ClassVar[bool] = False
    """Whether it may stand only once for an image."""

    of: str | None = Field(
        default=None, description="The input that it changes; by default the only image.", examples=["image"]
    )
