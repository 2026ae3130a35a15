"""Folds that leave pixels out as far from those that are kept as the pixels lie that a model is for.

Scattered pixels resemble those beside them. Left out one by one they look known, where a map of other fields does not.
So they are left out in clusters of their positions, and the number of clusters is the one by which the distances of
left-out pixels to kept ones come nearest to those from the pixels in question to the training pixels (Linnenbrink et
al. 2024, Geoscientific Model Development 17, 5897-5912).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsiattn.folds import Fold, grouped_folds

_CLUSTERS = (80, 40, 20, 10)
"""Numbers of clusters to choose from, beside every group by itself."""
_MOST = 5000
"""Most pixels in question whose distances are looked at."""


def matched_groups(
    positions: NDArray[np.int64],
    targets: NDArray[np.int64],
    groups: NDArray[np.int64],
    asked: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    """Groups of scattered pixels that make folds like the pixels in question; given groups are merged, never divided.

    Parameters
    ----------
    positions, targets, groups
        (N, 2), (N,) and (N,) of the labelled pixels. Where most groups have several pixels, as polygons do, they stay.
    asked
        (M, 2) positions of the pixels that the model is for.
    seed
        Decides the clusters.

    Returns
    -------
    ndarray of int, shape (N,)

    Examples
    --------
    >>> positions = np.argwhere(np.ones((8, 8)))
    >>> targets, alone = positions[:, 1] % 2, np.arange(64)
    >>> len(np.unique(matched_groups(positions, targets, alone, positions + np.array([0, 100]), seed=0)))
    10
    """
    from scipy.spatial import cKDTree
    from sklearn.cluster import KMeans

    if 2 * len(np.unique(groups)) < len(groups) or not len(asked):
        return groups
    _, first, owner = np.unique(groups, return_index=True, return_inverse=True)
    some = np.random.default_rng((seed, 41)).permutation(len(asked))[:_MOST]
    away = np.asarray(cKDTree(positions).query(asked[some])[0])
    wanted = np.quantile(away[away > 0] if np.any(away > 0) else away, np.linspace(0, 1, 101))
    best, least = groups, np.inf
    for number in (None, *_CLUSTERS):
        if number is not None and 2 * number > len(first):
            continue
        merged = groups
        if number is not None:
            clusters = KMeans(number, n_init=1, random_state=seed).fit_predict(positions[first].astype(np.float64))
            merged = clusters.astype(np.int64)[owner]
        folds = grouped_folds(targets, merged, seed)
        if folds:
            off = float(np.abs(np.quantile(_distances(positions, folds), np.linspace(0, 1, 101)) - wanted).mean())
            best, least = (merged, off) if off < least else (best, least)
    return best


def _distances(positions: NDArray[np.int64], folds: list[Fold]) -> NDArray[np.float64]:
    """Distance of every left-out pixel to the nearest that its fold keeps."""
    from scipy.spatial import cKDTree

    return np.concatenate([cKDTree(positions[kept]).query(positions[aside])[0] for kept, aside in folds])
