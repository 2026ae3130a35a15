"""What stands in a report beside the figures: identity, spectra, attention, learning curve, split, pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.records import SupplementRecord

NO_CONFIDENCE = 255
"""Value of `Pictures.confidence` where none is known."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Rasters of a page, all on one grid of (h, w) pixels: that of the map, thinned so that the page stays small.

    Attributes
    ----------
    land_cover, reference
        (h, w) uint8: place in the class table of the report + 1; 0 = unclassified, unlabelled.
    step
        Rows and columns of the map per pixel.
    width, height
        Columns and rows of the map.
    transform
        Six numbers a, b, c, d, e, f of the map's grid (Affine order): x = a · column + b · row + c.
    crs
        Coordinate reference system in words; "" where there is none.
    geographic
        Whether coordinates are degrees.
    confidence
        (h, w) uint8, per cent, `NO_CONFIDENCE` where not known; None without.
    split
        (h, w) uint8, roles as in split rasters; None without.
    quicklook
        (h, w, 4) uint8, red, green, blue, opacity; None without a scene.
    quicklook_description
        What the quick-look shows, in words.
    """

    land_cover: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    step: int
    width: int
    height: int
    transform: tuple[float, float, float, float, float, float]
    crs: str = ""
    geographic: bool = False
    confidence: NDArray[np.uint8] | None = None
    split: NDArray[np.uint8] | None = None
    quicklook: NDArray[np.uint8] | None = None
    quicklook_description: str = ""


@dataclass(frozen=True, eq=False)
class Supplement:
    """What stands beside the figures of a report.

    Attributes
    ----------
    record
        Plain data, in the JSON of the report too.
    pictures
        Reads the pictures of the page, which takes another pass over map and reference, and so only when a page is
        made; None without.
    """

    record: SupplementRecord = field(default_factory=SupplementRecord)
    pictures: Callable[[], Pictures] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the plain data."""
        return dict(self.record)
