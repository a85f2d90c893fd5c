"""The kinds of schedules; one import line here adds a kind."""

from netspec.catalog.schedules import constant
from netspec.catalog.schedules.schedule import Schedule

__all__ = ["Schedule", "constant"]
