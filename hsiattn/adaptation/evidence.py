"""What speaks for and against an adapted model without labels, and with a few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation.target import TargetScene


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
        Mean share of the pixels on which another candidate has the same class; None without any other.
    outside
        Share of the pixels beyond the border of the model's domain; None where the model has none.
    accuracy
        Share of the few labelled pixels that is right, of left-out groups where they took part; None without any.
    groups
        The same as the mean over groups with its standard error; None without any, or with one group.
    """

    confidence: float
    information: float
    coherence: float
    agreement: float | None = None
    outside: float | None = None
    accuracy: float | None = None
    error: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The figures that there are, rounded, JSON-ready."""
        return {name: round(value, 4) for name, value in asdict(self).items() if value is not None}


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
        for first, second in (
            ((slice(1, None), slice(None)), (slice(-1), slice(None))),
            ((slice(None), slice(1, None)), (slice(None), slice(-1))),
        ):
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
