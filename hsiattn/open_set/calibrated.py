"""A detector with the scores of known pixels that it has not seen, which tell its threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.open_set.by_name import DETECTORS
from hsiattn.open_set.detector import Detector
from hsiattn.open_set.settings import ACCEPT

_PIXELS_AT_ONCE = 16_384
"""Pixels that are scored together: distances to many known pixels would need memory for each pair."""


@dataclass(frozen=True, eq=False)
class OpenSet:
    """A detector of unknown materials, and what it gives to known pixels.

    Attributes
    ----------
    detector
        Fitted on the training pixels.
    quantiles
        (101,) float32, ascending: scores of known pixels, of groups that network and detector did not see, below which
        0, 1, … 100 % of them lie.
    record
        How the quantiles came about, JSON-ready: `pixels` and `groups` they are of, `in_words`, and `warning`, where
        there is one.

    Examples
    --------
    >>> from hsiattn.open_set.logit_scores import Energy
    >>> open_set = OpenSet.of_scores(Energy(), np.linspace(-9, -1, 500), {"pixels": 500})
    >>> round(open_set.threshold(0.5), 2)
    -4.98
    >>> open_set.unknown(torch.zeros(2, 8), torch.tensor([[8.0, 1.0], [0.0, 1.0]]), torch.zeros(2, 30))
    tensor([False,  True])
    """

    detector: Detector
    quantiles: NDArray[np.float32]
    record: dict[str, Any]

    @classmethod
    def of_scores(cls, detector: Detector, scores: NDArray[Any], record: dict[str, Any]) -> Self:
        """An open set from scores (N,) of left-out known pixels."""
        quantiles = np.quantile(np.asarray(scores, np.float64), np.linspace(0, 1, 101)).astype(np.float32)
        return cls(detector, np.maximum.accumulate(quantiles), {"pixels": len(scores), **record})

    def threshold(self, accept: float = ACCEPT) -> float:
        """Score above which a pixel counts as unknown, so that a share of the known pixels, 0 … 1, stays known.

        The quantile is that of conformal prediction (Vovk et al. 2005), ⌈(n + 1) · accept⌉ / n with n scores, and the
        highest score where there is none so high.

        Raises
        ------
        ValueError
            The share is not between 0 and 1.
        """
        if not 0 < accept < 1:
            raise ValueError(f"the share of known pixels to accept must lie between 0 and 1, not {accept}")
        count = max(int(self.record.get("pixels", 0)), 1)
        level = min(math.ceil((count + 1) * accept - 1e-9) / count, 1.0)
        return float(np.interp(100 * level, np.arange(101), self.quantiles))

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """Scores (N,) as of `Detector.score`, of any number of pixels in bounded memory."""
        size = _PIXELS_AT_ONCE
        if len(logits) <= size:
            return self.detector.score(features, logits, look)
        parts = [slice(start, start + size) for start in range(0, len(logits), size)]
        return torch.cat([self.detector.score(features[part], logits[part], look[part]) for part in parts])

    def unknown(self, features: Tensor, logits: Tensor, look: Tensor, accept: float = ACCEPT) -> Tensor:
        """Whether each of N pixels (N,) is of no known class."""
        return self.score(features, logits, look) > self.threshold(accept)

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """The detector's arrays and the quantiles, by name."""
        arrays = {f"detector.{name}": array for name, array in self.detector.to_arrays().items()}
        return {**arrays, "quantiles": self.quantiles}

    def to_dict(self) -> dict[str, Any]:
        """Everything but arrays, JSON-ready."""
        return {"detector": self.detector.to_dict(), **self.record}

    def describe(self) -> dict[str, Any]:
        """What the detector is and how its threshold came about, JSON-ready."""
        return {**self.to_dict(), "accept": ACCEPT, "threshold": self.threshold()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any]) -> Self:
        """The open set that `to_arrays` and `to_dict` describe.

        Raises
        ------
        ValueError
            There is no such detector, or arrays are missing, of the wrong kind or do not ascend.
        """
        described, quantiles = record["detector"], arrays.get("quantiles")
        kind = DETECTORS.get(described["name"])
        if kind is None:
            raise ValueError(f"its detector {described['name']!r} is not known")
        if quantiles is None or quantiles.shape != (101,) or quantiles.dtype != np.float32:
            raise ValueError("its open set has no quantiles of scores")
        if not np.isfinite(quantiles).all() or (np.diff(quantiles) < 0).any():
            raise ValueError("the quantiles of its open set do not ascend")
        prefix = "detector."
        own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        if len(own) + 1 != len(arrays):
            raise ValueError("its open set has arrays that are not known")
        rest = {name: value for name, value in record.items() if name != "detector"}
        return cls(kind.from_arrays(own, described), quantiles, rest)
