"""Counts of combinations of whole numbers, gathered window by window: only those that occur are kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_DIRECT = 2**22
"""Combinations up to which each has its own place in a table."""

_LARGEST = 2**62


class Tally:
    """Counts of the columns of keys, and sums of a weight over them.

    Parameters
    ----------
    width
        Numbers of a combination.

    Attributes
    ----------
    keys : ndarray of int64, shape (width, N)
        Combinations that occur, ascending.
    counts : ndarray of int64, shape (N,)
        How often.
    sums : ndarray of float64, shape (N,)
        Sums of the weights; 0 without any.

    Examples
    --------
    >>> tally = Tally(2)
    >>> tally.add(np.array([[3, 3, 1], [0, 0, 2]]))
    >>> tally.keys.tolist(), tally.counts.tolist()
    ([[1, 3], [2, 0]], [1, 2])
    """

    def __init__(self, width: int) -> None:
        self.keys: Integers = np.empty((width, 0), np.int64)
        self.counts: Integers = np.empty(0, np.int64)
        self.sums: NDArray[np.float64] = np.empty(0)

    def add(self, keys: NDArray[np.integer], weights: NDArray[np.floating] | None = None) -> None:
        """Count combinations (width, N) of numbers of 0 or more, each with a weight (N,)."""
        if keys.shape[1]:
            self._keep(*_totals(keys, None, weights))

    def add_counted(self, keys: Integers, counts: Integers) -> None:
        """Add combinations (width, N) that occur so often (N,)."""
        if keys.shape[1]:
            self._keep(*_totals(keys, counts, None))

    def less(self, other: Tally) -> Tally:
        """Give the counts less those of another tally, which must be among them; sums are left out."""
        rest = Tally(len(self.keys))
        rest.keys, rest.counts, rest.sums = self.keys, self.counts.copy(), np.zeros(len(self.counts))
        rest._keep(other.keys, -other.counts, np.zeros(len(other.counts)))
        some = rest.counts != 0
        rest.keys, rest.counts, rest.sums = rest.keys[:, some], rest.counts[some], rest.sums[some]
        return rest

    def renumber(self, place: int, numbers: Mapping[int, int]) -> None:
        """Give the numbers at one place of the combinations other values; several may become one."""
        known = np.array(sorted(numbers), np.int64)
        others = np.array([numbers[number] for number in known.tolist()], np.int64)
        keys = self.keys.copy()
        if keys.size:
            keys[place] = others[np.searchsorted(known, keys[place])]
        self.keys, self.counts, self.sums = _totals(keys, self.counts, self.sums)

    def _keep(self, keys: Integers, counts: Integers, sums: NDArray[np.float64]) -> None:
        if self.counts.size:
            keys = np.concatenate([self.keys, keys], axis=1)
            counts, sums = np.concatenate([self.counts, counts]), np.concatenate([self.sums, sums])
            keys, counts, sums = _totals(keys, counts, sums)
        self.keys, self.counts, self.sums = keys, counts, sums


def _totals(
    keys: NDArray[np.integer], counts: Integers | None, weights: NDArray[np.floating] | None
) -> tuple[Integers, Integers, NDArray[np.float64]]:
    """Different columns of keys (width, N), ascending, with the sums of counts (one each without) and of weights."""
    if not keys.shape[1]:
        return keys.astype(np.int64), np.empty(0, np.int64), np.empty(0)
    sizes = [int(numbers.max()) + 1 for numbers in keys]
    cells = 1
    for size in sizes:
        cells *= size
    if cells > _LARGEST:
        return _sorted(keys.astype(np.int64), counts, weights)
    places = keys[0].astype(np.int32 if cells < 2**31 else np.int64)
    for size, numbers in zip(sizes[1:], keys[1:], strict=True):
        places *= size
        places += numbers.astype(places.dtype)
    if cells <= _DIRECT:
        occurring = np.bincount(places)
        found = np.flatnonzero(occurring)
        totals = occurring if counts is None else _sum(places, counts)
        sums = _weighed(places, weights, len(totals))
        return _apart(found, sizes), totals[found].astype(np.int64), sums[found]
    found, inverse = np.unique(places, return_inverse=True)
    totals = np.bincount(inverse) if counts is None else _sum(inverse, counts)
    return _apart(found.astype(np.int64), sizes), totals.astype(np.int64), _weighed(inverse, weights, len(totals))


def _sum(places: NDArray[np.integer], counts: Integers) -> Integers:
    totals = np.zeros(int(places.max()) + 1, np.int64)
    np.add.at(totals, places, counts)
    return totals


def _weighed(places: NDArray[np.integer], weights: NDArray[np.floating] | None, size: int) -> NDArray[np.float64]:
    if weights is None:
        return np.zeros(size)
    return np.asarray(np.bincount(places, weights), np.float64)


def _apart(places: Integers, sizes: list[int]) -> Integers:
    """The numbers (width, N) of combinations that are numbered as one."""
    keys = np.empty((len(sizes), len(places)), np.int64)
    for at in range(len(sizes) - 1, -1, -1):
        places, keys[at] = np.divmod(places, sizes[at])
    return keys


def _sorted(
    keys: Integers, counts: Integers | None, weights: NDArray[np.floating] | None
) -> tuple[Integers, Integers, NDArray[np.float64]]:
    """As `_totals`, for numbers so large that combinations cannot be numbered."""
    order = np.lexsort(keys[::-1])
    keys = keys[:, order]
    first = np.ones(keys.shape[1], bool)
    first[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    starts = np.flatnonzero(first)
    ones = np.ones(keys.shape[1], np.int64) if counts is None else counts[order]
    sums = np.zeros(len(starts)) if weights is None else np.add.reduceat(weights[order].astype(np.float64), starts)
    return keys[:, first], np.add.reduceat(ones, starts), sums
