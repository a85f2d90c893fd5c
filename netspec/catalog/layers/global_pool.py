"""Global pooling: one number for each channel, the mean or the largest over all places."""

from __future__ import annotations

from typing import ClassVar, Literal

from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import space_of
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.pool import Pool
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.windows import Window


class GlobalPooling(Layer):
    """What global poolings over any number of axes share."""

    axes: ClassVar[int]
    how: ClassVar[Literal["max", "average"]]

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        # One window as large as the map: samples that lie in the lanes stay there until each is a row of channels.
        windows = tuple(Window(n) for n in space_of(self.kind, self.axes, x))
        return g.add(Reshape((x.type.shape[0], x.type.channels)), g.add(Pool(self.how, windows), x))


class GlobalAvgPool1d(GlobalPooling):
    r"""$y_c = \operatorname{mean}_p x_{p,c}$ over all places of an axis.

    Shapes: ``[length, channels] -> [channels]``; length axes before them stay.

    Example:
        inputs: {x: [100, 3]}
        layers: [{conv1d: {filters: 16, kernel: 5}}, global_avg_pool1d, {dense: 2}]

    Reference: Lin, Chen & Yan 2014, Network in network.
    """

    kind: ClassVar[str] = "global_avg_pool1d"
    axes: ClassVar[int] = 1
    how: ClassVar[Literal["max", "average"]] = "average"


class GlobalAvgPool2d(GlobalPooling):
    r"""$y_c = \operatorname{mean}_{p,q} x_{p,q,c}$: each map as one number, in the place of large dense layers.

    Shapes: ``[height, width, channels] -> [channels]``; length axes before them stay.

    Example:
        inputs: {image: [12, 12, 1]}
        layers: [{conv2d: {filters: 16, kernel: 5, activation: relu}}, global_avg_pool2d, {dense: 10}]

    Reference: Lin, Chen & Yan 2014, Network in network.
    """

    kind: ClassVar[str] = "global_avg_pool2d"
    axes: ClassVar[int] = 2
    how: ClassVar[Literal["max", "average"]] = "average"


class GlobalAvgPool3d(GlobalPooling):
    r"""$y_c = \operatorname{mean}_p x_{p,c}$ over all places $p$ in three dimensions.

    Shapes: ``[depth, height, width, channels] -> [channels]``; length axes before them stay.

    Example:
        inputs: {volume: [6, 8, 8, 1]}
        layers: [{conv3d: {filters: 4, kernel: 3}}, global_avg_pool3d, {dense: 2}]

    Reference: Lin, Chen & Yan 2014, Network in network.
    """

    kind: ClassVar[str] = "global_avg_pool3d"
    axes: ClassVar[int] = 3
    how: ClassVar[Literal["max", "average"]] = "average"


class GlobalMaxPool1d(GlobalPooling):
    r"""$y_c = \max_p x_{p,c}$: the strongest response along an axis, wherever it is.

    Shapes: ``[length, channels] -> [channels]``; length axes before them stay. The gradient goes to the first winner.

    Example:
        inputs: {x: [100, 3]}
        layers: [{conv1d: {filters: 16, kernel: 5}}, global_max_pool1d, {dense: 2}]

    Reference: Collobert et al. 2011, Natural language processing (almost) from scratch.
    """

    kind: ClassVar[str] = "global_max_pool1d"
    axes: ClassVar[int] = 1
    how: ClassVar[Literal["max", "average"]] = "max"


class GlobalMaxPool2d(GlobalPooling):
    r"""$y_c = \max_{p,q} x_{p,q,c}$: the strongest response of each map, wherever it is.

    Shapes: ``[height, width, channels] -> [channels]``; length axes before them stay. The gradient goes to the first
    winner, row by row.

    Example:
        inputs: {image: [12, 12, 1]}
        layers: [{conv2d: {filters: 16, kernel: 5, activation: relu}}, global_max_pool2d, {dense: 10}]

    Reference: Oquab et al. 2015, Is object localization for free? Weakly-supervised learning with convolutional neural
    networks.
    """

    kind: ClassVar[str] = "global_max_pool2d"
    axes: ClassVar[int] = 2
    how: ClassVar[Literal["max", "average"]] = "max"


class GlobalMaxPool3d(GlobalPooling):
    r"""$y_c = \max_p x_{p,c}$ over all places $p$ in three dimensions.

    Shapes: ``[depth, height, width, channels] -> [channels]``; length axes before them stay. The gradient goes to the
    first winner.

    Example:
        inputs: {volume: [6, 8, 8, 1]}
        layers: [{conv3d: {filters: 4, kernel: 3}}, global_max_pool3d, {dense: 2}]

    Reference: Oquab et al. 2015, Is object localization for free? Weakly-supervised learning with convolutional neural
    networks.
    """

    kind: ClassVar[str] = "global_max_pool3d"
    axes: ClassVar[int] = 3
    how: ClassVar[Literal["max", "average"]] = "max"
