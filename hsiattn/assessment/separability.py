"""Separability of classes in their spectra, and the error that it leaves to the best possible classifier.

The measure is the Bhattacharyya distance B: the best possible classifier of single pixels errs in
(1 - √(1 - e^-2B)) / 2 … e^-B / 2 of the pixels of two equally frequent classes. Remote sensing writes it as the
Jeffries-Matusita distance 2 (1 - e^-B), from 0 (alike) to 2 (apart).

Sources: Kailath 1967, IEEE Transactions on Communication Technology 15, 52-60 (bounds); Richards, Remote Sensing
Digital Image Analysis (Jeffries-Matusita distance); Ledoit & Wolf 2004, Journal of Multivariate Analysis 88, 365-411
(shrunk covariance).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from hsiattn.folds import FOLDS

_MOST_PIXELS = 500  # per class: enough for a distance to within a few percent
_OUTLYING = 3.0  # median distances from the median of a class
_FEWEST_PIXELS = 3  # per class: two remain when one is held out


def bayes_error_bounds(separability: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds of the error of the best classifier of two equally frequent classes (Kailath 1967).

    Parameters
    ----------
    separability
        Jeffries-Matusita distances, 0 … 2, any shape.

    Returns
    -------
    lower, upper
        Shares 0 … 0.5, that shape.

    Examples
    --------
    >>> [float(bound) for bound in bayes_error_bounds(0.0)], [float(bound) for bound in bayes_error_bounds(2.0)]
    ([0.5, 0.5], [0.0, 0.0])
    """
    overlap = np.clip(1 - np.asarray(separability, dtype=np.float64) / 2, 0.0, 1.0)  # e^-B
    return np.asarray((1 - np.sqrt(1 - overlap**2)) / 2), np.asarray(overlap / 2)


def jeffries_matusita(bhattacharyya: ArrayLike) -> NDArray[np.float64]:
    """Jeffries-Matusita distances, 0 … 2, of Bhattacharyya distances of any shape.

    >>> jeffries_matusita([0.0, np.inf]).tolist()
    [0.0, 2.0]
    """
    return np.asarray(-2 * np.expm1(-np.asarray(bhattacharyya, dtype=np.float64)))


def bhattacharyya_distances(spectra: ArrayLike, targets: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Bhattacharyya distances of all pairs of classes, estimated from few pixels with many bands.

    Each pair is projected on its linear discriminant, made of class means and one within-class covariance with Ledoit
    and Wolf's shrinkage. With ten pixels in 200 bands such a discriminant separates its own pixels perfectly, whatever
    the classes are, so it is cross-validated: fitted on four fifths of the pixels, applied to the rest. Pixels that
    follow one another are held out together, because in raster order they are often neighbours. Outliers are first
    moved towards the median of their class, so that a single one cannot turn the discriminants.

    The measure is A, the area under the ROC curve of the held-out pixels: the share of pairs, one pixel of each class,
    that the discriminant puts in the right order. Normal classes of equal covariance with that share have the
    Bhattacharyya distance Φ⁻¹(A)² / 4. Unlike means and variances, ranks are not moved by one outlier, and A is limited
    to what the pixels can show: 1 - 1 / 2n² for n pixels of each class. So the distance is rather too small than too
    large, and a larger error than it allows is worth a look.

    Parameters
    ----------
    spectra : array of float, shape (N, B)
        Spectra in any unit.
    targets : array of int, shape (N,)
        Class indices 0 … K - 1, in an order that keeps neighbours together; of more than 500 pixels of a class 500 are
        used, evenly spread.
    classes : int
        Number of classes K.

    Returns
    -------
    ndarray of float64, shape (K, K)
        0 or more, symmetric, 0 on the diagonal; NaN for classes with fewer than 3 pixels.

    Raises
    ------
    ValueError
        Shapes or targets that do not fit, or spectra that are not finite.

    Examples
    --------
    Two classes of equal covariance, 2 standard deviations apart, have the distance 2² / 8 = 0.5.

    >>> import numpy as np
    >>> targets = np.repeat([0, 1], 500)
    >>> spectra = np.random.default_rng(0).normal(size=(1000, 1)) + 2 * targets[:, None]
    >>> round(bhattacharyya_distances(spectra, targets, 2)[0, 1].item(), 1)
    0.5
    """
    members = _members(spectra, targets, classes)
    distances = np.full((classes, classes), np.nan)
    np.fill_diagonal(distances, 0.0)
    known = [k for k in range(classes) if len(members[k]) >= _FEWEST_PIXELS]
    scores = _held_out_scores([members[k] for k in known]) if len(known) > 1 else []
    for a, b in pairs(len(scores)):
        ordered = _share_in_order(scores[a][:, b], -scores[b][:, a])
        distances[known[a], known[b]] = distances[known[b], known[a]] = float(ndtri(ordered)) ** 2 / 4
    return distances


def pairs(count: int) -> Iterator[tuple[int, int]]:
    """All pairs of different numbers below `count`, the lower one first.

    >>> list(pairs(3))
    [(0, 1), (0, 2), (1, 2)]
    """
    return ((i, j) for i in range(count) for j in range(i + 1, count))


def _members(spectra: ArrayLike, targets: ArrayLike, classes: int) -> list[NDArray[np.float64]]:
    """Spectra (n, B) of each class, at most as many as needed."""
    values, codes = np.asarray(spectra), np.asarray(targets)
    if values.ndim != 2 or codes.shape != values.shape[:1]:
        raise ValueError(f"spectra must be (N, B) and targets (N,), not {values.shape} and {codes.shape}")
    if not np.isfinite(values).all() or not ((codes >= 0) & (codes < classes)).all():
        raise ValueError(f"spectra must be finite, and targets lie in 0 … {classes - 1}")
    members = []
    for k in range(classes):
        places = np.flatnonzero(codes == k)
        if len(places) > _MOST_PIXELS:
            places = places[np.linspace(0, len(places) - 1, _MOST_PIXELS).astype(np.int64)]
        members.append(values[places].astype(np.float64))
    return members


def _held_out_scores(members: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Scores (n, K) of the pixels of each class on its discriminants against each class, positive on its own side.

    Zero is half way between the class means, one a standard deviation, both estimated without the held-out pixels.
    """
    centre = np.concatenate(members).mean(axis=0)  # products of large values would lose digits
    members = [pixels - centre for pixels in members]
    folds = [np.arange(len(pixels)) * FOLDS // len(pixels) for pixels in members]  # neighbours share a fold
    scores = [np.zeros((len(pixels), len(members))) for pixels in members]
    for fold in range(FOLDS):
        training = [_without_outliers(pixels[own != fold]) for pixels, own in zip(members, folds, strict=True)]
        whiten = _whitening(training)
        means = np.stack([part.mean(axis=0) for part in training]) @ whiten
        lengths = (means**2).sum(axis=1)
        for k, (pixels, own) in enumerate(zip(members, folds, strict=True)):
            products = pixels[own == fold] @ whiten @ means.T
            offsets = products[:, [k]] - products - (lengths[k] - lengths) / 2
            apart = np.sqrt(((means[k] - means) ** 2).sum(axis=1))
            scores[k][own == fold] = offsets / np.where(apart > 0, apart, 1.0)
    return scores


def _share_in_order(high: NDArray[np.float64], low: NDArray[np.float64]) -> float:
    """Share of pairs of which the first is higher, ties by half; from chance, 1/2, to half a pair short of all.

    This is the area under the ROC curve. scikit-learn's takes 40 to 60 times as long, and every training asks for all
    pairs of classes.
    """
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left") + np.searchsorted(ordered, high, side="right")
    return float(np.clip(below.mean() / (2 * len(low)), 0.5, 1 - 0.5 / (len(high) * len(low))))


def _without_outliers(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels of one class (n, B), outliers moved towards its median to three median distances from it."""
    middle = np.median(pixels, axis=0)
    lengths = np.sqrt(((pixels - middle) ** 2).sum(axis=1))
    most = _OUTLYING * np.median(lengths)
    reach = np.divide(most, lengths, out=np.ones_like(lengths), where=lengths > most)
    return np.asarray(middle + (pixels - middle) * reach[:, None])


def _whitening(classes: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Matrix (B, B) that turns the shrunk covariance within classes into the identity."""
    from sklearn.covariance import ledoit_wolf  # takes a second to load, and reports do without it

    residuals = np.concatenate([part - part.mean(axis=0) for part in classes])
    deviation = residuals.std(axis=0)
    deviation = np.where(deviation > 1e-12 * max(deviation.max(), 1e-300), deviation, 1.0)
    shrunk, _ = ledoit_wolf(residuals / deviation, assume_centered=True)
    values, vectors = np.linalg.eigh(shrunk)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-9)) / deviation[:, None])
