"""How far classes lie apart in their spectra, and what error that leaves to the best of classifiers.

Measured is the Bhattacharyya distance B: the best possible classifier of single pixels errs in
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

_FOLDS = 5
_MOST_PIXELS = 500  # per class: enough for a distance to within a few percent
_ODD = 3.0  # median distances from the median of a class
_FEWEST_PIXELS = 3  # per class, two of which remain when one is held out


def bayes_error_bounds(separability: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and largest error of the best classifier of two equally frequent classes (Kailath 1967).

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
    """Jeffries-Matusita distances, 0 … 2, of Bhattacharyya distances of any shape."""
    return np.asarray(-2 * np.expm1(-np.asarray(bhattacharyya, dtype=np.float64)))


def bhattacharyya_distances(spectra: ArrayLike, targets: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Bhattacharyya distances of all pairs of classes, from few pixels with many bands.

    Each pair is seen along its linear discriminant, from class means and one within-class covariance shrunk after
    Ledoit and Wolf. With ten pixels in 200 bands such a discriminant separates its own pixels perfectly, whatever the
    classes are; so it is found on four fifths of the pixels and measured on the fifth that was held out, in turns.
    Pixels that follow one another are held out together, since in raster order they are often neighbours. Odd pixels
    are drawn towards the median of their class before, lest a single one turns every discriminant.

    Measured is A, the share of pairs of held-out pixels, one of each class, that the discriminant puts in the right
    order (the area under the ROC curve). Normal classes of equal covariance with that share have the Bhattacharyya
    distance Φ⁻¹(A)² / 4. Unlike means and variances, ranks are not moved by one odd pixel, and they claim no more than
    the pixels can show: n pixels of each class lie at most as far apart as A = 1 - 1 / 2n² says. The distance is thus
    rather too small than too large, and an error that exceeds what it allows is remarkable.

    Parameters
    ----------
    spectra
        (N, B), any unit.
    targets
        int (N,), 0 … K - 1, in an order that keeps neighbours together; of more than 500 pixels of a class 500 are
        used, evenly spread.
    classes
        K.

    Returns
    -------
    ndarray of float64, shape (K, K)
        0 or more, symmetric, 0 on the diagonal; NaN for classes with fewer than 3 pixels.

    Raises
    ------
    ValueError
        Shapes or targets that do not fit, or spectra that are not finite.
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
    """All pairs of two different numbers below, the lower first."""
    return ((i, j) for i in range(count) for j in range(i + 1, count))


def _members(spectra: ArrayLike, targets: ArrayLike, classes: int) -> list[NDArray[np.float64]]:
    """Spectra (n, B) of each class, at most so many as are needed."""
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
    """Per class (n, K): where its pixels lie on its discriminants against each class, positive toward the own class.

    Zero is half way between the class means, one a standard deviation, both as the other pixels have it.
    """
    centre = np.concatenate(members).mean(axis=0)  # products of large values would lose digits
    members = [pixels - centre for pixels in members]
    folds = [np.arange(len(pixels)) * _FOLDS // len(pixels) for pixels in members]
    scores = [np.zeros((len(pixels), len(members))) for pixels in members]
    for fold in range(_FOLDS):
        training = [_drawn_in(pixels[own != fold]) for pixels, own in zip(members, folds, strict=True)]
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
    """Share of pairs of which the first is higher, ties by half; from chance, 1/2, to half a pair short of all."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left") + np.searchsorted(ordered, high, side="right")
    return float(np.clip(below.mean() / (2 * len(low)), 0.5, 1 - 0.5 / (len(high) * len(low))))


def _drawn_in(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels of one class (n, B), odd ones moved towards its median until they lie three median distances from it."""
    middle = np.median(pixels, axis=0)
    lengths = np.sqrt(((pixels - middle) ** 2).sum(axis=1))
    most = _ODD * np.median(lengths)
    reach = np.divide(most, lengths, out=np.ones_like(lengths), where=lengths > most)
    return np.asarray(middle + (pixels - middle) * reach[:, None])


def _whitening(classes: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Matrix (B, B) after which the shrunk covariance within classes is the identity."""
    from sklearn.covariance import ledoit_wolf  # takes a second to load, and reports do without it

    residuals = np.concatenate([part - part.mean(axis=0) for part in classes])
    deviation = residuals.std(axis=0)
    deviation = np.where(deviation > 1e-12 * max(deviation.max(), 1e-300), deviation, 1.0)
    shrunk, _ = ledoit_wolf(residuals / deviation, assume_centered=True)
    values, vectors = np.linalg.eigh(shrunk)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-9)) / deviation[:, None])
