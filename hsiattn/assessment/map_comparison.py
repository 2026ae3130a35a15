"""Comparison of two maps of one area: which is better on the test pixels, and where they differ.

Both are compared on the same test pixels, so that only pixels count that one has right and the other wrong. Without
polygons McNemar's test says whether one is better; with polygons, whose pixels are alike, a test that changes
the signs of whole polygons does. The gain in overall accuracy gets a percentile bootstrap over pixels or polygons.

Sources: Foody 2004, Thematic map comparison: evaluating the statistical significance of differences in classification
accuracy, Photogrammetric Engineering & Remote Sensing 70, 627-633; tests in `hsiattn.assessment.significance`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.border_counts import accuracy_record
from hsiattn.assessment.group_counts import GroupCounts
from hsiattn.assessment.group_intervals import group_intervals
from hsiattn.assessment.intervals import bootstrap_intervals
from hsiattn.assessment.matched_names import codes_by_name, common_classes
from hsiattn.classes import UNLABELLED, ClassTable, LandCoverClass

if TYPE_CHECKING:
    from hsiattn.assessment.map_pair_counts import MapPairCounts
    from hsiattn.assessment.records import AgainstRecord, EstimateRecord
    from hsiattn.assessment.significance import PairedTest

_ONLY_THIS, _ONLY_OTHER = 1, 2
"""Places of pixels that one map alone has right; 0 is that of all others."""


def compare_maps(
    pair: MapPairCounts,
    classes: ClassTable,
    of_other: list[LandCoverClass],
    names: tuple[str, str],
    *,
    by_polygon: bool,
    level: float,
    resamples: int,
) -> AgainstRecord:
    """The record of the comparison.

    Parameters
    ----------
    pair
        Counts of both maps, in which the codes of the reference are those of this map.
    classes
        Classes of this map and of the reference.
    of_other
        Classes of the other map; matched by name where it numbers them otherwise.
    names
        Paths of this map and of the other.
    by_polygon
        Whether test pixels are to count by polygon.
    level, resamples
        Coverage of the intervals, and resamples of the bootstrap.

    Raises
    ------
    AssessmentError
        Both call one code differently.
    """
    by_name = codes_by_name(list(classes), of_other, pair.changes.reference.tolist())
    if by_name:
        pair.renumber_other(by_name)
        of_other = [replace(item, code=by_name[item.code]) for item in of_other if item.code in by_name]
    codes = set(pair.changes.reference.tolist())
    table = common_classes(list(classes), of_other, codes, set(pair.changes.mapped.tolist()), ("the map", names[1]))
    ids, reference, mapped, other = pair.tested.keys
    counts = pair.tested.counts
    right, other_right = mapped == reference, other == reference
    ids = ids if by_polygon else np.zeros_like(ids)
    outcome = np.where(right & ~other_right, _ONLY_THIS, np.where(other_right & ~right, _ONLY_OTHER, 0))
    only_this, only_other = (int(counts[outcome == place].sum()) for place in (_ONLY_THIS, _ONLY_OTHER))
    total = int(counts.sum())
    test, how = _test(ids, outcome, counts, by_polygon)
    other_groups = _grouped(ids, (~other_right).astype(np.int64), counts, 2) if by_polygon else None
    return {
        "map": PurePath(names[1]).name,
        "overall_accuracy": accuracy_record(int(counts[other_right].sum()), total, other_groups, level),
        "gain": _gain((only_this, only_other, total), ids, outcome, counts, by_polygon, level, resamples),
        "only_this_right": only_this,
        "only_other_right": only_other,
        "p_value": test.p_value,
        "test": how,
        "matched_by_name": bool(by_name),
        **_changes(pair, table),
    }


def _test(
    ids: NDArray[np.int64], outcome: NDArray[np.int64], counts: NDArray[np.int64], by_polygon: bool
) -> tuple[PairedTest, str]:
    """Whether one map is better, and by which test."""
    from hsiattn.assessment.significance import mcnemar_counts, sign_flips  # scipy.stats takes seconds to load

    gaps = np.where(outcome == _ONLY_THIS, counts, 0) - np.where(outcome == _ONLY_OTHER, counts, 0)
    if not by_polygon:
        return mcnemar_counts(int(gaps[gaps > 0].sum()), int(-gaps[gaps < 0].sum()))
    _, owner = np.unique(ids, return_inverse=True)
    lone = ids == 0
    polygons = np.bincount(owner[~lone], weights=gaps[~lone]).astype(np.int64) if (~lone).any() else gaps[:0]
    singles = np.repeat(np.sign(gaps[lone]), np.abs(gaps[lone]))
    return sign_flips(np.concatenate([polygons, singles]))


def _gain(
    numbers: tuple[int, int, int],
    ids: NDArray[np.int64],
    outcome: NDArray[np.int64],
    counts: NDArray[np.int64],
    by_polygon: bool,
    level: float,
    resamples: int,
) -> EstimateRecord:
    """Overall accuracy of this map less that of the other, with a percentile bootstrap of the pairs."""
    only_this, only_other, total = numbers

    def gain(confusion: NDArray[Any], _: NDArray[Any]) -> NDArray[np.float64]:
        outcomes = confusion[..., 0, :]
        return np.asarray((outcomes[..., _ONLY_THIS] - outcomes[..., _ONLY_OTHER]) / outcomes.sum(axis=-1))

    if by_polygon:
        groups = _grouped(ids, outcome, counts, 3)
        lower, upper = group_intervals(groups, {"gain": gain}, level=level, resamples=resamples).bounds["gain"]
    else:
        table = np.zeros((3, 3), np.int64)
        table[0] = total - only_this - only_other, only_this, only_other
        none = np.zeros(3, np.int64)
        lower, upper = bootstrap_intervals(table, none, {"gain": gain}, level=level, resamples=resamples)["gain"]
    bounds = (None if np.isnan(bound) else float(bound) for bound in (lower, upper))
    return {"value": (only_this - only_other) / total, "lower": next(bounds), "upper": next(bounds)}


def _grouped(
    ids: NDArray[np.int64], outcome: NDArray[np.int64], counts: NDArray[np.int64], outcomes: int
) -> GroupCounts:
    """Counts by polygon and outcome, which stands in the place of the class in the map."""
    from hsiattn.assessment.tally import Tally

    tally = Tally(2)
    tally.add_counted(np.stack([ids, outcome]), counts)
    groups, columns = tally.keys
    return GroupCounts(groups, np.zeros_like(groups), columns, tally.counts, outcomes)


def _changes(pair: MapPairCounts, table: ClassTable) -> AgainstRecord:
    """Pixels of the whole area in which both maps have a class, and those of them whose class differs."""
    changes = pair.changes
    size = len(table)
    matrix = np.zeros((size, size + 1), np.int64)
    matrix[np.ix_(table.to_indices(changes.reference), table.to_indices(changes.mapped))] = changes.counts
    matrix = matrix[:, :-1]
    changed = int(matrix.sum() - np.trace(matrix))
    hectares = None if pair.hectares_of_pixel is None else changed * pair.hectares_of_pixel
    if pair.varies:
        before, after = pair.hectares.keys
        hectares = float(pair.hectares.sums[(before != after) & (before != UNLABELLED)].sum())
    return {
        "compared_pixels": int(matrix.sum()),
        "changed_pixels": changed,
        "changed_hectares": hectares,
        "classes": [{"code": item.code, "name": item.name} for item in table],
        "change_matrix": matrix.tolist(),
    }
