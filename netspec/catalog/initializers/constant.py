"""Initializers that draw nothing: zeros, ones, a number, given numbers, a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.catalog.fields import Numbers, shape_of
from netspec.catalog.initializers.initializer import Initializer
from netspec.data.faults import data_error, unreadable
from netspec.declared import Items
from netspec.tensortype import Dim, ShapeError, Size, show_shape

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Zeros(Initializer):
    """All 0; what biases start with."""

    kind: ClassVar[str] = "zeros"

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        return 0.0


class Ones(Initializer):
    """All 1; what scales start with."""

    kind: ClassVar[str] = "ones"

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        return 1.0


class Constant(Initializer):
    """One number everywhere; a spec may write the bare number.

    Example:
        0.5
    """

    kind: ClassVar[str] = "constant"
    value: float = Field(description="The number.", examples=[0.1], json_schema_extra={"main": True})

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        return self.value


class Parts(Initializer):
    """A number for each of the equal parts of the last axis, such as the gates of a recurrent layer.

    Example:
        {parts: [0, 1, 0]}
    """

    kind: ClassVar[str] = "parts"
    numbers: Items[float] = Field(min_length=1, description="The numbers in order.", json_schema_extra={"main": True})

    def check(self, shape: tuple[Dim, ...]) -> None:
        last = shape[-1] if shape else 1
        if isinstance(last, int) and last % len(self.numbers):
            raise ShapeError(f"the last axis of {show_shape(shape)} has no {len(self.numbers)} equal parts")

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        import numpy as np

        return np.repeat(np.array(self.numbers, np.float64), shape[-1] // len(self.numbers))


class Given(Initializer):
    """The very values, as nested lists in the weight's shape; a spec may write the bare list.

    Example:
        [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]]
    """

    kind: ClassVar[str] = "given"
    numbers: Numbers = Field(
        description="The values, row by row.", examples=[[[1, 1], [-1, 1]]], json_schema_extra={"main": True}
    )

    def check(self, shape: tuple[Dim, ...]) -> None:
        given = shape_of(self.numbers)
        # A size that only the data will tell is checked when the values are drawn.
        same = [a == b or isinstance(b, Size) for a, b in zip(given, shape, strict=False)]
        if len(given) != len(shape) or not all(same):
            raise ShapeError(f"the given values are {show_shape(given)}, the weight is {show_shape(shape)}")

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        import numpy as np

        return np.array(self.numbers, np.float64)


class File(Initializer):
    """The values of a ``.npy`` file of the weight's shape.

    Example:
        {file: kernel.npy}
    """

    kind: ClassVar[str] = "file"
    path: str = Field(description="The file, from the folder of the spec.", json_schema_extra={"main": True})

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        import numpy as np

        try:
            array = np.load(self.path, allow_pickle=False)
        except OSError as error:
            raise unreadable(Path(self.path), error) from None
        except (ValueError, EOFError):
            array = None
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            message = f"{self.path} is no array of numbers in NumPy's format"
            raise data_error("unreadable-file", message, helps=["`numpy.save` writes one"])
        if array.shape != shape:
            message = f"{self.path} holds {show_shape(array.shape)}, and the weight is {show_shape(shape)}"
            raise data_error("wrong-shape", message)
        return np.asarray(array, np.float64)
