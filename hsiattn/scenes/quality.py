"""Layers by which a product says what is wrong with a pixel: cloud, haze, shadow, a defect of the sensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

LEFT_OUT = ("cloud", "cirrus", "haze", "cloud shadow", "defective")
"""Names of the layers whose pixels count as missing unless the user says otherwise."""

TOLD = ("snow", "water", "terrain shadow", "vegetation")
"""Names of the layers that a product may have and that are told, not left out."""


@dataclass(frozen=True, eq=False)
class QualityLayer:
    """One thing that a product says of its pixels.

    Attributes
    ----------
    name
        One of `LEFT_OUT` or `TOLD`.
    read
        The pixels (h, w) of a window of which it holds, bool. Picklable; opens its own handle.
    origin
        File or data set that it comes from, for messages.
    """

    name: str
    read: Callable[[Window], NDArray[np.bool_]]
    origin: str = ""
