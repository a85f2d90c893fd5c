"""The base of all initializers."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from netspec.catalog.streams import initial_key
from netspec.data.faults import data_error
from netspec.declared import Declared
from netspec.tensortype import Dim

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Initializer(Declared, family="initializer"):
    """What a weight starts with: a function of its shape and fans, the seed and its path, and of nothing else.

    So a layer added or taken away elsewhere changes no other weight. ``fans`` are the connections into and out of one
    unit: of a dense kernel ``[in, units]`` they are ``(in, units)``.
    """

    def check(self, shape: tuple[Dim, ...]) -> None:
        """Whether it can fill ``shape``; known without NumPy and before any data are open.

        Raises:
            ShapeError: if it cannot.
        """

    def draw(self, shape: tuple[int, ...], fans: tuple[int, int], seed: int, path: str) -> npt.NDArray[np.float32]:
        """The values, ``float32`` of ``shape``, C-contiguous.

        Raises:
            ShapeError: if it cannot fill ``shape``.
            DataError: if they are not finite in float32, or a file does not hold them.
        """
        import numpy as np

        self.check(shape)
        rng = np.random.Generator(np.random.Philox(key=initial_key(seed, path)))
        with np.errstate(over="ignore"):
            drawn = np.array(np.broadcast_to(self.values(rng, shape, fans), shape), np.float32, order="C")
        if not np.isfinite(drawn).all():
            raise data_error("not-finite", f"`{path}` would begin with numbers that float32 does not hold")
        return drawn

    @abstractmethod
    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        """The values, or what broadcasts to them."""
