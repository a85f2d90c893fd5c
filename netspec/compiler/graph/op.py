"""The protocol of an op, and the registry that finds every op by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar, cast

from netspec.registry import Registry
from netspec.tensortype import Dim, Layout, Size, TensorType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from netspec.compiler.graph.builder import GraphBuilder
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.node import Graph, Node, Value

    Array: TypeAlias = npt.NDArray[Any]
    Real: TypeAlias = type[np.floating[Any]]

OPS: Registry[type[Op]] = Registry("ops")
"""Every op by name."""
PARTS: dict[str, type[Any]] = {}
"""Frozen dataclasses that stand in attributes of ops, by name; `part` adds one."""

Class = TypeVar("Class", bound=type[Any])


class UnsupportedError(Exception):
    """An op has no rule of the kind asked for; which one, and of what op, is in the message."""


@dataclass(frozen=True)
class Op:
    """A primitive: its fields are attributes of a node and are printed; all its rules stand in its file.

    Subclasses are frozen dataclasses with a class-level ``name``; defining one registers it. It is no `ABC`, of which
    `isinstance` takes several times as long: compiling a network of 50 layers asks 160,000 times.
    """

    name: ClassVar[str]
    stores_exactly: ClassVar[bool] = False
    """Whether its kernels write no byte behind the last column of a row."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "name" in vars(cls):
            OPS.join(cls.name, cls)

    @abstractmethod
    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """The types of the results.

        Raises:
            ShapeError: if the inputs do not fit.
        """

    @abstractmethod
    def reference(self, inputs: Sequence[Array], real: type[np.floating[Any]]) -> tuple[Array, ...]:
        """The results in NumPy, real numbers in the precision ``real``; what every kernel is compared with."""

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        """One cotangent for each input (None: no gradient flows), given one for each result (None: it is not used)."""
        raise UnsupportedError(f"`{self.name}` has no gradient")

    def lower(self, node: Node, lowering: Lowering) -> None:
        """Say which kernels compute ``node``."""
        raise UnsupportedError(f"`{self.name}` has no kernel of its own")

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        """How many multiplications with addition it takes; 0 for what moves or maps elements."""
        return 0

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        """How it works on samples in the lanes; None: in rows alone. ``results`` are its types in rows.

        An op whose results may lie in lanes has a field ``layouts``, a layout for each of them.
        """
        return None

    def bodies(self) -> tuple[Graph, ...]:
        """The graphs that it runs inside."""
        return ()

    def with_bodies(self, bodies: Sequence[Graph]) -> Self:
        """The op with other graphs inside, which compute the same."""
        return self

    def holds(self, node: Node) -> tuple[Dim | None, ...]:
        """For each input, how many bytes into each row of the only result it may be written at once.

        None: it is copied there. Only what `stores_exactly` can be asked to.
        """
        return (None,) * len(node.inputs)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Inputs on which the contract tests hold every rule of this op."""
        return iter(())

    def bind(self, sizes: Mapping[str, Dim]) -> Self:
        """The op with symbols in its attributes replaced."""
        changes = {f.name: _bind(getattr(self, f.name), sizes) for f in fields(self)}
        return replace(self, **changes) if changes else self


@dataclass(frozen=True)
class Lanes:
    """What an op takes and gives where samples lie in the lanes (`netspec.tensortype.Layout`).

    ``inputs`` says which it then wants so, ``results`` whether it gives its own so. ``always``: it works so wherever
    there are many samples; else only where one of those inputs lies in lanes anyway. ``rows`` are the layouts of its
    inputs in which it works on few samples, whose results then are rows; None: it works so on few samples too.
    """

    inputs: tuple[bool, ...]
    results: bool = True
    always: bool = False
    rows: tuple[Layout, ...] | None = None


@dataclass(frozen=True)
class Sample:
    """An op on inputs of given types, for the contract tests; ``low`` and ``high`` bound the random inputs.

    ``integers`` gives, for an input of integer dtype, the exclusive upper bound of its values.
    """

    op: Op
    types: tuple[TensorType, ...]
    low: float = -2.0
    high: float = 2.0
    integers: int = 2


def make(name: str, **attributes: Any) -> Op:
    """The op called ``name``: how what lies below the ops, such as the parser, makes one."""
    return cast("Callable[..., Op]", OPS[name])(**attributes)


def part(cls: Class) -> Class:
    """Let a frozen dataclass stand in an op's attributes: it is printed and parsed as ``Name(field=value, ...)``."""
    PARTS[cls.__name__] = cls
    return cls


def _bind(value: Any, sizes: Mapping[str, Dim]) -> Any:
    if isinstance(value, Size):
        return value.bind(sizes)
    if isinstance(value, tuple):
        return tuple(_bind(item, sizes) for item in value)
    if type(value).__name__ in PARTS:
        return replace(value, **{f.name: _bind(getattr(value, f.name), sizes) for f in fields(value)})
    return value.bind(sizes) if hasattr(value, "bind") else value  # a type, the body of a loop
