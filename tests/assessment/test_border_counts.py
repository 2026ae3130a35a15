"""Accuracy at borders and in the interior, against a loop over every pixel's neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import binomtest

from hsiattn.assessment import AccuracyReport, GroupCounts, compare
from hsiattn.assessment.group_intervals import group_intervals

CODES = st.sampled_from([0, 0, 1, 10])
SHAPE = (7, 6)


def looped(
    reference: NDArray[np.int32], mapped: NDArray[np.int32], tested: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The definition, pixel by pixel: at a border, and told by the map."""
    at_border, by_map = np.zeros(reference.shape, bool), np.zeros(reference.shape, bool)
    for row, column in zip(*np.nonzero(tested), strict=True):
        near = (slice(max(0, row - 1), row + 2), slice(max(0, column - 1), column + 2))
        own, labels = reference[row, column], reference[near]
        if ((labels != 0) & (labels != own)).any():
            at_border[row, column] = True
        elif not labels.all():
            by_map[row, column] = True
            found, here = mapped[near], mapped[row, column]
            at_border[row, column] = here != 0 and bool(((found != 0) & (found != here)).any())
    return at_border, by_map


@given(
    reference=hnp.arrays(np.int32, SHAPE, elements=CODES),
    mapped=hnp.arrays(np.int32, SHAPE, elements=CODES),
    roles=hnp.arrays(np.uint8, SHAPE, elements=st.sampled_from([1, 3, 3])),
    groups=hnp.arrays(np.int32, SHAPE, elements=st.sampled_from([0, 3, 8])),
    pixels=st.integers(1, 60),
)
def test_borders_are_counted_window_by_window_as_a_loop_finds_them(
    reference: NDArray[np.int32],
    mapped: NDArray[np.int32],
    roles: NDArray[np.uint8],
    groups: NDArray[np.int32],
    pixels: int,
) -> None:
    tested = (reference != 0) & (roles == 3)
    if not tested.any():
        return
    some = (groups[tested] > 0).any()
    rasters = [xr.DataArray(values, dims=("y", "x")) for values in (mapped, reference)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsiattn.assessment.counting.PIXELS_AT_ONCE", pixels)
        patch.setattr("hsiattn.assessment.border_counts._AT_ONCE", max(1, pixels // 3))
        report = compare(*rasters, roles=roles, groups=groups if some else None)
    at_border, by_map = looped(reference, mapped, tested)
    record = report.borders
    assert record is not None
    assert record["from_map"] == by_map.sum()
    for name, where in (("border", at_border & tested), ("interior", ~at_border & tested)):
        right = int((reference == mapped)[where].sum())
        count = int(where.sum())
        assert record[f"{name}_pixels"] == count
        estimate = record[f"{name}_accuracy"]
        if not count:
            assert estimate == {"value": None, "lower": None, "upper": None}
            continue
        assert estimate["value"] == right / count
        if some:
            wrong = (reference != mapped)[where].astype(int)
            one = GroupCounts.of_pixels(groups[where], np.zeros(count, int), wrong, 2)
            bounds = group_intervals(one, {}).bounds["overall_accuracy"]
        else:
            bounds = binomtest(right, count).proportion_ci(method="wilson")
        assert (estimate["lower"], estimate["upper"]) == pytest.approx(tuple(map(float, bounds)), abs=1e-9)


def test_pixels_in_a_row_have_no_neighbours() -> None:
    assert compare(*(xr.DataArray([[1, 2, 2]], dims=("y", "x")) for _ in range(2))).borders is None


def test_the_report_says_how_accurate_borders_are_and_what_tells_that_they_are_some() -> None:
    reference = np.repeat([[1, 1, 1, 2, 2, 2]], 6, axis=0)
    mapped = reference.copy()
    mapped[:3, 3] = 1
    report = compare(*(xr.DataArray(values, dims=("y", "x")) for values in (mapped, reference)))
    text = " ".join(report.to_text().split())
    assert "Borders, % 75.0 (46.8–91.1) at borders (12 pixels), 100.0 (86.2–100.0) in the interior (24)" in text
    assert "one of its eight neighbours is of another class in the reference." in text
    assert "all,,border_accuracy,0.750000," in report.to_csv()
    assert AccuracyReport.from_dict(report.to_dict()).borders == report.borders
