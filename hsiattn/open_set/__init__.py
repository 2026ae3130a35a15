"""Materials that no class of a model stands for: how unlike the known classes a pixel is, and when it is unknown.

A `Detector` gives every pixel a score, higher where it is more likely of no known class, from what the network knows of
it: features of its penultimate layer, logits, and the prepared spectrum. An `OpenSet` has the scores of known pixels
beside it, of groups that neither network nor detector saw: they tell the threshold under which a share of the known
pixels, such as 95 %, stays known. A further detector is one module and one entry in `DETECTORS`.
"""

from __future__ import annotations

from hsiattn.open_set.by_name import DETECTORS, fit_detector
from hsiattn.open_set.calibrated import OpenSet
from hsiattn.open_set.detector import Detector, KnownPixels
from hsiattn.open_set.settings import OpenSetSettings

__all__ = ["DETECTORS", "Detector", "KnownPixels", "OpenSet", "OpenSetSettings", "fit_detector"]
