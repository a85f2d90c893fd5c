"""What weights start with; the name of a file here adds its kinds."""

from netspec.catalog.initializers.constant import Constant, Given, Ones, Zeros
from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.initializers.scaled import GlorotUniform

__all__ = ["Constant", "Given", "GlorotUniform", "Initializer", "Ones", "Zeros"]

Initializer.kinds.lie_in(__name__, "constant", "orthogonal", "random", "scaled")
