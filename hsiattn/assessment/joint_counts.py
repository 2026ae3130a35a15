"""Joint counts of the codes of reference and map, window by window: memory does not grow with the area."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import UNLABELLED

_CELLS = 2**16
"""Size of a table that is counted directly by code; sparser ones are counted by the ranks of the codes found."""

_AT_ONCE = 2**18
"""Pixels counted at once, so that their places in the table stay in the processor's cache."""

Codes = NDArray[np.integer[Any]]
Integers = NDArray[np.int64]


class TooManyCodesError(Exception):
    """There are more different codes than may be counted."""


class JointCounts:
    """Counts of pairs of codes; unlabelled pixels of the reference are left out.

    Parameters
    ----------
    most
        Largest number of different codes in either raster, unclassified not counted.

    Attributes
    ----------
    reference, mapped
        The codes found so far, ascending; 0 (unclassified) may be among those of the map.
    counts
        int64, pixels of each code of the reference (row) under each code of the map (column).
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self.reference: Integers = np.zeros(0, np.int64)
        self.mapped: Integers = np.zeros(0, np.int64)
        self.counts: Integers = np.zeros((0, 0), np.int64)

    def add(self, reference: Codes, mapped: Codes) -> None:
        """Count the pixels of a window.

        Parameters
        ----------
        reference, mapped
            Codes of one shape, 0 or more.

        Raises
        ------
        TooManyCodesError
            One of the rasters holds too many different values, such as measurements.
        """
        reference, mapped = _labelled(reference, mapped)
        if reference.size:
            rows, columns, counts = _counted(reference, mapped, self._most)
            self._merge(rows, columns, counts)

    def renumber_reference(self, codes: Mapping[int, int]) -> None:
        """Give the codes of the reference other numbers, each another one."""
        numbers = np.array([codes[code] for code in self.reference.tolist()], np.int64)
        order = np.argsort(numbers)
        self.reference, self.counts = numbers[order], self.counts[order]

    def _merge(self, rows: Integers, columns: Integers, counts: Integers) -> None:
        for name, found in (("reference", rows), ("mapped", columns)):
            known = getattr(self, name)
            if not np.isin(found, known, assume_unique=True).all():
                grown = np.union1d(known, found)
                if np.count_nonzero(grown) > self._most:
                    raise TooManyCodesError
                places = np.searchsorted(grown, known)
                axis = 0 if name == "reference" else 1
                shape = list(self.counts.shape)
                shape[axis] = len(grown)
                larger = np.zeros(shape, np.int64)
                larger[(places,) if axis == 0 else (slice(None), places)] = self.counts
                self.counts = larger
                setattr(self, name, grown)
        at = np.ix_(np.searchsorted(self.reference, rows), np.searchsorted(self.mapped, columns))
        self.counts[at] += counts


def _labelled(reference: Codes, mapped: Codes) -> tuple[Codes, Codes]:
    """Codes of the labelled pixels; of all pixels where selecting takes longer than counting them."""
    labelled = np.count_nonzero(reference)
    if 4 * labelled > reference.size:
        return reference.ravel(), mapped.ravel()
    where = np.flatnonzero(reference)
    return reference.ravel()[where], mapped.ravel()[where]


def _counted(
    reference: Codes, mapped: Codes, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The different codes of both, and their joint counts."""
    height, width = int(reference.max()) + 1, int(mapped.max()) + 1
    if height * width <= _CELLS:
        rows, columns = np.arange(height), np.arange(width)
        row_of, column_of = reference, mapped
    else:
        rows, row_of = _ranked(reference)
        columns, column_of = _ranked(mapped)
        width = len(columns)
        if max(len(rows), width) > most + 1:  # both may hold 0
            raise TooManyCodesError
    cells = len(rows) * width
    kind = np.min_scalar_type(cells)
    totals = np.zeros(cells, np.int64)
    step = max(_AT_ONCE, cells)
    for start in range(0, row_of.size, step):
        part = slice(start, start + step)
        totals += _histogram(row_of[part].astype(kind) * kind.type(width) + column_of[part].astype(kind), cells)
    counts = totals.reshape(len(rows), width)
    kept_rows = (rows != UNLABELLED) & counts.any(axis=1)
    counts = counts[kept_rows]
    kept_columns = counts.any(axis=0)
    return rows[kept_rows], columns[kept_columns], counts[:, kept_columns]


def _histogram(places: Codes, cells: int) -> Integers:
    """Counts of the numbers 0 … cells - 1; single bytes are counted in pairs, which takes half the time."""
    if places.dtype != np.uint8:
        return np.bincount(places, minlength=cells)
    even = places.size // 2 * 2
    pairs = np.bincount(places[:even].view(np.uint16), minlength=2**16).reshape(256, 256)
    totals = pairs.sum(axis=0) + pairs.sum(axis=1)
    if even < places.size:
        totals[places[-1]] += 1
    return np.asarray(totals[:cells])


def _ranked(codes: Codes) -> tuple[Integers, NDArray[np.intp]]:
    """The different codes, ascending, and the rank of each pixel's code among them."""
    if codes.dtype.itemsize > 2 and codes.max() >= 2**20:
        known, ranks = np.unique(codes, return_inverse=True)
        return known.astype(np.int64), ranks
    known = np.flatnonzero(np.bincount(codes))
    table = np.zeros(int(known[-1]) + 1, np.intp)
    table[known] = np.arange(len(known))
    return known.astype(np.int64), table[codes]
