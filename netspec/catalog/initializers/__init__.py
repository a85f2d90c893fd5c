"""What weights start with; one import line here adds a kind."""

from netspec.catalog.initializers import constant, random, scaled
from netspec.catalog.initializers.constant import Constant, Given, Ones, Zeros
from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.initializers.scaled import GlorotUniform

__all__ = ["Constant", "Given", "GlorotUniform", "Initializer", "Ones", "Zeros", "constant", "random", "scaled"]
