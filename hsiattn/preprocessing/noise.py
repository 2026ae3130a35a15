"""Noise covariance from differences between neighbours, and minimum noise fraction components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST_SHARE = 1e-6
"""Variance added to all noise, as a share of its mean, so that bands without noise can be divided by it."""
_ROUNDS = 2


def noise_covariance(
    spectra: NDArray[np.floating], pairs: NDArray[np.int64], *, alike: float = 1.0
) -> NDArray[np.float64]:
    """Estimate the noise covariance (B, B) from neighbouring pixels, float64.

    Half the covariance of the differences between neighbours (Switzer and Green 1984, minimum/maximum autocorrelation
    factors). Differences across the borders of fields are no noise: with `alike` below 1 only that share of the pairs
    counts which differs least in the metric of the covariance itself; the covariance is then too small as a whole, by
    one factor in all directions. Without a pair it is 0.

    Parameters
    ----------
    spectra
        (N, B).
    pairs
        (E, 2) indices of neighbouring pixels.
    alike
        Share of the pairs that counts, 0 … 1.
    """
    from scipy import linalg  # only fitting needs it, and it takes a while to load

    if not len(pairs):
        return np.zeros((spectra.shape[1], spectra.shape[1]))
    differences = (spectra[pairs[:, 0]] - spectra[pairs[:, 1]]).astype(np.float64)
    covariance = differences.T @ differences / len(differences)
    for _ in range(_ROUNDS if alike < 1 else 0):
        metric = np.linalg.cholesky(_with_floor(covariance))
        distance = np.square(linalg.solve_triangular(metric, differences.T, lower=True)).sum(axis=0)
        kept = differences[distance <= np.quantile(distance, alike)]
        covariance = kept.T @ kept / len(kept)
    return np.asarray(covariance / 2)


def noise_components(total: NDArray[np.float64], noise: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Axes (count, B) of the minimum noise fraction transform (Green et al. 1988), the least noisy first.

    Scores have noise of unit variance, uncorrelated; signs are fixed so that the largest entry of an axis is positive.

    Parameters
    ----------
    total, noise
        Covariances (B, B) of the spectra and of their noise.
    """
    from scipy import linalg

    _, vectors = linalg.eigh(total, _with_floor(noise))
    axes = vectors[:, ::-1][:, :count].T
    return np.asarray(axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None])


def _with_floor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The covariance with a little variance of its own in every band."""
    count = len(covariance)
    return np.asarray(covariance + max(_LEAST_SHARE * np.trace(covariance) / count, 1e-12) * np.eye(count))
