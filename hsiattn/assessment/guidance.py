"""What stands between a user and better figures, in one line each: what is wrong, and the remedy.

All functions take plain figures and give sentences without a final full stop, as errors do; none where all is well.

Whether two classes are confused beyond what their spectra allow is judged by the Bhattacharyya distance B of their
spectra: the best possible classifier of single pixels errs in (1 - √(1 - e^-2B)) / 2 … e^-B / 2 of the pixels of two
equally frequent classes. Remote sensing writes it as the Jeffries-Matusita distance 2 (1 - e^-B), from 0 (alike) to 2
(apart).

Sources: Kailath 1967, IEEE Transactions on Communication Technology 15, 52-60 (bounds); Richards, Remote Sensing
Digital Image Analysis (Jeffries-Matusita distance); Ledoit & Wolf 2004, Journal of Multivariate Analysis 88, 365-411
(shrunk covariance); Donner & Zou 2012, Statistical Methods in Medical Research 21, 347-359 (interval of a mean of
proportions from the intervals of each).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from hsiattn.assessment.intervals import wilson_interval

_FEWEST_LABELS = 10
_MOST_UNEVEN = 20
_NAMED = 3  # classes that one sentence names
_NOISY = 0.05
_FEWEST_CONFUSED = 10
_ALIKE = 0.2  # Bayes error from which on spectra overlap
_MUCH_CONFUSED = 0.1
_STRAY = 0.02  # of the pixels of any two classes are odd in any reference
_FOLDS = 5
_MOST_PIXELS = 500  # per class: enough for a distance to within a few percent
_ODD = 3.0  # median distances from the median of a class
_FEWEST_PIXELS = 3  # per class, two of which remain when one is held out
_LIKE_EACH_OTHER = "merge them, add a date or bands, or label more of both"
_BEYOND_SPECTRA = (
    "look at these pixels: labels may be wrong, fields mixed at their borders, or unlike the fields trained on"
)


def advise_on_samples(training: Mapping[str, int], bands: int) -> list[str]:
    """On classes with fewer than 10 training pixels, and on one class having more than 20 times as many as another.

    Parameters
    ----------
    training
        Training pixels by class name.
    bands
        Of the scene.

    Examples
    --------
    >>> advise_on_samples({"grass": 40, "roof": 4}, bands=200)
    ['too few training pixels for 200 bands: roof has 4; label at least 6 more of roof']
    """
    advice = []
    few = sorted((count, name) for name, count in training.items() if count < _FEWEST_LABELS)
    if few:
        have = [f"{name} has {count or 'none'}" for count, name in few[:_NAMED]]
        want = [f"{_FEWEST_LABELS - count} more of {name}" for count, name in few[:_NAMED]]
        others = len(few) - len(have)
        if others:
            have.append(f"{others} more class{'es have' if others > 1 else ' has'} fewer than {_FEWEST_LABELS}")
            want = [f"{_FEWEST_LABELS} of each"]
        advice.append(f"too few training pixels for {bands} bands: {_listed(have)}; label at least {_listed(want)}")
    some = [(count, name) for name, count in training.items() if count > 0]
    if some:
        (least, rare), (most, frequent) = min(some), max(some)
        if most > _MOST_UNEVEN * least:
            cap = _MOST_UNEVEN * max(least, _FEWEST_LABELS)
            advice.append(
                f"training pixels are unbalanced: {most} of {frequent}, {least} of {rare}; label more of {rare}, "
                f"or draw fewer of the others with --set training.max_per_class={cap}"
            )
    return advice


def advise_on_leakage(leakage: float | None, window: int | None) -> list[str]:
    """On test pixels whose window holds training pixels.

    Parameters
    ----------
    leakage
        Share of such pixels, 0 … 1; None or NaN if not known.
    window
        Side of the window in pixels; None if not known.

    Examples
    --------
    >>> advise_on_leakage(0.5, window=9)[0].partition("; ")[2]
    'take --split blocks with --buffer 4 or more, or polygons that lie farther apart than that'
    """
    if leakage is None or not leakage > 0:
        return []
    seen = "their window" if window is None else f"their {window} × {window} window"
    buffer = "a --buffer of half the window or more" if window is None else f"--buffer {window // 2} or more"
    return [
        f"accuracy flatters, as {_percent(leakage)} of the test pixels have a training pixel in {seen}; "
        f"take --split blocks with {buffer}, or polygons that lie farther apart than that"
    ]


def advise_on_validation(pixels: int, accuracy: float) -> list[str]:
    """On a validation score whose 95 % interval (Wilson) reaches further than 5 points to either side.

    Parameters
    ----------
    pixels
        Validation pixels; 0 for none.
    accuracy
        Share of them that is right, 0 … 1; NaN if not known.

    Examples
    --------
    >>> advise_on_validation(1000, 0.9)
    []
    >>> advise_on_validation(40, 0.9)[0].partition(";")[0]
    'the validation score is likely noise: 90.0 % of 40 pixels may as well be 76.9–96.0 %'
    """
    if pixels < 1 or math.isnan(accuracy):
        return []
    lower, upper = (float(bound) for bound in wilson_interval(round(accuracy * pixels), pixels))
    if (upper - lower) / 2 <= _NOISY:
        return []
    return [
        f"the validation score is likely noise: {_percent(accuracy)} of {pixels} pixels may as well be "
        f"{100 * lower:.1f}–{_percent(upper)}; label more pixels, or choose settings by cross-validation and train on "
        "all of them with --set training.refit=true"
    ]


def advise_on_confusions(
    confusion: NDArray[np.integer[Any]], names: Sequence[str], separability: NDArray[np.float64] | None
) -> list[str]:
    """On pairs of classes that are confused beyond what their spectra allow, or that look alike to the sensor.

    The error of a pair is the mean of the two shares that each class loses to the other, among the test pixels of both
    that the map gives to either. A pair is named where at least 10 pixels are confused and the lower bound of the
    error's interval (95 % over all pairs together, pixels as independent) exceeds twice the largest Bayes error of its
    spectra, and 2 %. Spectra whose largest Bayes error is above 20 % look alike; such pairs are named where the lower
    bound exceeds 10 %.

    Parameters
    ----------
    confusion
        int (K, K): reference in rows, map in columns.
    names
        Of the K classes.
    separability
        float (K, K): Jeffries-Matusita distances, 0 … 2, as `jeffries_matusita` gives them, NaN where not known; None
        where none is, and then nothing is said.

    Returns
    -------
    list of str
        The pairs with the most confused pixels first.

    Raises
    ------
    ValueError
        Shapes do not fit.
    """
    count = len(names)
    if separability is None:
        return []
    if confusion.shape != (count, count) or separability.shape != (count, count):
        raise ValueError(f"{count} classes need counts and distances of the shape ({count}, {count})")
    found = []
    level = 1 - 0.05 / max(count * (count - 1) / 2, 1)
    for i, j in _pairs(count):
        lost = int(confusion[i, j] + confusion[j, i])
        tested = min(confusion[i, i] + confusion[i, j], confusion[j, j] + confusion[j, i])
        if lost < _FEWEST_CONFUSED or not tested or math.isnan(separability[i, j]):
            continue
        error, at_least = _pair_error(confusion, i, j, level)
        best, worst = (float(bound) for bound in bayes_error_bounds(separability[i, j]))
        confused = f"{names[i]} and {names[j]} are confused in {_percent(error)} of their test pixels"
        if worst > _ALIKE and at_least > _MUCH_CONFUSED:
            cause = f"and look alike: their training spectra leave {100 * best:.0f}–{100 * worst:.0f} % of error"
            found.append((lost, f"{confused}, {cause}; {_LIKE_EACH_OTHER}"))
        elif worst <= _ALIKE and at_least > max(2 * worst, _STRAY):
            cause = f"though their training spectra allow {_percent(worst)} at most"
            found.append((lost, f"{confused}, {cause}; {_BEYOND_SPECTRA}"))
    return [sentence for _, sentence in sorted(found, key=lambda item: -item[0])]


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
    for a, b in _pairs(len(scores)):
        ordered = _share_in_order(scores[a][:, b], -scores[b][:, a])
        distances[known[a], known[b]] = distances[known[b], known[a]] = float(ndtri(ordered)) ** 2 / 4
    return distances


def advice(
    *,
    training: Mapping[str, int] | None = None,
    bands: int = 1,
    leakage: float | None = None,
    window: int | None = None,
    validation_pixels: int = 0,
    validation_accuracy: float = math.nan,
    confusion: NDArray[np.integer[Any]] | None = None,
    names: Sequence[str] = (),
    separability: NDArray[np.float64] | None = None,
    most: int = 5,
) -> list[str]:
    """All advice in order of importance: what makes figures untrue, what labels lack, what confuses, what is noise.

    Parameters
    ----------
    training, bands
        As for `advise_on_samples`; None to leave it out.
    leakage, window
        As for `advise_on_leakage`.
    validation_pixels, validation_accuracy
        As for `advise_on_validation`.
    confusion, names, separability
        As for `advise_on_confusions`, of whose sentences the first two are taken; None to leave it out.
    most
        Sentences at most.

    Examples
    --------
    >>> advice(training={"roof": 50, "grass": 50}, bands=200, leakage=0.0, window=9)
    []
    """
    sentences = advise_on_leakage(leakage, window)
    if training is not None:
        sentences += advise_on_samples(training, bands)
    if confusion is not None:
        sentences += advise_on_confusions(confusion, names, separability)[:2]
    sentences += advise_on_validation(validation_pixels, validation_accuracy)
    return sentences[:most]


def _pairs(count: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(count) for j in range(i + 1, count))


def _pair_error(confusion: NDArray[np.integer[Any]], i: int, j: int, level: float) -> tuple[float, float]:
    """Mean of the shares that two classes lose to each other, and the lower bound of its interval (Donner & Zou)."""
    losses = np.array([confusion[i, j], confusion[j, i]], dtype=np.float64)
    totals = losses + np.array([confusion[i, i], confusion[j, j]])
    shares = losses / totals
    below = shares - wilson_interval(losses, totals, level)[0]
    return float(shares.mean()), float(shares.mean() - np.sqrt((below**2).sum()) / 2)


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
    reach = np.minimum(1.0, _ODD * np.median(lengths) / np.maximum(lengths, np.finfo(np.float64).tiny))
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


def _listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _percent(share: float) -> str:
    return "less than 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"
