"""What the kinds of augmentations have in common: those that move pixels, and those that change them in place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.catalog.augmentations.affine import Affine
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.mates import Mates
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reshape import Reshape
from netspec.data.augmentation import Augmentation
from netspec.tensortype import BATCH

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

Size: TypeAlias = tuple[int, int]
"""Height and width."""


class ImageAugmentation(Augmentation):
    """An augmentation of images alone."""

    def constants(self, size: Size) -> Mapping[str, Array]:
        """What its graph reads of the host beside random numbers, for pictures of that size, by the end of the key."""
        return {}

    def size_after(self, size: Size) -> Size:
        """The size of what it makes of a picture.

        Raises:
            ShapeError: if it cannot be made of one of that size.
        """
        return size


class Geometric(ImageAugmentation):
    """One that moves pixels. Those that follow one another are composed, so that a picture is resampled once."""

    @property
    def copies(self) -> bool:
        """Whether pixels move by whole numbers, and so are copied."""
        return False

    @abstractmethod
    def source(self, g: Scope, size: Size) -> Affine:
        """For each pixel of what it makes of a picture of ``size``, the place that it shows."""


class Distorting(ImageAugmentation):
    """One that moves each pixel by a distance of its own, together with the geometric ones before it."""

    @abstractmethod
    def displacement(self, g: Scope, size: Size) -> tuple[Value, Value]:
        """For each pixel of what it makes, how far down and across the place lies that it shows.

        Returns:
            Two fields ``float32[B, H * W]``.
        """


class Pixelwise(ImageAugmentation):
    """One that leaves pixels where they are."""

    @abstractmethod
    def change(self, g: Scope, image: Value, top: float) -> Value:
        """The images ``float32[B, H, W, C]`` changed; a full pixel is ``top``."""


class Mixing(Pixelwise):
    """One that mixes each sample with another of the batch, and their losses alike."""

    @abstractmethod
    def share(self, g: Scope) -> Value:
        """What a sample keeps of itself, ``float32[B]``."""

    @abstractmethod
    def draw(self, g: Scope) -> Value:
        """What chooses the other one, as `Mates` reads it."""

    def change(self, g: Scope, image: Value, top: float) -> Value:
        share, mate = of_samples(g, self.share(g)), g.add(Mates(), image, self.draw(g))
        # Not `x' + share * (x - x')`, which would not leave a sample as it is at a share of 1.
        return apply(g, "s * x + (1 - s) * m", s=share, x=image, m=mate)


def uniform(g: Scope, draw: str) -> Value:
    """A number for each sample, uniform on [0, 1); ``draw`` tells several apart."""
    return g.add(Random("uniform", (BATCH,)), *g.counter(draw))


def between(g: Scope, draw: str, low: float, high: float) -> Value:
    """A number for each sample, uniform from ``low`` to ``high``."""
    return apply(g, f"{low!r} + {high - low!r} * u" if low else f"{high!r} * u", u=uniform(g, draw))


def one_of(g: Scope, draw: str, count: int) -> Value:
    """A whole number for each sample, 0 to ``count - 1``, each as likely."""
    # The largest draw, 1 - 2**-24, times a count may round to the count itself.
    return apply(g, f"min(floor({count}.0 * u), {count - 1}.0)", u=uniform(g, draw))


def of_samples(g: Scope, number: Value) -> Value:
    """A number of each sample, beside images."""
    return g.add(Reshape((BATCH, 1, 1, 1)), number)
