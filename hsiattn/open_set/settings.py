"""Settings of the detection of unknown materials. They are read without torch, as recipes are."""

from __future__ import annotations

from typing import Literal

from hsiattn.settings import Settings

DetectorName = Literal["max-softmax", "energy"]


class OpenSetSettings(Settings):
    """How a model tells pixels of unknown materials from those of its classes.

    Parameters
    ----------
    detector
        See `hsiattn.open_set.DETECTORS`. Default: `energy`.

    Examples
    --------
    >>> OpenSetSettings(detector="max-softmax")
    OpenSetSettings(detector='max-softmax')
    """

    detector: DetectorName = "energy"
