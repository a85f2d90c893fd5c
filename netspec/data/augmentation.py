"""What an augmentation is: a random change of a training sample."""

from __future__ import annotations

from netspec.declared import Declared


class Augmentation(Declared, family="augmentation"):
    """A change drawn anew for every training sample; it acts in training only and is part of the graph."""
