"""What speaks for and against an adapted model without labels, and with a few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation.target import TargetScene

_ALL, _LATER, _EARLIER = slice(None), slice(1, None), slice(-1)
_SIDES = (((_LATER, _ALL), (_EARLIER, _ALL)), ((_ALL, _LATER), (_ALL, _EARLIER)))
"""Pairs of views of a plane by which every pixel meets its neighbours below and to the right."""


@dataclass(frozen=True)
class Evidence:
    """Figures of one candidate on the target scene.

    Attributes
    ----------
    confidence
        Mean probability of the chosen class.
    information
        Mutual information of pixel and class, as a share of the largest there can be: entropy of the mean probabilities
        less the mean of the entropies, by log K (Shi and Sha 2012, ICML, arXiv 1206.6438).
    coherence
        Share of neighbouring pixels with the same class, corrected for chance as kappa is: 0 for classes strewn at
        random, 1 for one field each.
    agreement
        Share of the pixels that have the class that `start` gives them.
    start
        The candidate that it began with: the source, or the one that pseudo-labels came from.
    distance
        How much farther spectra of the target lie from the training scene than its own lie from each other, see
        `closeness`; None where the method does not bring the target to the training scene.
    accuracy
        Share of the few labelled pixels that is right, of left-out groups where they took part; None without any.
    """

    confidence: float
    information: float
    coherence: float
    agreement: float | None = None
    distance: float | None = None
    accuracy: float | None = None
    start: str = "source"

    def to_dict(self) -> dict[str, Any]:
        """The figures that there are, rounded, JSON-ready."""
        figures = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: value if isinstance(value, str) else round(value, 4) for name, value in figures.items()}


def information(probabilities: NDArray[np.floating]) -> float:
    """See `Evidence`, of probabilities (N, K)."""
    shares = np.clip(probabilities.astype(np.float64), 1e-12, 1.0)
    mean = shares.mean(axis=0)
    of_all = -float(mean @ np.log(mean))
    of_each = -float((shares * np.log(shares)).sum(axis=1).mean())
    return max(0.0, of_all - of_each) / math.log(max(2, shares.shape[1]))


def coherence(classes: Sequence[NDArray[np.integer]], valid: Sequence[NDArray[np.bool_]]) -> float:
    """See `Evidence`, of class indices (h, w) of tiles and where they are valid; 0 where there is a single class."""
    same = pairs = 0
    counts = np.zeros(1 + max(int(each.max(initial=0)) for each in classes))
    for chosen, there in zip(classes, valid, strict=True):
        counts += np.bincount(chosen[there], minlength=len(counts))
        for first, second in _SIDES:
            both = there[first] & there[second]
            pairs += int(np.count_nonzero(both))
            same += int(np.count_nonzero((chosen[first] == chosen[second]) & both))
    frequencies = counts / max(counts.sum(), 1)
    chance = float(frequencies @ frequencies)
    if not pairs or chance > 1 - 1e-9:
        return 0.0
    return (same / pairs - chance) / (1 - chance)


def flat(target: TargetScene, probabilities: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Probabilities (N, K) of the valid pixels of all tiles."""
    return np.concatenate([own[:, part.valid].T for part, own in zip(target.tiles, probabilities, strict=True)])
