"""A codebook of spectral patterns: a finite number of them, one of which is nearest to any pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 30
_NEAR, _TIMES_FARTHER = 0.99, 5.0
"""A pixel is like nothing that was seen where it lies five times as far from a pattern as all but the farthest
hundredth: nearer, a memory still helps where noise and stripes mislead a network; farther, it misleads as well."""
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, eq=False)
class Codebook:
    """P spectral patterns in a space of F dimensions.

    Attributes
    ----------
    projection
        (F, C) float32: from what is known of a pixel to the space of the patterns.
    centres
        (P, F) float32.
    reach
        Square of the distance from the nearest pattern beyond which a pixel is like nothing that was seen.

    Examples
    --------
    >>> book = Codebook(np.eye(2, dtype=np.float32), np.array([[0, 0], [3, 4]], np.float32))
    >>> book.patterns_of(np.array([[1.0, 1.0], [5.0, 5.0]], np.float32))
    array([0, 1])
    """

    projection: NDArray[np.float32]
    centres: NDArray[np.float32]
    reach: float = 1e30

    def __len__(self) -> int:
        return len(self.centres)

    def patterns_of(self, pixels: NDArray[np.floating]) -> NDArray[np.int64]:
        """Number (N,) of the pattern that is nearest to each of pixels (N, C), the first of equally near ones."""
        centres = self.centres.astype(np.float64)
        squares = np.square(centres).sum(axis=1)
        found = [np.empty(0, np.int64)]
        for start in range(0, len(pixels), _ROWS_AT_ONCE):
            part = pixels[start : start + _ROWS_AT_ONCE].astype(np.float64) @ self.projection.T.astype(np.float64)
            found.append((squares - 2 * part @ centres.T).argmin(axis=1))
        return np.concatenate(found)


def fit_codebook(
    pixels: NDArray[np.floating], projection: NDArray[np.floating], patterns: int, *, seed: int
) -> Codebook:
    """Find patterns by k-means among pixels.

    Parameters
    ----------
    pixels
        (N, C), at least one.
    projection
        (F, C), see `Codebook`.
    patterns
        P, or as many as there are different pixels.
    seed
        Decides where k-means begins.

    Examples
    --------
    >>> two = np.repeat(np.array([[0.0, 1.0], [4.0, 1.0]]), 5, axis=0)
    >>> book = fit_codebook(two, np.eye(2), patterns=8, seed=0)
    >>> len(book), sorted(np.bincount(book.patterns_of(two)).tolist())
    (2, [5, 5])
    """
    from sklearn.cluster import KMeans  # takes a second to load

    projected = (pixels @ projection.T).astype(np.float32)
    count = min(patterns, len(np.unique(projected, axis=0)))
    means = KMeans(count, n_init=1, max_iter=_ROUNDS, random_state=seed).fit(projected)
    centres = means.cluster_centers_.astype(np.float32)
    squares = np.square(projected - centres[means.labels_]).sum(axis=1)
    reach = _TIMES_FARTHER**2 * float(np.quantile(squares, _NEAR)) + 1e-6
    return Codebook(projection.astype(np.float32), centres, reach)


def leading_axes(pixels: NDArray[np.floating], axes: int) -> NDArray[np.float64]:
    """Principal axes (F, C) of pixels (N, C), those along which they vary most: F of them, or as many as vary.

    Fields differ along these. What is left out is mostly noise, and the fine structure across many bands that a
    perturbation made against a network consists of.

    Examples
    --------
    >>> leading_axes(np.array([[0.0, 1.0, 0.0], [4.0, 1.0, 0.0]]), 2)
    array([[1., 0., 0.]])
    """
    covariance = np.atleast_2d(np.cov(pixels.T.astype(np.float64), bias=True))
    variances, vectors = np.linalg.eigh(covariance)
    order = np.argsort(variances)[::-1][:axes]
    varying = order[variances[order] > max(variances.max() * 1e-10, 1e-20)]
    leading = vectors[:, varying if len(varying) else order[:1]].T
    return np.asarray(leading * np.sign(leading[np.arange(len(leading)), np.abs(leading).argmax(axis=1)])[:, None])
