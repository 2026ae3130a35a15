"""Disagreement of map and reference, divided by its causes, as functions of integer counts, in float64.

Classes that the map gives too often or too seldom cause quantity disagreement: it is what remains of the disagreement
if the map's pixels change places until as many as possible are right. What that removes is allocation disagreement. The
two add up to 1 - overall accuracy. Exchange is the part of allocation in which two classes swap pixels; the rest is
shift, in which three classes or more take part.

Functions take `confusion` (…, K, K) and `unclassified` (…, K) as those of `hsiattn.assessment.metrics` do. Pixels that
the map leaves unclassified count as one more class of it, of which the reference has none: as quantity disagreement.
Shares are of the test pixels; they are shares of the area only where these are a simple random sample of it.

>>> import numpy as np
>>> confusion = np.array([[45, 5], [10, 40]])
>>> quantity_disagreement(confusion).item(), allocation_disagreement(confusion).item()
(0.05, 0.1)

Sources: Pontius & Millones 2011, Death to kappa: birth of quantity disagreement and allocation disagreement for
accuracy assessment, International Journal of Remote Sensing 32, 4407-4429; Pontius & Santacruz 2014, Quantity,
exchange, and shift components of difference in a square contingency table, ibid. 35, 7543-7554.
"""

from __future__ import annotations

import numpy as np

from hsiattn.assessment.metrics import Counts, Floats, diagonal, map_totals, ratio, reference_totals


def class_quantity_disagreement(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """By how much the map has too many or too few pixels of a class: |n_+i - n_i+| / n; shape (…, K)."""
    rows = reference_totals(confusion, unclassified)
    return ratio(np.abs(map_totals(confusion) - rows), _total(rows))


def class_allocation_disagreement(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Pixels of a class that lie elsewhere on the map, in pairs: 2 min(n_i+ - n_ii, n_+i - n_ii) / n; shape (…, K)."""
    rows, right = reference_totals(confusion, unclassified), diagonal(confusion)
    return ratio(2 * np.minimum(rows - right, map_totals(confusion) - right), _total(rows))


def class_exchange(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Pixels that a class swaps with other classes: Σ_j≠i 2 min(n_ij, n_ji) / n; shape (…, K)."""
    swapped = np.minimum(confusion, np.swapaxes(confusion, -1, -2)).sum(axis=-1, dtype=np.float64)
    rows = reference_totals(confusion, unclassified)
    return ratio(2 * (swapped - diagonal(confusion)), _total(rows))


def quantity_disagreement(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Share of the test pixels that is wrong because classes have other totals in the map, 0 … 1; shape (…)."""
    rows = reference_totals(confusion, unclassified)
    columns = map_totals(confusion)
    missing = rows.sum(axis=-1) - columns.sum(axis=-1)
    return ratio(np.abs(columns - rows).sum(axis=-1) + missing, 2 * rows.sum(axis=-1))


def allocation_disagreement(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Share of the test pixels that is wrong because pixels of the right totals lie elsewhere, 0 … 1; shape (…)."""
    rows, right = reference_totals(confusion, unclassified), diagonal(confusion)
    least = np.minimum(rows - right, map_totals(confusion) - right)
    return ratio(least.sum(axis=-1), rows.sum(axis=-1))


def exchange(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Share of the test pixels that two classes swap with each other, 0 … allocation disagreement; shape (…)."""
    return np.asarray(class_exchange(confusion, unclassified).sum(axis=-1) / 2)


def shift(confusion: Counts, unclassified: Counts | None = None) -> Floats:
    """Allocation disagreement that is no exchange of two classes, 0 … allocation disagreement; shape (…)."""
    rows, right = reference_totals(confusion, unclassified), diagonal(confusion)
    least = np.minimum(rows - right, map_totals(confusion) - right).sum(axis=-1)
    swapped = np.minimum(confusion, np.swapaxes(confusion, -1, -2)).sum(axis=(-1, -2), dtype=np.float64)
    return ratio(least - (swapped - right.sum(axis=-1)), rows.sum(axis=-1))


def _total(rows: Floats) -> Floats:
    return np.asarray(rows.sum(axis=-1, keepdims=True))
