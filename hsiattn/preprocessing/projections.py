"""Axes on which spectra are projected: principal and noise components; and scatter within classes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import TrainingError
from hsiattn.preprocessing.moments import Moments, RegionStatistics
from hsiattn.preprocessing.noise import noise_components

_LEAST_VARIANCE = 1e-9
"""Variance added to scaled bands within a class, so that simulated spectra without noise work too."""


def whitened_axes(moments: Moments, count: int) -> NDArray[np.float64]:
    """Principal axes divided by their deviations, (count, B); signs fixed so that the largest entry is positive."""
    values, vectors = np.linalg.eigh(moments.covariance)
    rank = min(moments.count - 1, len(values))
    if count > rank:
        raise TrainingError(
            f"{count} principal components cannot be fitted on {moments.count} spectra of {len(values)} bands",
            "label more pixels or lower preprocessing.principal_components",
        )
    leading = vectors[:, ::-1][:, :count].T
    leading *= np.sign(leading[np.arange(count), np.abs(leading).argmax(axis=1)])[:, None]
    return np.asarray(leading / np.sqrt(np.maximum(values[::-1][:count], 1e-12 * values[-1]))[:, None])


def rescaled(
    axes: NDArray[np.float64], centre: NDArray[np.float64], chunks: Iterable[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Axes and centre such that every component runs from 0 to 1 over the chunks."""
    low, high = np.full(len(axes), np.inf), np.full(len(axes), -np.inf)
    for chunk in chunks:
        scores = chunk @ axes.T + centre
        low, high = np.minimum(low, scores.min(axis=0)), np.maximum(high, scores.max(axis=0))
    span = np.where(high > low, high - low, 1.0)
    return axes / span[:, None], (centre - low) / span


def covariance_within(spectra: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Covariances of the classes (B, B), shrunk after Ledoit and Wolf 2004, averaged by their numbers of pixels.

    As in scikit-learn's `LinearDiscriminantAnalysis(shrinkage="auto")`, but a class with a single pixel says nothing
    about scatter and takes no part.
    """
    from sklearn.covariance import ledoit_wolf  # only fitting needs it, and it takes a second to load

    bands = spectra.shape[1]
    total, pixels = np.zeros((bands, bands)), 0
    for k in np.unique(targets):
        members = spectra[targets == k]
        if len(members) < 2:
            continue
        deviation = np.std(members, axis=0)
        deviation[deviation < 1e-9] = 1.0
        shrunk, _ = ledoit_wolf((members - members.mean(axis=0)) / deviation)
        total += len(members) * deviation[:, None] * shrunk * deviation
        pixels += len(members)
    if not pixels:
        raise TrainingError("every class has a single training pixel", "label at least two pixels of a class")
    covariance: NDArray[np.float64] = total / pixels + _LEAST_VARIANCE * np.eye(bands)
    return covariance


def noise_axes(region_statistics: RegionStatistics, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Axes (count, B) and centre (count,) of components that compress the strong ones.

    A component has noise of unit variance, and the first ones have hundreds of it; divided by 1 + deviation / 4, those
    that hardly rise above the noise keep their scale and none has a deviation above 4.
    """
    total, noise = region_statistics.covariance, region_statistics.noise
    axes = noise_components(total, noise, count)
    deviation = np.sqrt(np.maximum(np.einsum("ib,bc,ic->i", axes, total, axes), 0.0))
    axes = axes / (1.0 + deviation / 4.0)[:, None]
    return axes, -axes @ region_statistics.mean
