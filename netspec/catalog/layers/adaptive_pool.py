"""Pooling to a given size, whatever the size of the map."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import Extents, each_axis, space_of
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.pool import Pool
from netspec.compiler.ops.windows import Share


class AdaptivePooling(Layer):
    """What adaptive poolings over any number of axes share."""

    axes: ClassVar[int]
    how: ClassVar[Literal["max", "average"]]
    size: Extents = Field(
        description="Windows along each axis, which is the size of the output: one for all axes, or one for each.",
        json_schema_extra={"main": True},
    )

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        axes = len(space_of(self.kind, self.axes, x))
        return g.add(Pool(self.how, tuple(map(Share, each_axis(self.kind, "size", self.size, axes)))), x)


class AdaptiveAvgPool1d(AdaptivePooling):
    r"""$y_{p,c} = \operatorname{mean}_{t \in W_p} x_{t,c}$ over as many windows as ``size`` says.

    Of n positions window $W_p$ has those from $\lfloor p n / size \rfloor$ up to $\lceil (p + 1) n / size \rceil$, so
    that windows cover all and overlap where ``size`` does not divide n: what follows sees maps of one size.

    Shapes: ``[length, channels] -> [positions, channels]``, as many of each as ``size`` says.

    Example:
        inputs: {x: [100, 3]}
        layers: [{conv1d: {filters: 16, kernel: 5}}, {adaptive_avg_pool1d: 8}, flatten, {dense: 2}]

    Reference: He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition.
    """

    kind: ClassVar[str] = "adaptive_avg_pool1d"
    axes: ClassVar[int] = 1
    how: ClassVar[Literal["max", "average"]] = "average"


class AdaptiveAvgPool2d(AdaptivePooling):
    r"""$y_{p,q,c} = \operatorname{mean}_{t \in W_p,\, u \in W_q} x_{t,u,c}$ over as many windows as ``size`` says.

    Of n positions window $W_p$ has those from $\lfloor p n / size \rfloor$ up to $\lceil (p + 1) n / size \rceil$, so
    that windows cover all and overlap where ``size`` does not divide n: what follows sees maps of one size.

    Shapes: ``[height, width, channels] -> [rows, columns, channels]``, as many of each as ``size`` says.

    Example:
        inputs: {image: [16, 20, 3]}
        layers: [{conv2d: {filters: 8, kernel: 3}}, {adaptive_avg_pool2d: [7, 7]}, flatten, {dense: 2}]

    Reference: He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition.
    """

    kind: ClassVar[str] = "adaptive_avg_pool2d"
    axes: ClassVar[int] = 2
    how: ClassVar[Literal["max", "average"]] = "average"


class AdaptiveAvgPool3d(AdaptivePooling):
    r"""$y_{p,c} = \operatorname{mean}_{t \in W_p} x_{t,c}$ over as many windows as ``size`` says, in three dimensions.

    Of n positions window $W_p$ has those from $\lfloor p n / size \rfloor$ up to $\lceil (p + 1) n / size \rceil$, so
    that windows cover all and overlap where ``size`` does not divide n: what follows sees maps of one size.

    Shapes: ``[depth, height, width, channels] -> [planes, rows, columns, channels]``, as many of each as ``size`` says.

    Example:
        inputs: {volume: [6, 8, 8, 1]}
        layers: [{conv3d: {filters: 4, kernel: 3}}, {adaptive_avg_pool3d: 2}, flatten, {dense: 2}]

    Reference: He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition.
    """

    kind: ClassVar[str] = "adaptive_avg_pool3d"
    axes: ClassVar[int] = 3
    how: ClassVar[Literal["max", "average"]] = "average"


class AdaptiveMaxPool1d(AdaptivePooling):
    r"""$y_{p,c} = \max_{t \in W_p} x_{t,c}$ over as many windows as ``size`` says.

    Of n positions window $W_p$ has those from $\lfloor p n / size \rfloor$ up to $\lceil (p + 1) n / size \rceil$, so
    that windows cover all and overlap where ``size`` does not divide n: what follows sees one size. The gradient
    goes to the first winner of a window.

    Shapes: ``[length, channels] -> [positions, channels]``, as many of each as ``size`` says.

    Example:
        inputs: {x: [100, 3]}
        layers: [{conv1d: {filters: 16, kernel: 5}}, {adaptive_max_pool1d: 8}, flatten, {dense: 2}]

    Reference: He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition.
    """

    kind: ClassVar[str] = "adaptive_max_pool1d"
    axes: ClassVar[int] = 1
    how: ClassVar[Literal["max", "average"]] = "max"


class AdaptiveMaxPool2d(AdaptivePooling):
    r"""$y_{p,q,c} = \max_{t \in W_p,\, u \in W_q} x_{t,u,c}$ over as many windows as ``size`` says.

    Of n positions window $W_p$ has those from $\lfloor p n / size \rfloor$ up to $\lceil (p + 1) n / size \rceil$, so
    that windows cover all and overlap where ``size`` does not divide n: what follows sees one size. The gradient
    goes to the first winner of a window.

    Shapes: ``[height, width, channels] -> [rows, columns, channels]``, as many of each as ``size`` says.

    Example:
        inputs: {image: [16, 20, 3]}
        layers: [{conv2d: {filters: 8, kernel: 3}}, {adaptive_max_pool2d: [7, 7]}, flatten, {dense: 2}]

    Reference: He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition.
    """

    kind: ClassVar[str] = "adaptive_max_pool2d"
    axes: ClassVar[int] = 2
    how: ClassVar[Literal["max", "average"]] = "max"


class AdaptiveMaxPool3d(AdaptivePooling):
    r"""$y_{p,c} = \max_{t \in W_p} x_{t,c}$ over as many windows as ``size`` says, in three dimensions.

    Of n positions window $W_p$ has those from $\lfloor p n / size \rfloor$ up to $\lceil (p + 1) n / size \rceil$, so
    that windows cover all and overlap where ``size`` does not divide n: what follows sees one size. The gradient
    goes to the first winner of a window.

    Shapes: ``[depth, height, width, channels] -> [planes, rows, columns, channels]``, as many of each as ``size`` says.

    Example:
        inputs: {volume: [6, 8, 8, 1]}
        layers: [{conv3d: {filters: 4, kernel: 3}}, {adaptive_max_pool3d: 2}, flatten, {dense: 2}]

    Reference: He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition.
    """

    kind: ClassVar[str] = "adaptive_max_pool3d"
    axes: ClassVar[int] = 3
    how: ClassVar[Literal["max", "average"]] = "max"
