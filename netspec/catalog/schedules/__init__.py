"""The kinds of schedules; the name of a file here adds its kinds."""

from netspec.catalog.schedules.schedule import Moment, Schedule

__all__ = ["Moment", "Schedule"]

Schedule.kinds.lie_in(__name__, "constant", "epochs", "plateau", "smooth")
