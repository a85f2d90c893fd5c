"""Pictures of coloured shapes with sentences about them, for networks that tell what they see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table

if TYPE_CHECKING:
    from numpy.random import Generator

    from netspec.data.table import Array

Form: TypeAlias = Literal["circle", "square", "triangle"]
_Part: TypeAlias = tuple[float, float]

_COLOURS: Final[Mapping[str, tuple[int, int, int]]] = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 220),
    "yellow": (230, 210, 50),
    "purple": (150, 60, 190),
    "white": (240, 240, 240),
}
_FORMS: Final[tuple[Form, ...]] = ("circle", "square", "triangle")
_RADII: Final[Mapping[str, tuple[float, float]]] = {"small": (0.09, 0.12), "large": (0.18, 0.22)}
"""The least and the largest half width of a size, as shares of a picture's."""
_ANYWHERE: Final[_Part] = (0.0, 1.0)
_DARKEST: Final = 48
"""Pixels behind the shapes lie from 0 to below this, drawn one by one."""


@dataclass(frozen=True)
class _Drawn:
    """A shape: its words, its place and half width as shares of the picture."""

    size: str
    colour: str
    form: Form
    y: float
    x: float
    radius: float

    @property
    def words(self) -> str:
        return f"a {self.size} {self.colour} {self.form}"


class Shapes(Source):
    """Drawn pictures of one or two coloured shapes: ``image [size, size, 3]``, and ``sentence``, which is text.

    A sentence is ``a small red circle``, or ``a small red circle above a large blue square``: of two shapes, one stands
    to the left of the other or above it, and never both, so that a picture has one sentence. Shapes are circles,
    squares and triangles in six colours and two sizes at random places, on dark noise. All rows are in ``train``.

    Example:
        data:
          source: {shapes: {rows: 20000, size: 32, seed: 0}}
          fields: {caption: {tokens: {of: sentence, end: true}}}
          split: {test: 0.1}
        network:
          inputs: {image: [32, 32, 3]}
          layers: [{conv2d: {filters: 8, kernel: 3}}]
    """

    kind: ClassVar[str] = "shapes"
    comes_along: ClassVar[bool] = True
    rows: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(description="How many pictures.")
    size: Annotated[int, pydantic.Field(ge=16)] = pydantic.Field(default=32, description="Their height and width.")
    seed: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(default=0, description="Another seed, other pictures.")

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {"image": fieldtype.image(self.size, self.size, 3), "sentence": fieldtype.TEXT}

    def sizes(self) -> Mapping[str, int]:
        return {"train": self.rows}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        generator = np.random.Generator(np.random.PCG64(self.seed))
        images = generator.integers(0, _DARKEST, (self.rows, self.size, self.size, 3), dtype=np.uint8)
        sentences = np.empty(self.rows, dtype=object)
        grid = (np.arange(self.size) + 0.5) / self.size
        for row in range(self.rows):
            shapes, sentences[row] = _scene(generator)
            for shape in shapes:
                images[row][_covered(shape, grid)] = _COLOURS[shape.colour]
        columns = {"image": images, "sentence": sentences}
        place = Place(f"the shapes of seed {self.seed}", 0)
        return make_table(columns, self.describe(base), places=(place,), origin=place.file)


def _scene(generator: Generator) -> tuple[list[_Drawn], str]:
    """One shape anywhere, or two in halves of the picture."""
    relation = ("", "left of", "above")[int(generator.integers(3))]
    if not relation:
        shape = _shape(generator, _ANYWHERE, _ANYWHERE)
        return [shape], shape.words
    halves = ((0.0, 0.5), (0.5, 1.0))
    parts = [(half, _ANYWHERE) if relation == "above" else (_ANYWHERE, half) for half in halves]
    shapes = [_shape(generator, *part) for part in parts]
    while not _level(shapes, relation):  # places only: that large shapes fit more often is not to make them frequent
        shapes = [_moved(generator, shape, *part) for shape, part in zip(shapes, parts, strict=True)]
    return shapes, f"{shapes[0].words} {relation} {shapes[1].words}"


def _level(shapes: list[_Drawn], relation: str) -> bool:
    """Whether two shapes share a row of the picture (or a column), so that no other relation could be told of them."""
    first, second = shapes
    apart = first.x - second.x if relation == "above" else first.y - second.y
    return abs(apart) < first.radius + second.radius


def _shape(generator: Generator, down: _Part, across: _Part) -> _Drawn:
    """A shape that lies whole in a part of the picture."""
    size = ("small", "large")[int(generator.integers(2))]
    colour = tuple(_COLOURS)[int(generator.integers(len(_COLOURS)))]
    form = _FORMS[int(generator.integers(len(_FORMS)))]
    radius = float(generator.uniform(*_RADII[size]))
    return _moved(generator, _Drawn(size, colour, form, 0.0, 0.0, radius), down, across)


def _moved(generator: Generator, shape: _Drawn, down: _Part, across: _Part) -> _Drawn:
    """The shape at a random place where it lies whole in a part of the picture."""
    y, x = (float(generator.uniform(low + shape.radius, high - shape.radius)) for low, high in (down, across))
    return replace(shape, y=y, x=x)


def _covered(shape: _Drawn, grid: Array) -> Array:
    """The pixels whose middle lies in a shape, ``bool[size, size]``."""
    import numpy as np

    y, x = (grid[:, None] - shape.y) / shape.radius, (grid[None, :] - shape.x) / shape.radius
    if shape.form == "circle":
        inside = y * y + x * x <= 1
    elif shape.form == "square":
        inside = np.maximum(abs(y), abs(x)) <= 1
    else:  # its tip is above: as wide as it is far down
        inside = (abs(y) <= 1) & (abs(x) <= (y + 1) / 2)
    found: Array = np.asarray(inside)
    return found
