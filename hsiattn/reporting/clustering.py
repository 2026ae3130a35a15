"""Spectra sorted into kinds that look alike, and how many kinds there are."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

MOST_KINDS = 6
"""Kinds that are looked for, at most."""

_CLEAR = 0.5
"""Mean silhouette below which structure is weak, and may be none (Kaufman and Rousseeuw 1990, table 4)."""

_LEAST_SHARE = 0.02
"""Share of the spectra that a kind has at least: a few odd pixels are no kind."""

_FEWEST = 5
_MEASURED = 600
"""Spectra of which silhouettes are taken: their cost grows with the square."""


def kinds_of(spectra: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.int64]:
    """The kind (N,) of every spectrum (N, B), the most frequent being 0.

    By k-means (Lloyd 1982) for two to six kinds; that number is taken whose silhouette (Rousseeuw 1987) is highest on
    the mean. Where it is below 0.5, or a kind would have less than a fiftieth of the spectra, there is one kind.

    Parameters
    ----------
    spectra
        (N, B), finite.
    seed
        Decides where k-means begins.

    Examples
    --------
    >>> two = np.repeat([[0.1, 0.4], [0.5, 0.2]], [10, 30], axis=0) + np.random.default_rng(0).normal(0, 0.01, (40, 2))
    >>> kinds_of(two).tolist() == [1] * 10 + [0] * 30
    True
    """
    best, highest = np.zeros(len(spectra), np.int64), _CLEAR
    for count in range(2, MOST_KINDS + 1):
        found = _k_means(spectra, count, seed)
        sizes = np.bincount(found, minlength=count)
        if sizes.min() < max(_FEWEST, _LEAST_SHARE * len(spectra)):
            continue
        silhouette = _silhouette(spectra, found, seed)
        if silhouette > highest:
            best, highest = found, silhouette
    order = np.argsort(-np.bincount(best), kind="stable")
    return np.asarray(np.argsort(order)[best], np.int64)


def _k_means(spectra: NDArray[np.float64], count: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if len(spectra) < count * _FEWEST:
        return np.zeros(len(spectra), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different spectra than kinds
        return np.asarray(KMeans(count, n_init=4, random_state=seed).fit_predict(spectra), np.int64)


def _silhouette(spectra: NDArray[np.float64], kinds: NDArray[np.int64], seed: int) -> float:
    from sklearn.metrics import silhouette_score

    some = np.random.default_rng(seed).permutation(len(spectra))[:_MEASURED]
    if len(np.unique(kinds[some])) < 2:
        return -1.0
    return float(silhouette_score(spectra[some], kinds[some]))
