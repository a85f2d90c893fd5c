"""Pictures seen through moved coordinates: what shifts, crops, flips, rotations and distortions of images call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netspec.compiler.kernels.kernel import Kernel

WORDS = ("image", "image_row", "target", "target_row", "samples", "height", "width", "channels", "made", "across")
MATRIX = 6  # numbers of an affine map of the plane


@dataclass(frozen=True)
class Resampling:
    """The static description: all that the code depends on.

    ``whole``: coordinates are whole numbers, so that a pixel is copied. ``displaced``: coordinates have an offset each.
    ``deep``: pixels have several channels.
    """

    whole: bool
    displaced: bool
    deep: bool

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        words = [name for name in ("whole", "displaced", "deep") if getattr(self, name)]
        return " ".join(["resample", *words])


def resample_kernel(resampling: Resampling) -> Kernel:
    """The kernel, split on rows: for each element of a sample, a blend of the four pixels around its source."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.resample_emit import emit_resample

        return emit_resample(resampling)

    return Kernel(resampling.text.replace(" ", "_"), resampling.text, build)


def resample_words(
    image: int,
    image_row: int,
    target: int,
    target_row: int,
    samples: int,
    space: Sequence[int],
    channels: int,
    size: Sequence[int],
    matrix: Sequence[int],
    displacement: Sequence[int] = (),
) -> list[int]:
    """The argument words; strides in bytes.

    Args:
        image: Where the first sample's pixels begin, ``[height, width, channels]`` of float32.
        image_row: Bytes to the next sample.
        target: Where the first sample is written, in whole vectors: its padding receives anything.
        target_row: Bytes to the next.
        samples: How many.
        space: Height and width of what is read.
        channels: Of a pixel.
        size: Height and width of what is made.
        matrix: The addresses of its six numbers for each sample.
        displacement: If displaced, addresses and bytes from a sample to the next: down, then across.

    Raises:
        ValueError: if the matrix has not six numbers.
    """
    if len(matrix) != MATRIX:
        raise ValueError(f"an affine map of the plane has {MATRIX} numbers, got {len(matrix)}")
    height, width = size
    made = height * width * channels
    return [image, image_row, target, target_row, samples, *space, channels, made, width, *matrix, *displacement]
