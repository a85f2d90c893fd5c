"""Images seen through moved coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Buffer, Lowering
    from netspec.compiler.graph.op import Array, Real

LARGEST = 1 << 22
"""Elements of a picture: places are counted in float32."""


@dataclass(frozen=True)
class Resample(Op):
    r"""$y_{bijc} = x_b(v, u, c)$ with $v = a_b i' + b_b j' + c_b$ and $u = d_b i' + e_b j' + f_b$.

    $x(v, u, c)$ is bilinear between the pixels and zero outside. Inputs: the image ``float32[B, H, W, C]``; a, b, c, d,
    e, f, each ``float32[B]``; and, or not, offsets down and across, each ``float32[B, H' * W']``: $i'$ and $j'$ are $i$
    and $j$ with these added. ``size`` is $H', W'$. ``whole``: the coordinates are whole numbers, so that pixels are
    copied; others count as the nearest.

    No gradient flows back.
    """

    name: ClassVar[str] = "resample"
    size: tuple[int, int]
    whole: bool = False

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        image, *rest = inputs
        if image.rank != 4 or image.dtype != "float32":
            raise ShapeError(f"`resample` needs an image float32[B, H, W, C], got {image}")
        batch, pixels = image.shape[0], self.size[0] * self.size[1]
        expected: list[tuple[Dim, ...]] = [(batch,)] * 6 + [(batch, pixels)] * (len(rest) - 6)
        if len(rest) not in (6, 8) or [x.shape for x in rest] != expected:
            raise ShapeError(f"`resample` needs 6 numbers of a sample, and 2 or no fields of offsets, got {rest}")
        if max(known(n) for n in (product(image.shape[1:]), pixels * image.channels)) > LARGEST:
            raise ShapeError(f"`resample` takes images of {LARGEST:,} numbers at most, got {image}")
        return (TensorType("float32", (batch, *self.size, image.channels)),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        image, *rest = (np.asarray(x, np.float64) for x in inputs)
        a, b, c, d, e, f = (x[:, None, None] for x in rest[:6])
        i, j = (np.asarray(n, np.float64)[None] for n in np.mgrid[: self.size[0], : self.size[1]])
        if len(rest) > 6:
            i, j = (n + offset.reshape(-1, *self.size) for n, offset in zip((i, j), rest[6:], strict=True))
        v, u = a * i + b * j + c, d * i + e * j + f
        if self.whole:
            return (_pixels(image, np.floor(v + 0.5), np.floor(u + 0.5)).astype(real),)
        row, column = np.floor(v), np.floor(u)
        below, beside = (v - row)[..., None], (u - column)[..., None]
        upper, lower = (
            (1 - beside) * _pixels(image, n, column) + beside * _pixels(image, n, column + 1) for n in (row, row + 1)
        )
        return (((1 - below) * upper + below * lower).astype(real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.resample import Resampling, resample_kernel, resample_words
        from netspec.compiler.ops.stretch import relay

        image, *rest = (lowering.buffer(value) for value in node.inputs)
        wanted = lowering.buffer(node.value())
        target = wanted if _whole_vectors(wanted) else lowering.temporary(wanted.type, "vectors")
        samples, height, width, channels = image.type.shape
        arguments: dict[str, Argument] = {
            "image": Pointer(image),
            "image_row": image.row_stride,
            "target": Pointer(target),
            "target_row": target.row_stride,
            "samples": samples,
            "space": (height, width),
            "channels": channels,
            "size": self.size,
            "matrix": [Pointer(buffer) for buffer in rest[:6]],
            "displacement": [word for buffer in rest[6:] for word in (Pointer(buffer), buffer.row_stride)],
        }
        split = Split("rows", samples)
        kernel = resample_kernel(Resampling(self.whole, displaced=len(rest) > 6, deep=channels != 1))
        reads = [Access(buffer, split) for buffer in (image, *rest)]
        lowering.call(kernel, resample_words, arguments, reads, [Access(target, split)])
        if target is not wanted:
            relay(lowering, target, wanted)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        numbers = (TensorType("float32", (BATCH,)),) * 6
        for width, channels in ((1, 1), (15, 1), (16, 1), (17, 3), (33, 2)):
            image = TensorType("float32", (BATCH, 5, width, channels))
            for size in ((5, width), (4, 7)):
                offsets = (TensorType("float32", (BATCH, size[0] * size[1])),) * 2
                yield Sample(cls(size), (image, *numbers))
                yield Sample(cls(size), (image, *numbers, *offsets))
                yield Sample(cls(size, whole=True), (image, *numbers))


def _pixels(image: Array, row: Array, column: Array) -> Array:
    """The pixels at rows and columns ``[B, H', W']``; zero outside."""
    import numpy as np

    samples, height, width, _ = image.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    places = [np.where(inside, n, 0).astype(np.int64) for n in (row, column)]
    return np.where(inside[..., None], image[np.arange(samples)[:, None, None], places[0], places[1]], 0.0)


def _whole_vectors(buffer: Buffer) -> bool:
    """Whether each row has room for whole vectors."""
    return known(buffer.row_stride) >= -(-known(product(buffer.type.shape[1:])) // 16) * 64
