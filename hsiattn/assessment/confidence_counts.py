"""Confidence of test pixels counted window by window, by class and bin: memory does not grow with the area."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.calibration import Calibration, ClassCalibration, ReliabilityBin
from hsiattn.assessment.tally import Tally
from hsiattn.classes import UNLABELLED, ClassTable

BINS = 15
"""Bins of a reliability diagram."""

_AT_ONCE = 2**16
"""Pixels counted in one piece, which stays in the processor's cache."""


class ConfidenceCounts:
    """Pixels and sums of their confidence by code in the reference, code in the map and bin of confidence.

    Examples
    --------
    >>> found = ConfidenceCounts(bins=2)
    >>> codes = np.array([4, 4, 9, 0])
    >>> found.add(codes, np.array([4, 9, 9, 9]), np.array([0.9, 0.7, 0.4, 0.9], np.float32))
    >>> found.calibration(ClassTable.from_codes([4, 9])).bins[1].accuracy
    0.5
    """

    def __init__(self, bins: int = BINS) -> None:
        self._tally, self._edges = Tally(3), np.arange(bins + 1) / bins

    def add(self, reference: NDArray[Any], mapped: NDArray[Any], confidence: NDArray[np.floating[Any]]) -> None:
        """Count the pixels of a window that have a label, a class in the map and a confidence."""
        codes, others, shares = reference.ravel(), mapped.ravel(), confidence.ravel()
        counted = (codes != UNLABELLED) & (others != UNLABELLED) & (shares == shares)
        if not counted.all():
            at = np.flatnonzero(counted)
            codes, others, shares = codes[at], others[at], shares[at]
        for start in range(0, codes.size, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            keys = np.empty((3, min(_AT_ONCE, codes.size - start)), np.int32)
            values = np.minimum(shares[part], 1)
            keys[0], keys[1], keys[2] = codes[part], others[part], self._places(values)
            self._tally.add(keys, values)

    def renumber_reference(self, codes: Mapping[int, int]) -> None:
        """Give the codes of the reference other numbers, each another one."""
        if self._tally.counts.size:
            self._tally.renumber(0, codes)

    def calibration(self, classes: ClassTable) -> Calibration:
        """Give the calibration of all pixels, and of those that the map gives to each class."""
        reference, mapped, places = self._tally.keys
        right = np.where(reference == mapped, self._tally.counts, 0)
        count = len(self._edges) - 1
        totals = [np.zeros(count) for _ in range(3)]
        for total, values in zip(totals, (self._tally.counts, right, self._tally.sums), strict=True):
            np.add.at(total, places, values)
        bins = tuple(
            ReliabilityBin(lower, upper, int(pixels), _mean(confidence, pixels), _mean(hits, pixels))
            for lower, upper, pixels, hits, confidence in zip(
                self._edges[:-1].tolist(), self._edges[1:].tolist(), *(total.tolist() for total in totals), strict=True
            )
        )
        return Calibration(bins, classes=tuple(self._of_classes(classes, right)))

    def _of_classes(self, classes: ClassTable, right: NDArray[np.int64]) -> list[ClassCalibration]:
        _, mapped, places = self._tally.keys
        found = []
        for item in classes:
            own = mapped == item.code
            table = [
                np.bincount(places[own], weights=values[own], minlength=len(self._edges) - 1)
                for values in (self._tally.counts, right, self._tally.sums)
            ]
            pixels, hits, confidence = (float(column.sum()) for column in table)
            error = _mean(float(np.abs(table[1] - table[2]).sum()), pixels)
            figures = _mean(confidence, pixels), _mean(hits, pixels)
            found.append(ClassCalibration(item.code, item.name, int(pixels), error, *figures))
        return found

    def _places(self, shares: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
        """Bin of every confidence; its upper edge belongs to it, as in `reliability_bins`."""
        edges, count = self._edges_as(shares.dtype), len(self._edges) - 1
        places = (shares * count).astype(np.int32)
        np.minimum(places, count - 1, out=places)
        # products are rounded: what lies on an edge is put right by comparison with the edge itself
        places -= shares <= edges[places]
        places += shares > edges[places + 1]
        return np.maximum(places, 0, out=places)

    def _edges_as(self, kind: np.dtype[Any]) -> NDArray[Any]:
        """The largest numbers of a type that do not lie above the edges: what lies above them lies above the edges."""
        edges = self._edges.astype(kind)
        return np.where(edges > self._edges, np.nextafter(edges, kind.type(-1)), edges)


def _mean(total: float, pixels: float) -> float:
    return total / pixels if pixels else math.nan
