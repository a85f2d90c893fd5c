"""The six data sets of TensorFlow Playground."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table

if TYPE_CHECKING:
    import numpy as np

    from netspec.data.table import Array

    Draw: TypeAlias = tuple[Array, Array]
    """Points ``[rows, 2]`` and the label of each."""

Shape: TypeAlias = Literal["circle", "xor", "gauss", "spiral", "reg-plane", "reg-gauss"]
_HILLS: Final = ((-4, 2.5, 1), (0, 2.5, -1), (4, 2.5, 1), (-4, -2.5, -1), (0, -2.5, 1), (4, -2.5, -1))


class Playground(Source):
    """Points in the plane, as TensorFlow Playground draws them: fields ``x [2]`` and ``label [1]``, all in ``train``.

    Labels are -1 and 1; for ``reg-plane`` and ``reg-gauss`` numbers between. Other fields can be made of ``x1`` and
    ``x2``, as in ``x: {number: [x1, x2, "x1*x2", "sin(x1)"]}``. Noise moves the points (``gauss``, ``spiral``), or the
    place at which their label is read (all others).

    - ``circle``: within 2.5 of the origin 1, from 3.5 to 5 around it -1
    - ``xor``: 1 where x1 and x2 have one sign, with an empty band of 0.3 on each side of the axes
    - ``gauss``: normal around (2, 2) and (-2, -2), of variance 0.5 + 7 noise
    - ``spiral``: two arms of 1.75 turns
    - ``reg-plane``: (x1 + x2) / 10
    - ``reg-gauss``: six cones of radius 2 with alternating signs

    Example:
        data: {source: {playground: {kind: circle, noise: 0.1}}, split: {test: 0.5}}
        network:
          inputs: {x: [2]}
          layers: [{dense: {units: 4, activation: tanh}}, {dense: {units: 1, activation: tanh}}]
        loss: squared_error

    Reference:
        Smilkov, Carter, Sculley, Viegas, Wattenberg 2017, Direct-manipulation visualization of deep networks.
    """

    kind: ClassVar[str] = "playground"
    comes_along: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("x1", "x2")
    shape: Shape = pydantic.Field(alias="kind", description="Which of them.", json_schema_extra={"main": True})
    noise: Annotated[float, pydantic.Field(ge=0, le=1)] = pydantic.Field(
        default=0.0, description="0 to 1; the playground's slider in percent, by 100. It goes up to 0.5 there."
    )
    rows: Annotated[int, pydantic.Field(ge=2)] | None = pydantic.Field(
        default=None,
        description="How many points; by default 500, and 1200 for `reg-plane` and `reg-gauss`, as there.",
        examples=[500],
    )
    seed: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(default=0, description="Another seed, other points.")

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {
            "x": fieldtype.number(2),
            "label": fieldtype.number(1),
            "x1": fieldtype.number(),
            "x2": fieldtype.number(),
        }

    def sizes(self) -> Mapping[str, int]:
        return {"train": self.rows or (1200 if self.shape.startswith("reg") else 500)}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        rows = self.sizes()["train"]
        generator = np.random.Generator(np.random.PCG64([self.seed, *self.shape.encode()]))
        # Of two halves, each as large: an odd number is one point less of the second.
        points, labels = _DRAW[self.shape](generator, rows + rows % 2, self.noise)
        x = points[:rows].astype(np.float32)
        columns = {"x": x, "label": labels[:rows, None].astype(np.float32), "x1": x[:, 0], "x2": x[:, 1]}
        place = Place(f"the playground's {self.shape}", 0)
        return make_table(columns, self.describe(base), places=(place,), origin=place.file)


def _circle(g: np.random.Generator, rows: int, noise: float) -> Draw:
    import numpy as np

    half = rows // 2
    radius = np.concatenate([g.uniform(0, 2.5, half), g.uniform(3.5, 5, half)])
    angle = g.uniform(0, 2 * np.pi, rows)
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    read = points + noise * g.uniform(-5, 5, (rows, 2))
    return points, np.where(np.hypot(read[:, 0], read[:, 1]) < 2.5, 1, -1)


def _xor(g: np.random.Generator, rows: int, noise: float) -> Draw:
    import numpy as np

    points = g.uniform(-5, 5, (rows, 2))
    points += np.where(points > 0, 0.3, -0.3)
    read = points + noise * g.uniform(-5, 5, (rows, 2))
    return points, np.where(read[:, 0] * read[:, 1] >= 0, 1, -1)


def _gauss(g: np.random.Generator, rows: int, noise: float) -> Draw:
    import numpy as np

    labels = np.repeat([1, -1], rows // 2)
    return 2.0 * labels[:, None] + np.sqrt(0.5 + 7 * noise) * g.standard_normal((rows, 2)), labels


def _spiral(g: np.random.Generator, rows: int, noise: float) -> Draw:
    import numpy as np

    half = rows // 2
    share = np.tile(np.arange(half) / half, 2)
    angle = 1.75 * 2 * np.pi * share + np.repeat([0, np.pi], half)
    points = 5 * share[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return points + noise * g.uniform(-1, 1, (rows, 2)), np.repeat([1, -1], half)


def _plane(g: np.random.Generator, rows: int, noise: float) -> Draw:
    points = g.uniform(-6, 6, (rows, 2))
    read = points + noise * g.uniform(-6, 6, (rows, 2))
    return points, read.sum(axis=1) / 10


def _hills(g: np.random.Generator, rows: int, noise: float) -> Draw:
    import numpy as np

    points = g.uniform(-6, 6, (rows, 2))
    read = points + noise * g.uniform(-6, 6, (rows, 2))
    # The cones do not meet in their middle thirds; where two do, the higher one counts.
    heights = np.stack([sign * np.clip(1 - np.hypot(*(read - (a, b)).T) / 2, 0, 1) for a, b, sign in _HILLS], axis=1)
    return points, heights[np.arange(rows), np.argmax(np.abs(heights), axis=1)]


_DRAW: Final[Mapping[str, Callable[[np.random.Generator, int, float], Draw]]] = {
    "circle": _circle,
    "xor": _xor,
    "gauss": _gauss,
    "spiral": _spiral,
    "reg-plane": _plane,
    "reg-gauss": _hills,
}
