"""Detectors by the names that recipes and model files use."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from hsiattn.open_set.detector import Detector, KnownPixels
from hsiattn.open_set.exposed import Exposed
from hsiattn.open_set.logit_scores import Energy, MaxSoftmax
from hsiattn.open_set.mahalanobis import Mahalanobis
from hsiattn.open_set.nearest import Nearest
from hsiattn.open_set.reconstruction import Reconstruction
from hsiattn.open_set.settings import OpenSetSettings
from hsiattn.open_set.spectrum import Spectrum

DETECTORS: Mapping[str, type[Detector]] = {
    kind.name: kind for kind in (Spectrum, Reconstruction, Energy, MaxSoftmax, Mahalanobis, Nearest, Exposed)
}
"""Every detector by its name; `OpenSetSettings` lists those that labelled pixels fit."""


@torch.no_grad()
def fit_detector(known: KnownPixels, settings: OpenSetSettings, *, seed: int) -> Detector:
    """The detector that the settings name, fitted on known pixels.

    Examples
    --------
    >>> known = KnownPixels(torch.randn(20, 8), torch.randn(20, 3), torch.randn(20, 30), torch.arange(20) % 3, 30)
    >>> fit_detector(known, OpenSetSettings(detector="energy"), seed=0)
    Energy()
    """
    return DETECTORS[settings.detector].fit(known, settings, seed=seed)
