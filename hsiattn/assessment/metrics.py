"""Measures of accuracy, as functions of integer counts, in float64.

Every function takes

confusion
    (…, K, K) counts n_ij: pixels of reference class i (row) that the map calls j (column);
unclassified
    (…, K) counts of pixels of each reference class that the map leaves unclassified; None for none.

and works on any number of leading axes (the bootstrap uses one). With the row total n_i+ = Σ_j n_ij + unclassified_i,
the column total n_+i, and n = Σ_i n_i+, a test pixel without a class in the map is an error of omission: it stands in n
and n_i+, and in no column. A quotient 0/0 is NaN: a figure that the test pixels do not define is not 0 and not 1.

>>> import numpy as np
>>> confusion = np.array([[45, 5], [10, 40]])
>>> overall_accuracy(confusion).item(), producers_accuracy(confusion).tolist(), round(kappa(confusion).item(), 6)
(0.85, [0.9, 0.8], 0.7)

Sources: Congalton & Green, Assessing the Accuracy of Remotely Sensed Data (error matrix, producer's and user's
accuracy); Cohen 1960, A coefficient of agreement for nominal scales (kappa); Gorodkin 2004, Comparing two K-category
assignments by a K-category correlation coefficient, Computational Biology and Chemistry 28, 367-374 (Matthews
correlation of several classes).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

_ROUNDING = 1e-13
"""Far below 1 / n for any number of pixels n, and above what rounding makes of 0."""


def reference_totals(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """n_i+: test pixels of each class in the reference (its support), unclassified ones included; shape (…, K)."""
    totals: Floats = confusion.sum(axis=-1, dtype=np.float64)
    return totals if unclassified is None else np.asarray(totals + unclassified)


def map_totals(confusion: Counts) -> Floats:
    """n_+i: test pixels that the map puts into each class; shape (…, K)."""
    return np.asarray(confusion.sum(axis=-2, dtype=np.float64))


def overall_accuracy(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Share of all test pixels that the map has right: Σ n_ii / n; shape (…)."""
    return ratio(diagonal(confusion).sum(axis=-1), reference_totals(confusion, unclassified).sum(axis=-1))


def producers_accuracy(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Share of the reference pixels of a class that the map finds (recall): n_ii / n_i+; shape (…, K)."""
    return ratio(diagonal(confusion), reference_totals(confusion, unclassified))


def users_accuracy(confusion: Counts) -> Floats:
    """Share of the map's pixels of a class that are of that class (precision): n_ii / n_+i; shape (…, K)."""
    return ratio(diagonal(confusion), map_totals(confusion))


def f1_score(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Harmonic mean of producer's and user's accuracy: 2 n_ii / (n_i+ + n_+i); shape (…, K).

    0 for a class that is in the reference but never in the map; NaN for one that is in neither.
    """
    return ratio(2 * diagonal(confusion), reference_totals(confusion, unclassified) + map_totals(confusion))


def intersection_over_union(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Jaccard index: n_ii / (n_i+ + n_+i - n_ii); shape (…, K)."""
    right = diagonal(confusion)
    return ratio(right, reference_totals(confusion, unclassified) + map_totals(confusion) - right)


def average_accuracy(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Mean of the producer's accuracies of the classes that have reference pixels; shape (…).

    Classes without reference pixels have no producer's accuracy and are left out; a class that the map never finds
    counts with 0. NaN where no class has reference pixels.
    """
    accuracy = producers_accuracy(confusion, unclassified)
    defined = ~np.isnan(accuracy)
    return ratio(np.where(defined, accuracy, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))


def kappa(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Cohen's kappa: (p_o - p_e) / (1 - p_e) with p_o = Σ n_ii / n and p_e = Σ n_i+ n_+i / n²; shape (…).

    "Unclassified" is one more answer of the map, with which the reference never agrees. NaN where p_e = 1, e.g. with
    but one class. Kappa is given because papers compare it; it corrects for a chance agreement that no map user is
    interested in and follows overall accuracy closely, so that Olofsson et al. 2014 advise against it.
    """
    rows = reference_totals(confusion, unclassified)
    total = rows.sum(axis=-1)
    # kept in units of pixels, not shares: p_e = 1 is then met exactly
    chance = ratio((rows * map_totals(confusion)).sum(axis=-1), total)
    return ratio(diagonal(confusion).sum(axis=-1) - chance, total - chance)


def matthews_correlation(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Correlation of map and reference as classes (MCC, R_K), -1 … 1; shape (…).

    (n Σ n_ii - Σ n_i+ n_+i) / √((n² - Σ n_i+²) (n² - Σ n_+i²)), where "unclassified" is one more answer of the map, as
    for kappa. 0 for a map that tells nothing of the reference. NaN where map or reference have but one class.
    """
    rows, columns = reference_totals(confusion, unclassified), map_totals(confusion)
    total = rows.sum(axis=-1)
    missing = total - columns.sum(axis=-1)
    shared = total * diagonal(confusion).sum(axis=-1) - (rows * columns).sum(axis=-1)
    spreads = _spread(total, (rows**2).sum(axis=-1)), _spread(total, (columns**2).sum(axis=-1) + missing**2)
    return ratio(shared, np.sqrt(spreads[0]) * np.sqrt(spreads[1]))


def worst_class(confusion: Counts, unclassified: Counts | None = None) -> NDArray[np.intp]:
    """Place of the class with the lowest producer's accuracy, the first of several; -1 without any; shape (…).

    Producer's accuracy, since it is defined for every class that has reference pixels, whether or not the map finds
    any: the lowest user's accuracy would pass over a class that the map never gives. It is the minimum of what average
    accuracy is the mean of.
    """
    accuracy = producers_accuracy(confusion, unclassified)
    defined = ~np.isnan(accuracy)
    places = np.where(defined, accuracy, np.inf).argmin(axis=-1)
    return np.asarray(np.where(defined.any(axis=-1), places, -1))


def diagonal(confusion: Counts) -> Floats:
    """n_ii: test pixels of each class that the map has right; shape (…, K)."""
    return np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)


def ratio(numerator: Any, denominator: Any) -> Floats:
    """Quotient, NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    result = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def _spread(total: Floats, squares: Floats) -> Floats:
    """n² - Σ n_i², exactly 0 where all pixels are of one class, in spite of rounding: weights need not be whole."""
    spread = total**2 - squares
    return np.where(spread > _ROUNDING * total**2, spread, 0.0)
