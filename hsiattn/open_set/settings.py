"""Settings of the detection of unknown materials. They are read without torch, as recipes are."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hsiattn.settings import Settings

ACCEPT = 0.95
"""Share of the known pixels that stay known, where nobody asks for another one."""

DetectorName = Literal["spectrum", "reconstruction", "energy", "max-softmax", "mahalanobis", "nearest"]


class OpenSetSettings(Settings):
    """How a model tells pixels of unknown materials from those of its classes.

    Parameters
    ----------
    detector
        See `hsiattn.open_set.DETECTORS`. Default: `spectrum`, by far the best where it was measured.
    neighbours
        Of `nearest`: the known pixel whose distance counts, 1 for the nearest. Default: 1.
    companions
        Networks that are each trained without some groups of labelled pixels, which then tell the threshold: 1 … 5. Not
        where enough groups validate, nor for networks in closed form, of which there are 5, nor for `spectrum`, which
        reads no network. Default: 3.
    hidden, latent
        Of `reconstruction`: units of its dense layers and of its code. Default: 32 and 16, as published.

    Examples
    --------
    >>> OpenSetSettings(detector="max-softmax")
    OpenSetSettings(detector='max-softmax')
    """

    detector: DetectorName = "spectrum"
    companions: int = Field(default=3, ge=1, le=5)
    neighbours: int = Field(default=1, ge=1, le=1000)
    hidden: int = Field(default=32, ge=1, le=4096)
    latent: int = Field(default=16, ge=1, le=4096)
