"""A network with its blocks and repeats written out: layers in order, each with its path and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.layers.layer import Layer
from netspec.diagnostics import Span
from netspec.tensortype import Dim


@dataclass(frozen=True)
class ValueRef:
    """A value of the network: of the layer at ``path`` (or one of its ports), or of the input of that name."""

    path: str
    port: str = ""
    is_input: bool = False

    def __str__(self) -> str:
        return f"{self.path}.{self.port}" if self.port else self.path


@dataclass(frozen=True)
class Use:
    """One level of what leads to a layer: the item of a list, at its place."""

    path: str
    kind: str
    span: Span


@dataclass(frozen=True)
class WeightRef:
    """A weight of another layer, perhaps transposed; ``span`` is where ``share`` names it."""

    path: str
    weight: str
    transposed: bool
    span: Span


@dataclass(frozen=True)
class InitRef:
    """What a weight starts with, and where the spec says so."""

    initializer: Initializer
    span: Span


class Regularize(BaseModel):
    """What keeps kernels and tables small: penalties in the loss, and a limit that every step ends with."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    l1: Annotated[float, Field(ge=0)] = Field(default=0.0, description="Weight of the sum of magnitudes in the loss.")
    l2: Annotated[float, Field(ge=0)] = Field(default=0.0, description="Weight of the sum of squares in the loss.")
    max_norm: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Largest L2 norm of the weights into one unit; longer ones are scaled to it."
    )


@dataclass(frozen=True)
class Common:
    """What every layer may say of its weights.

    ``init`` goes by weight; the key ``""`` is a bare one, meant for the kernel or table. ``owner`` is the layer all of
    whose weights are shared, ``share`` are single weights.
    """

    freeze: bool = False
    lr_scale: float = 1.0
    init: Mapping[str, InitRef] = field(default_factory=dict)
    regularize: Regularize = field(default_factory=Regularize)
    regularize_span: Span | None = None
    owner: str | None = None
    share: Mapping[str, WeightRef] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerNode:
    """One layer: ``layer`` is None where its kind is unknown or its fields are wrong, which has been reported."""

    path: str
    kind: str
    layer: Layer | None
    inputs: tuple[ValueRef, ...]
    common: Common
    span: Span
    uses: tuple[Use, ...]

    @property
    def line(self) -> int:
        return self.span.line


@dataclass(frozen=True)
class NetworkInput:
    """What the network is given: a field of the data, with the shape that the spec says it has."""

    name: str
    shape: tuple[Dim, ...]
    span: Span
    kind: str | None = None
    size: Dim | None = None


@dataclass(frozen=True)
class Network:
    """Layers in an order in which each stands after all that it reads.

    ``values`` has every name of the top list and below: layers, blocks, copies of a repeat, ports that blocks declare.
    """

    inputs: tuple[NetworkInput, ...]
    nodes: tuple[LayerNode, ...]
    outputs: Mapping[str, ValueRef]
    values: Mapping[str, ValueRef]

    def node(self, path: str) -> LayerNode:
        return next(node for node in self.nodes if node.path == path)
