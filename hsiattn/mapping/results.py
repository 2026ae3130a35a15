"""Result of a window of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window


@dataclass(frozen=True)
class Seconds:
    """Time that each step of a window took."""

    reading: float = 0.0
    preparing: float = 0.0
    computing: float = 0.0


@dataclass(frozen=True, eq=False)
class WindowResult:
    """Land cover of one window.

    Attributes
    ----------
    number
        Number of the window in its plan.
    window
        Place in pixels of the map.
    values
        (h, w) uint8 or uint16, class index + 1, 0 where unclassified.
    confidence
        (h, w) float32 of the kind that was asked for, NaN where unclassified; None where none was.
    probabilities
        (K, h, w) float32, NaN where unclassified; None where none were asked for.
    missing
        Pixels that were wanted but hold no data.
    seconds
        Time that each step took.
    unscored
        Pixels that hold data but got no finite score from the network, and stay unclassified.
    scores
        (h, w) float32, those of the detector of unknown material, NaN where there is none; None where none were asked
        for. They are not kept in journals.
    """

    number: int
    window: Window
    values: NDArray[np.unsignedinteger[Any]]
    confidence: NDArray[np.float32] | None
    probabilities: NDArray[np.float32] | None
    missing: int
    seconds: Seconds
    unscored: int = 0
    scores: NDArray[np.float32] | None = None
