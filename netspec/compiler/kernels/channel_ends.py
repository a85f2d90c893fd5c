"""What becomes of the numbers that samples give for each channel: an epilogue over 16 channels in the lanes."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.compiler.kernels.kernel import Ended


@dataclass(frozen=True)
class ChannelEnds(Ended):
    """``epilogue`` takes ``count`` numbers of a channel and the extras, and gives the results."""

    count: int

    @property
    def text(self) -> str:
        """Canonical, part of the key of the object cache."""
        return f"{self.count} {self.ending}"
