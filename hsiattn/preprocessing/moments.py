"""Moments of many spectra, accumulated chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import TrainingError

Chunks = Callable[[], Iterable[NDArray[np.float64]]]
"""Returns the spectra to fit on, as often as it is called, in pieces (n, B) that fit memory."""

Convert = Callable[[NDArray[Any]], NDArray[Any]]
"""Converts reflectance (n, B) into the spectra (n, B') that are scaled and projected: bands that vary, transformed."""


@dataclass(frozen=True, eq=False)
class RegionStatistics:
    """Moments of all pixels of a region, labelled or not: mean (B',), covariance and noise covariance (B', B').

    They are moments of converted spectra (`Convert`).
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    noise: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean (B,), covariance (B, B) and range (B,) of spectra, from one pass in float64."""

    count: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Sample standard deviation (B,)."""
        return np.sqrt(np.diag(self.covariance))

    @classmethod
    def of(cls, chunks: Iterable[NDArray[np.float64]]) -> Moments:
        """Compute the moments of all spectra (n, B) of the chunks.

        Raises
        ------
        TrainingError
            There is none.
        """
        count, origin, total, squares, low, high = 0, None, 0.0, 0.0, np.inf, -np.inf
        for chunk in chunks:
            if origin is None:
                origin = chunk.mean(axis=0)  # sums around a typical spectrum lose no digits
            centred = chunk - origin
            count += len(chunk)
            total = total + centred.sum(axis=0)
            squares = squares + centred.T @ centred
            low, high = np.minimum(low, chunk.min(axis=0)), np.maximum(high, chunk.max(axis=0))
        if origin is None:
            raise TrainingError("there is no valid spectrum to fit the preprocessing on", "check nodata and the labels")
        drift = np.asarray(total) / count
        covariance = (np.asarray(squares) - count * np.outer(drift, drift)) / max(count - 1, 1)
        return cls(count, origin + drift, covariance, np.asarray(low), np.asarray(high))
