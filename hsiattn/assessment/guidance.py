"""Advice on how to get better figures: one sentence each, with the problem and the remedy.

All functions take plain figures and give sentences without a final full stop, as errors do; none where all is well.
`hsiattn.assessment.caveats` has what is said before any advice.

Source: Donner & Zou 2012, Statistical Methods in Medical Research 21, 347-359 (interval of a mean of proportions from
the intervals of each).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.caveats import are_polygons
from hsiattn.assessment.formatting import format_share
from hsiattn.assessment.intervals import wilson_interval
from hsiattn.assessment.separability import bayes_error_bounds, pairs

_FEWEST_LABELS = 10
_MOST_UNEVEN = 20
_NAMED = 3  # classes that one sentence names
_NOISY = 0.05
_NOISY_CHOICES = 0.15
"""Half an interval beyond which choices by cross-validation are told to be noise.

With the twenty to sixty polygons that people draw it is about a tenth, which neither tells them anything nor keeps a
good classifier from being chosen."""
_FEWEST_CONFUSED = 10
_ALIKE = 0.2  # Bayes error from which on spectra overlap
_MUCH_CONFUSED = 0.1
_STRAY = 0.02  # of the pixels of any two classes are odd in any reference
_LIKE_EACH_OTHER = "merge them, add a date or bands, or label more of both"
_BEYOND_SPECTRA = (
    "look at these pixels: labels may be wrong, fields mixed at their borders, or unlike the fields trained on"
)


def advise_on_samples(training: Mapping[str, int], bands: int) -> list[str]:
    """Advise on classes with fewer than 10 training pixels, or 20 times fewer than another class.

    Parameters
    ----------
    training
        Training pixels by class name.
    bands
        Number of bands of the scene.

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
                f"or draw fewer of the others with training.max_per_class={cap}"
            )
    return advice


def advise_on_leakage(leakage: float | None, window: int | None) -> list[str]:
    """Advise on test pixels whose window holds training pixels.

    Parameters
    ----------
    leakage
        Share of such pixels, 0 … 1; None or NaN if not known.
    window
        Side of the window in pixels; None if not known.

    Examples
    --------
    >>> advise_on_leakage(0.5, window=9)[0].partition("; ")[2]
    'take split="blocks" with buffer=4 or more, or polygons that lie farther apart than that'
    """
    if leakage is None or not leakage > 0:
        return []
    seen = "their window" if window is None else f"their {window} × {window} window"
    buffer = "buffer= half the window or more" if window is None else f"buffer={window // 2} or more"
    return [
        f"accuracy is optimistic: {format_share(leakage)} of the test pixels have a training pixel in {seen}; "
        f'take split="blocks" with {buffer}, or polygons that lie farther apart than that'
    ]


def advise_on_validation(pixels: int, accuracy: float) -> list[str]:
    """Advise on a validation score whose 95 % interval (Wilson) is wider than ±5 points.

    Parameters
    ----------
    pixels
        Number of validation pixels; 0 for none.
    accuracy
        Share of them that is right, 0 … 1; NaN if not known.

    Examples
    --------
    >>> advise_on_validation(1000, 0.9)
    []
    >>> advise_on_validation(40, 0.9)[0].partition(", ")[0]
    'the validation score is likely noise: 90.0 % of 40 pixels may as well be 76.9–96.0 %'
    """
    interval, half = _interval(pixels, accuracy)
    if not half > _NOISY:
        return []
    return [
        f"the validation score is likely noise: {format_share(accuracy)} of {pixels} pixels may as well be {interval}, "
        "and it decides when training stops; label more pixels, or train without validation pixels as "
        'recipe="default" does'
    ]


def advise_on_cross_validation(pixels: int, accuracy: float, *, tested: bool, groups: int | None = None) -> list[str]:
    """Advise on the accuracy of cross-validation inside the training pixels.

    Without test pixels it is the only figure, and says nothing of places where nobody drew labels. With test pixels it
    only makes choices, which are likely noise where its 95 % interval (Wilson) is wider than ±15 points.

    Parameters
    ----------
    pixels
        Number of pixels that were left out in turn; 0 for none.
    accuracy
        Share of them that is right, 0 … 1; NaN if not known.
    groups
        Number of groups, such as polygons, that these pixels were left out in; None where each was by itself.
    tested
        Whether there are test pixels.

    Examples
    --------
    >>> advise_on_cross_validation(60, 0.9, tested=True)
    []
    >>> advise_on_cross_validation(12, 0.75, tested=True)[0].partition(";")[0]
    'choices by cross-validation are likely noise: 75.0 % of 12 training pixels may as well be 46.8–91.1 %'
    """
    trials = pixels if groups is None else groups
    grouped = are_polygons(pixels, trials)
    interval, half = _interval(trials, accuracy, whole=not grouped)
    where = f" in {trials} polygons" if grouped else ""
    if interval and not tested:
        return [
            f"accuracy is not known without test pixels: {format_share(accuracy)} ({interval}) of {pixels} training "
            f"pixels{where} are right in cross-validation, which says nothing of places without labels; hold pixels "
            'out with split="blocks"'
        ]
    if not half > _NOISY_CHOICES:
        return []
    return [
        f"choices by cross-validation are likely noise: {format_share(accuracy)} of {pixels} training pixels{where} "
        f"may as well be {interval}; label more {'places' if grouped else 'pixels'}"
    ]


def advise_on_confusions(
    confusion: NDArray[np.integer[Any]], names: Sequence[str], separability: NDArray[np.float64] | None
) -> list[str]:
    """Advise on pairs of classes that are confused more than their spectra explain, or whose spectra are alike.

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
        Names of the K classes.
    separability
        float (K, K): Jeffries-Matusita distances, 0 … 2, as `hsiattn.assessment.separability` gives them, NaN where
        not known; None where none is, and then nothing is said.

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
    for i, j in pairs(count):
        lost = int(confusion[i, j] + confusion[j, i])
        tested = min(confusion[i, i] + confusion[i, j], confusion[j, j] + confusion[j, i])
        if lost < _FEWEST_CONFUSED or not tested or math.isnan(separability[i, j]):
            continue
        error, at_least = _pair_error(confusion, i, j, level)
        best, worst = (float(bound) for bound in bayes_error_bounds(separability[i, j]))
        confused = f"{names[i]} and {names[j]} are confused in {format_share(error)} of their test pixels"
        if worst > _ALIKE and at_least > _MUCH_CONFUSED:
            left = "–".join(dict.fromkeys(f"{100 * bound:.0f}" for bound in (best, worst)))
            cause = f"and look alike: their training spectra leave {left} % of error"
            found.append((lost, f"{confused}, {cause}; {_LIKE_EACH_OTHER}"))
        elif worst <= _ALIKE and at_least > max(2 * worst, _STRAY):
            cause = f"though their training spectra allow {format_share(worst)} at most"
            found.append((lost, f"{confused}, {cause}; {_BEYOND_SPECTRA}"))
    return [sentence for _, sentence in sorted(found, key=lambda item: -item[0])]


def _interval(trials: int, accuracy: float, *, whole: bool = True) -> tuple[str, float]:
    """Wilson's interval (95 %) of an accuracy as text, and half its width; "" and 0 if not known.

    The number of right trials is whole, but for groups, which may be right in part.
    """
    if trials < 1 or math.isnan(accuracy):
        return "", 0.0
    right = round(accuracy * trials) if whole else accuracy * trials
    lower, upper = (float(bound) for bound in wilson_interval(right, trials))
    return f"{100 * lower:.1f}–{format_share(upper)}", (upper - lower) / 2


def _pair_error(confusion: NDArray[np.integer[Any]], i: int, j: int, level: float) -> tuple[float, float]:
    """Mean of the shares that two classes lose to each other, and the lower bound of its interval (Donner & Zou)."""
    losses = np.array([confusion[i, j], confusion[j, i]], dtype=np.float64)
    totals = losses + np.array([confusion[i, i], confusion[j, j]])
    shares = losses / totals
    below = shares - wilson_interval(losses, totals, level)[0]
    return float(shares.mean()), float(shares.mean() - np.sqrt((below**2).sum()) / 2)


def _listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
