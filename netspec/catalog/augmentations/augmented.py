"""The graph of augmentations: pictures as they are stored become those of a training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from netspec.catalog.augmentations.affine import IDENTITY, Affine
from netspec.catalog.augmentations.kinds import Distorting, Geometric, ImageAugmentation, Pixelwise, Size
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.resample import Resample
from netspec.compiler.ops.slice import Slice
from netspec.data.augmentation import Augmentation
from netspec.tensortype import known

if TYPE_CHECKING:
    from netspec.catalog.augmentations.kinds import Array


def augmented(
    items: Mapping[str, Augmentation],
    image: Value,
    top: float,
    scope: Callable[[str], AbstractContextManager[Scope]],
    *,
    training: bool,
) -> Value:
    """What the network is given of pictures.

    Args:
        items: Augmentations by name, in their order.
        image: ``float32[B, H, W, C]``, raw pixels: 0 is what lies outside.
        top: A full pixel.
        scope: Where each of them is built, by its name.
        training: Elsewhere nothing is drawn, and of a larger picture the middle is seen.
    """
    height, width = (known(n) for n in image.type.shape[1:3])
    seen = _Seen(image, (height, width))
    for name, item in items.items():
        with scope(name) as g:
            seen = seen.after(g, item, top) if training else seen.cut(g, item)
            if name == list(items)[-1]:
                image = seen.resampled(g)
    return image


def constants(items: Mapping[str, Augmentation], size: Size) -> dict[str, Array]:
    """What the graph reads of the host beside random numbers, by the end of its keys."""
    found = {}
    for name, item in items.items():
        if isinstance(item, ImageAugmentation):
            found.update({f"{name}/{key}": array for key, array in item.constants(size).items()})
            size = item.size_after(size)
    return found


def size_after(items: Mapping[str, Augmentation], size: Size) -> Size:
    """The size of a picture after all of them.

    Raises:
        ShapeError: if one cannot be made of a picture of the size it gets.
    """
    for item in items.values():
        if isinstance(item, ImageAugmentation):
            size = item.size_after(size)
    return size


@dataclass(frozen=True)
class _Seen:
    """Pictures, and where their pixels stand in ``image``, from which they have yet to be taken."""

    image: Value
    size: Size
    source: Affine = IDENTITY
    whole: bool = True
    offsets: tuple[Value, ...] = ()

    def after(self, g: Scope, item: Augmentation, top: float) -> _Seen:
        if isinstance(item, Geometric):
            return self.moved(g, item)
        if isinstance(item, Distorting):
            return self.distorted(g, item)
        assert isinstance(item, Pixelwise)
        return _Seen(item.change(g, self.resampled(g), top), self.size)

    def cut(self, g: Scope, item: Augmentation) -> _Seen:
        """What is seen outside of training: pictures of the same size as in it."""
        assert isinstance(item, ImageAugmentation)
        size = item.size_after(self.size)
        return _Seen(_middle(g, self.image, size), size)

    def moved(self, g: Scope, item: Geometric) -> _Seen:
        if self.offsets:
            return _Seen(self.resampled(g), self.size).moved(g, item)
        source = self.source.after(g, item.source(g, self.size))
        return replace(self, size=item.size_after(self.size), source=source, whole=self.whole and item.copies)

    def distorted(self, g: Scope, item: Distorting) -> _Seen:
        """What is moved by a field is moved first: ``source`` of a place with an offset."""
        if self.offsets:
            return _Seen(self.resampled(g), self.size).distorted(g, item)
        return replace(self, whole=False, offsets=item.displacement(g, self.size))

    def resampled(self, g: Scope) -> Value:
        if self.source is IDENTITY and not self.offsets:
            return self.image
        return g.add(Resample(self.size, self.whole), self.image, *self.source.values(g), *self.offsets)


def _middle(g: Scope, image: Value, size: Size) -> Value:
    """The middle of larger pictures; smaller ones with zeros around them."""
    for axis, wanted in enumerate(size, 1):
        given = known(image.type.shape[axis])
        start = abs(given - wanted) // 2
        if given > wanted:
            image = g.add(Slice(axis, start, start + wanted), image)
        elif given < wanted:
            image = g.add(Pad(axis, start, wanted - given - start), image)
    return image
