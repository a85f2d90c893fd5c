"""What a format of export is, and what it is given of a trained network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from netspec.compiler.graph import Graph
from netspec.data.fitting import Fitted
from netspec.spec.document import Document

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

FORMATS: Final[dict[str, type[Format]]] = {}


@dataclass(frozen=True)
class Answer:
    """How prediction names an output: the field that it tells, and its classes where it scores them."""

    name: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network as formats see it.

    ``graph`` is the predictor as it is built, before any pass: its inputs are the ``stored`` fields of raw rows, the
    ``constant`` arrays of scaling and the ``parameter`` arrays by their paths.
    """

    name: str
    origin: str
    """The run, and the step of its weights: what a file says of where it comes from."""
    document: Document
    resolved: str
    """The spec as text, with every default filled in."""
    graph: Graph
    weights: Mapping[str, Array]
    constants: Mapping[str, Array]
    fitted: Fitted
    answers: Mapping[str, Answer]

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(given.name for given in self.document.network.inputs)


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows to try a network on: its inputs as they are stored; ``rows`` are the raw rows they were made of, if any."""

    inputs: Mapping[str, Array]
    rows: Sequence[Mapping[str, Any]] | None = None

    @property
    def count(self) -> int:
        return len(next(iter(self.inputs.values())))


class Format(ABC):
    """A format: how a network is written, and how what was written is run to check it.

    A subclass with a ``name`` is a choice of ``netspec export --to``; its file in `netspec.export.formats` and the
    import line there are all of its registration.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    importable: ClassVar[bool] = False
    """Whether the file's name has to be a name of Python, if the user does not choose it."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        FORMATS[cls.name] = cls

    @abstractmethod
    def write(self, model: Model, path: Path) -> list[Path]:
        """Write ``model`` to ``path``, which ends in the suffix, and perhaps to files beside it; all that was written.

        Raises:
            NetspecError: if the format cannot say what the network does.
        """

    @abstractmethod
    def run(self, model: Model, path: Path, samples: Samples) -> Mapping[str, Array]:
        """The outputs that the written file gives, from raw rows where it can read them; by the graph's names."""
