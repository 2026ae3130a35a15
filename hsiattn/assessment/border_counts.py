"""Accuracy of test pixels at borders between classes and in the interior, counted window by window.

A test pixel lies at a border if one of its eight neighbours is of another class in the reference. Where the reference
labels all neighbours (as far as the raster reaches) and none is of another class, it lies in the interior. Where it
labels only some, as between polygons or around points, the map tells: whether a neighbour is of another class there.
A map has borders of its own making, around single wrong pixels, so that what it tells lowers the accuracy at borders;
the record says of how many pixels that is true.

In references that were drawn as polygons, borders between classes are seldom labelled: the figures then say little of
mixed pixels, and much of the map's noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.group_counts import GroupCounts, GroupedCodes
from hsiattn.assessment.group_intervals import group_intervals
from hsiattn.assessment.intervals import wilson_interval
from hsiattn.assessment.joint_counts import JointCounts
from hsiattn.assessment.records import BordersRecord, EstimateRecord
from hsiattn.classes import UNLABELLED

_AT_ONCE = 2**17
"""Pixels looked at in one piece."""

REACH = 1
"""Rows and columns around a window that have to be read to tell which of its pixels lie at a border."""

Codes: TypeAlias = NDArray[np.integer[Any]]
Mask: TypeAlias = NDArray[np.bool_]


class BorderCounts:
    """Counts of the codes of reference and map at borders, gathered with those of all test pixels.

    Attributes
    ----------
    joint, grouped
        Counts at borders: by class, and by polygon and class.
    from_map
        Test pixels of which the map tells whether they lie at a border.
    """

    def __init__(self, most: int) -> None:
        self.joint, self.grouped, self.from_map = JointCounts(most), GroupedCodes(), 0

    def add(
        self, tested: Codes, mapped: Codes, around: tuple[Codes, Codes], inner: tuple[slice, slice], ids: Codes | None
    ) -> None:
        """Count the test pixels of a window.

        Parameters
        ----------
        tested
            Codes (h, w) of the reference at test pixels, else 0.
        mapped
            Codes (h, w) of the map.
        around, inner
            Codes of reference and map with the neighbours of the window, and where in them the window lies.
        ids
            Polygons (h, w); None without.
        """
        borders, unknown = at_borders(tested, around, inner)
        self.from_map += unknown
        if not borders.any():
            return
        codes, others = tested[borders], mapped[borders]
        self.joint.add(codes, others)
        if ids is not None:
            self.grouped.add(ids[borders], codes, others)

    def renumber_reference(self, codes: Mapping[int, int]) -> None:
        """Give the codes of the reference other numbers, each another one."""
        self.joint.renumber_reference(codes)
        self.grouped.renumber_reference(codes)


def at_borders(tested: Codes, around: tuple[Codes, Codes], inner: tuple[slice, slice]) -> tuple[Mask, int]:
    """Which test pixels (h, w) lie at a border, and of how many of them the map tells; see `BorderCounts.add`."""
    borders, of_map = np.empty(tested.shape, bool), 0
    blank = None if around[0].all() else around[0] == UNLABELLED
    rows = max(1, _AT_ONCE // tested.shape[1])  # pieces that stay in the processor's cache
    for top in range(0, len(tested), rows):
        piece = slice(top, min(top + rows, len(tested)))
        reference = _with_rim(around[0], inner, piece)
        labelled = tested[piece] != UNLABELLED
        part = _differing(reference)
        part &= labelled
        if blank is not None:
            unknown = labelled & ~part & _spread(np.logical_or, _with_rim(blank, inner, piece))
            count = int(np.count_nonzero(unknown))
            if count:
                of_map += count
                part |= unknown & _differing(_with_rim(around[1], inner, piece))
        borders[piece] = part
    return borders, of_map


def borders_record(
    tables: tuple[NDArray[np.int64], NDArray[np.int64]],
    at_border: NDArray[np.int64],
    from_map: int,
    groups: tuple[GroupCounts, GroupCounts] | None,
    level: float,
) -> BordersRecord:
    """The record of a report.

    Parameters
    ----------
    tables
        Confusion matrix (K, K) and unclassified pixels (K,) of all test pixels.
    at_border
        Confusion matrix (K, K + 1) of those at borders, with unclassified ones as its last column.
    from_map
        See `BorderCounts`.
    groups
        Counts by polygon at borders and in the interior; None for intervals over pixels.
    level
        Coverage of the intervals.
    """
    whole = np.concatenate([tables[0], tables[1][:, None]], axis=1)
    parts = at_border, whole - at_border
    border, interior = (
        accuracy_record(int(np.trace(part[:, :-1])), int(part.sum()), None if groups is None else groups[k], level)
        for k, part in enumerate(parts)
    )
    return {
        "border_pixels": int(parts[0].sum()),
        "interior_pixels": int(parts[1].sum()),
        "border_accuracy": border,
        "interior_accuracy": interior,
        "from_map": from_map,
    }


def accuracy_record(right: int, pixels: int, groups: GroupCounts | None, level: float) -> EstimateRecord:
    """Share of the pixels that is right, with Wilson's interval, over polygons where counts by polygon are given."""
    if not pixels:
        return {"value": None, "lower": None, "upper": None}
    lower, upper = wilson_interval(right, pixels, level)
    if groups is not None:
        lower, upper = group_intervals(groups, {}, level=level).bounds["overall_accuracy"]
    return {"value": right / pixels, "lower": float(lower), "upper": float(upper)}


def _with_rim(values: NDArray[Any], inner: tuple[slice, slice], rows: slice) -> NDArray[Any]:
    """Some rows of a window with a rim of a pixel, which is 0 outside of the raster: codes in the smallest type."""
    (top, _), (left, right) = ((along.start, along.stop) for along in inner)
    first, last = rows.start + top - 1, rows.stop + top + 1
    present = slice(max(first, 0), min(last, len(values)))
    beside = slice(max(left - 1, 0), min(right + 1, values.shape[1]))
    part = values[present, beside]
    kind = part.dtype if part.dtype.itemsize == 1 else np.min_scalar_type(int(part.max(initial=0)))
    found = np.zeros((last - first, right - left + 2), kind)
    down, across = present.start - first, beside.start - left + 1
    found[down : down + part.shape[0], across : across + part.shape[1]] = part
    return found


def _differing(codes: NDArray[Any]) -> Mask:
    """Pixels inside the rim that have a labelled neighbour of another class; what is unlabelled makes no border."""
    one = codes.dtype.type(1)
    # 0 - 1 is the largest number there is, so that unlabelled neighbours never are the lowest
    differing = (_spread(np.maximum, codes) - one) != _spread(np.minimum, codes - one)
    return np.asarray(differing & (codes[1:-1, 1:-1] != UNLABELLED))


def _spread(extreme: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
    """Extreme of every pixel inside the rim and its eight neighbours."""
    down = extreme(values[:-2], values[1:-1])
    extreme(down, values[2:], out=down)
    row = down.ravel()  # in one piece: what the ends of the rows take from the next row belongs to the rim
    found = np.empty_like(row)
    extreme(row[:-2], row[1:-1], out=found[1:-1])
    extreme(found[1:-1], row[2:], out=found[1:-1])
    return np.asarray(found.reshape(down.shape)[:, 1:-1])
