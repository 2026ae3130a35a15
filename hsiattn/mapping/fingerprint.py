"""What decides the pixels of a map: a journal that was begun with anything else is of no use."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from typing import Any

import numpy as np

from hsiattn.errors import SceneError
from hsiattn.mapping.window_classifier import Mask, WindowClassifier
from hsiattn.scenes import SceneSource


def what_decides_the_map(classifier: WindowClassifier) -> dict[str, Any]:
    """Everything that, if it changed, would change the pixels; JSON-ready."""
    model, source, engine = classifier.model, classifier.source, classifier.engine
    return {
        "model": model.digest,
        "scene": source.name,
        "scene's files": source.state_of_files(),
        "scene's grid": [source.height, source.width, str(source.crs), list(source.transform)[:6]],
        "scene's bands": hashlib.sha256(repr(source.bands.to_dict()).encode()).hexdigest()[:16],
        "scene's values": [str(source.dtype), source.nodata, source.radiometry.to_dict()],
        **({"scene's flags": source.names_left_out} if source.quality else {}),
        "part": [int(edge) for edge in classifier.plan.area.flatten()],
        "mask": _state_of_mask(classifier.mask),
        "confidence": classifier.confidence,
        "probabilities": classifier.probabilities,
        "smoothing": engine.smoothing.steps if engine.smoothing else None,
        "unknown": _state_of_unknown(classifier),
        **engine.describe(),
    }


class WatchedFiles:
    """The files that a map is made from, as they were when it was begun.

    Parameters
    ----------
    sources
        Scene and mask; what is in memory cannot change unnoticed.
    """

    def __init__(self, *sources: SceneSource | Mask | None) -> None:
        self._files = [(s.name, file) for s in sources if isinstance(s, SceneSource) for file in s.files]
        self._before = [_state(file) for _, file in self._files]

    def check(self) -> None:
        """Notice that one of them has been replaced, rewritten or cut: the map would be made from two scenes.

        Raises
        ------
        SceneError
            One has.
        """
        for (name, file), before in zip(self._files, self._before, strict=True):
            if _state(file) != before:
                what = file if file == name else f"{file}, a part of {name},"
                raise SceneError(f"{what} has changed while it was mapped", "map it again when it is complete")


def _state_of_unknown(classifier: WindowClassifier) -> dict[str, Any] | None:
    """How unknown material is told; which detector, too, since a model in memory has no digest."""
    rule = classifier.engine.unknown
    return None if rule is None else asdict(rule.tags(classifier.legend))


def _state(file: str) -> tuple[int, int, int, int] | None:
    """Which file it is, its size, and the time of its last change."""
    try:
        state = os.stat(file)
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def _state_of_mask(mask: Mask | None) -> str | list[list[int]] | None:
    if mask is None:
        return None
    if isinstance(mask, SceneSource):
        return mask.state_of_files()
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:16]
