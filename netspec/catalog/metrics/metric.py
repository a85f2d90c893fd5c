"""The base of all metrics."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from netspec.catalog.losses.loss import check_binding
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.data.fieldtype import FieldType
from netspec.declared import Declared
from netspec.tensortype import TensorType


class Metric(Declared, family="metric"):
    """What is told of a network's outputs beside the loss: a number a sample, summed, and one number of the sum.

    From and target belong to every metric and are no fields of a kind.
    """

    better: ClassVar[Literal["higher", "lower"]]

    def check(self, output: TensorType, target: FieldType) -> None:
        """Whether it can compare ``output``, batch first, with ``target``.

        Raises:
            ShapeError: if it cannot.
        """
        check_binding(self.kind, output, target)

    @abstractmethod
    def build(self, g: Scope, output: Value, target: Value, *, cut: float = 0.5, middle: float = 0.5) -> Value:
        """What each sample adds, ``float32[B]``.

        Args:
            g: Where the graph is built.
            output: ``float32[B, ...]``, as the loss sees it.
            target: Real numbers in the shape of ``output``; or classes, of an integer dtype, without its last axis.
            cut: Where a single output changes sides: 0 for logits, else as ``middle``.
            middle: Midway between the two values that a single target takes.
        """

    @abstractmethod
    def finish(self, total: float, count: int) -> float:
        """The metric of ``count`` samples that added up to ``total``."""
