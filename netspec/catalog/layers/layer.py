"""The base of all layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.declared import Declared

Built: TypeAlias = "Value | Mapping[str, Value]"


class Layer(Declared, family="layer"):
    """A kind of layer: its fields, and the graph it builds.

    ``many`` layers (add, concat) take any number of inputs as their main field ``from``. Name, from, repeat, share,
    freeze, lr_scale, init and regularize belong to every layer and are no fields of a kind.
    """

    many: ClassVar[bool] = False

    @abstractmethod
    def build(self, g: Scope, *inputs: Value) -> Built:
        """The layer's value, or a map of its ports whose key ``""`` is the value itself.

        Raises:
            ShapeError: if the inputs do not fit; the message speaks of this layer, the advice is a way out.
        """
