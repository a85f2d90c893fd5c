"""What weights start with; the name of a file here adds its kinds."""

from netspec.catalog.initializers.constant import Constant, Given, Ones, Parts, Zeros
from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.initializers.orthogonal import Orthogonal
from netspec.catalog.initializers.random import Uniform
from netspec.catalog.initializers.scaled import GlorotUniform

__all__ = ["Constant", "Given", "GlorotUniform", "Initializer", "Ones", "Orthogonal", "Parts", "Uniform", "Zeros"]

Initializer.kinds.lie_in(__name__, "constant", "orthogonal", "random", "scaled")
