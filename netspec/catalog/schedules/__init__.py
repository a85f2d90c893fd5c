"""The kinds of schedules; one import line here adds a kind."""

from netspec.catalog.schedules import constant, epochs, plateau, smooth
from netspec.catalog.schedules.schedule import Moment, Schedule

__all__ = ["Moment", "Schedule", "constant", "epochs", "plateau", "smooth"]
