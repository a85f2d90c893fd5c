"""The kinds of augmentations; the name of a file here adds its kinds."""

from netspec.catalog.augmentations.augmented import augmented, constants, size_after
from netspec.catalog.augmentations.kinds import Geometric, ImageAugmentation, Mixing, Pixelwise
from netspec.data.augmentation import Augmentation

__all__ = [
    "Augmentation",
    "Geometric",
    "ImageAugmentation",
    "Mixing",
    "Pixelwise",
    "augmented",
    "constants",
    "size_after",
]

Augmentation.kinds.lie_in(
    __name__, "crop", "cutout", "elastic", "flip", "mixup", "rotation", "scale", "shear", "shift", "tone"
)
