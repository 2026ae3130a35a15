"""Counts of test pixels by polygon, class in the reference and class in the map: only those that are not 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsiattn.assessment.tally import Tally
from hsiattn.classes import UNLABELLED, ClassTable

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GroupCounts:
    """Counts of test pixels by polygon and class, one entry for each combination that occurs.

    Attributes
    ----------
    ids : ndarray of int64, shape (N,)
        Polygon; 0 for pixels that lie in none, each of which stands for itself.
    reference, mapped : ndarray of int64, shape (N,)
        Class index in the reference, 0 … K - 1, and in the map, where K means unclassified.
    pixels : ndarray of int64, shape (N,)
        Number of test pixels, 1 or more.
    n_classes : int
        Number of classes K.

    Examples
    --------
    >>> counts = GroupCounts.of_pixels([7, 7, 7, 0], [0, 0, 1, 1], [0, 0, 0, 1], n_classes=2)
    >>> counts.ids, counts.pixels
    (array([0, 7, 7]), array([1, 2, 1]))
    """

    ids: Integers
    reference: Integers
    mapped: Integers
    pixels: Integers
    n_classes: int

    @classmethod
    def of_pixels(cls, ids: ArrayLike, reference: ArrayLike, mapped: ArrayLike, n_classes: int) -> GroupCounts:
        """Count pixels by their polygon id, 0 or less for none, and class indices, -1 = unclassified in the map."""
        columns = np.asarray(mapped, np.int64)
        keys = np.stack([np.maximum(ids, 0), reference, np.where(columns < 0, n_classes, columns)]).astype(np.int64)
        tally = Tally(3)
        tally.add(keys)
        groups, rows, places = tally.keys
        return cls(groups, rows, places, tally.counts, n_classes)

    def agrees_with(self, confusion: Integers, unclassified: Integers) -> bool:
        """Tell whether the counts of all polygons together are this confusion matrix and these unclassified pixels."""
        if len(confusion) != self.n_classes:
            return False
        table = np.zeros((self.n_classes, self.n_classes + 1), np.int64)
        np.add.at(table, (self.reference, self.mapped), self.pixels)
        return bool((table[:, :-1] == confusion).all() and (table[:, -1] == unclassified).all())


class GroupedCodes:
    """Counts of pixels by polygon id and codes of reference and map, gathered window by window.

    Examples
    --------
    >>> found = GroupedCodes()
    >>> found.add(np.array([7, 7, 0]), np.array([4, 4, 4]), np.array([4, 9, 0]))
    >>> found.counts(ClassTable.from_codes([4, 9])).mapped
    array([2, 0, 1])
    """

    def __init__(self) -> None:
        self._tally = Tally(3)

    def add(self, ids: NDArray[Any], reference: NDArray[Any], mapped: NDArray[Any]) -> None:
        """Count the pixels of a window; those that the reference leaves unlabelled are left out."""
        labelled = reference != UNLABELLED
        self._tally.add(np.stack([raster[labelled].astype(np.int64) for raster in (ids, reference, mapped)]))

    def less(self, other: GroupedCodes) -> GroupedCodes:
        """Give the counts less others that are among them."""
        rest = GroupedCodes()
        rest._tally = self._tally.less(other._tally)
        return rest

    def renumber_reference(self, codes: Mapping[int, int]) -> None:
        """Give the codes of the reference other numbers, each another one."""
        self._tally.renumber(1, codes)

    def counts(self, classes: ClassTable) -> GroupCounts:
        """Give the counts by index in a class table that lists all codes; code 0 of the map is unclassified."""
        ids, reference, mapped = self._tally.keys
        places, count = classes.to_indices(mapped), len(classes)
        keys = np.stack([ids, classes.to_indices(reference), np.where(places < 0, count, places)])
        order = np.lexsort(keys[::-1])
        groups, rows, columns = keys[:, order]
        return GroupCounts(groups, rows, columns, self._tally.counts[order], count)
