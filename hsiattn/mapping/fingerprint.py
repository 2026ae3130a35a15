"""What decides the pixels of a map: a journal that was begun with anything else is of no use."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch

from hsiattn.devices import choose_device, choose_precision
from hsiattn.mapping.window_classifier import Mask, WindowClassifier
from hsiattn.scenes import SceneSource


def what_decides_the_map(classifier: WindowClassifier) -> dict[str, Any]:
    """Everything that, if it changed, would change the pixels; JSON-ready."""
    bundle, source, device = classifier.bundle, classifier.source, choose_device(classifier.device)
    return {
        "model": bundle.digest,
        "scene": source.name,
        "scene's files": source.state_of_files(),
        "scene's grid": [source.height, source.width, str(source.crs), list(source.transform)[:6]],
        "scene's bands": hashlib.sha256(repr(source.bands.to_dict()).encode()).hexdigest()[:16],
        "scene's values": [str(source.dtype), source.nodata, source.radiometry.to_dict()],
        "part": [int(edge) for edge in classifier.plan.area.flatten()],
        "mask": _state_of_mask(classifier.mask),
        "confidence": classifier.confidence,
        "probabilities": classifier.probabilities,
        "smoothing": classifier.smoothing.steps if classifier.smoothing else None,
        "device": device.type,
        "precision": choose_precision(classifier.precision, device),
        "torch": torch.__version__,
    }


def _state_of_mask(mask: Mask | None) -> str | list[list[int]] | None:
    if mask is None:
        return None
    if isinstance(mask, SceneSource):
        return mask.state_of_files()
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:16]
