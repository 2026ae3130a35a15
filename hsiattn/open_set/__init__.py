"""Materials that no class of a model stands for: how unlike the known classes a pixel is, and when it is unknown.

A `Detector` gives every pixel a score, higher where it is more likely of no known class, from what the network knows of
it: features of its penultimate layer and logits, or of what the pixel looks like
beside it, its spectrum and surroundings. An `OpenSet` has the scores of known pixels
beside it, of groups that neither network nor detector saw: they tell the threshold under which a share of the known
pixels, such as 95 %, stays known. A further detector is one module and one entry in
`DETECTORS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.lazy import lazily
from hsiattn.open_set.settings import OpenSetSettings

if TYPE_CHECKING:
    from hsiattn.open_set.by_name import DETECTORS, fit_detector
    from hsiattn.open_set.calibrated import OpenSet
    from hsiattn.open_set.detector import Detector, KnownPixels

__all__ = ["DETECTORS", "Detector", "KnownPixels", "OpenSet", "OpenSetSettings", "fit_detector"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "DETECTORS": "hsiattn.open_set.by_name",
        "Detector": "hsiattn.open_set.detector",
        "KnownPixels": "hsiattn.open_set.detector",
        "OpenSet": "hsiattn.open_set.calibrated",
        "fit_detector": "hsiattn.open_set.by_name",
    },
)  # torch takes seconds to load, and recipes are read without it
