"""Which pixels of a map are compared with the reference, and under which classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import confusion_matrix as reference_matrix

from hsiattn.assessment import assess
from hsiattn.classes import ClassTable
from hsiattn.errors import AssessmentError, GridError
from hsiattn.scenes import Grid, georeference

TABLE = ClassTable.from_records([{"code": 1, "name": "roof"}, {"code": 10, "name": "low vegetation"}])


def raster(values: Any, table: ClassTable | None = TABLE, transform: Affine | None = None) -> xr.DataArray:
    """Codes with a class table."""
    codes = np.asarray(values)
    array = xr.DataArray(codes, dims=("y", "x"), attrs=table.to_attrs() if table is not None else {})
    return array if transform is None else georeference(array, Grid(*codes.shape, None, transform))


def table(**names: int) -> ClassTable:
    return ClassTable.from_records([{"code": code, "name": name.replace("_", " ")} for name, code in names.items()])


@given(
    mapped=hnp.arrays(np.int32, (4, 5), elements=st.sampled_from([0, 1, 10])),
    reference=hnp.arrays(np.int32, (4, 5), elements=st.sampled_from([0, 1, 10])),
)
def test_all_labelled_pixels_are_compared(mapped: np.ndarray[Any, Any], reference: np.ndarray[Any, Any]) -> None:
    labelled = reference > 0
    if not labelled.any():
        with pytest.raises(AssessmentError, match="no labelled pixel"):
            assess(raster(mapped), raster(reference))
        return
    report = assess(raster(mapped), raster(reference))
    expected = reference_matrix(reference[labelled], mapped[labelled], labels=[1, 10, 0])
    np.testing.assert_array_equal(report.confusion, expected[:2, :2])
    np.testing.assert_array_equal(report.unclassified, expected[:2, 2])
    assert report.test_pixels == labelled.sum()


def test_with_a_split_only_its_test_pixels_count() -> None:
    mapped, reference = raster([[1, 1, 1, 10, 0]]), raster([[1, 10, 10, 10, 10]])
    report = assess(mapped, reference, roles=np.array([[1, 2, 3, 3, 4]]), window=9, leakage=0.5)
    assert report.confusion.tolist() == [[0, 0], [1, 1]]
    assert report.unclassified_pixels == 0
    assert (report.leakage, report.window) == (0.5, 9)
    assert report.advice[0].startswith("accuracy flatters, as 50.0 % of the test pixels")


def test_a_dataset_of_predictions_is_taken_by_its_land_cover() -> None:
    land_cover = xr.Dataset({"land_cover": raster([[1, 10]]), "confidence": raster([[0.5, 0.5]], None)})
    assert assess(land_cover, raster([[1, 10]])).overall_accuracy.value == 1


def test_nan_is_unclassified_in_a_map_and_unlabelled_in_a_reference() -> None:
    report = assess(raster([[np.nan, 1.0, 1.0]]), raster([[1.0, 1.0, np.nan]]))
    assert (report.test_pixels, report.unclassified_pixels) == (2, 1)


def test_the_order_of_the_dimensions_does_not_matter() -> None:
    mapped, reference = raster([[1, 10, 1], [1, 1, 10]]), raster([[1, 10, 10], [0, 1, 10]])
    expected = assess(mapped, reference).confusion
    np.testing.assert_array_equal(assess(mapped.transpose("x", "y"), reference).confusion, expected)


def test_a_class_that_only_the_reference_knows_is_a_row_with_nothing_right() -> None:
    mapped, reference = raster([[1, 10, 0]]), raster([[7, 10, 7]], table(low_vegetation=10, water=7))
    report = assess(mapped, reference)
    assert report.classes.names == ("roof", "water", "low vegetation")
    assert report.confusion.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert report.unclassified is not None
    assert report.unclassified.tolist() == [0, 1, 0]
    assert report.per_class[1].producers_accuracy.value == 0


def test_reference_classes_without_test_pixels_do_not_lengthen_the_report() -> None:
    report = assess(raster([[1]]), raster([[1]], table(roof=1, water=7, soil=8)))
    assert report.classes.codes == (1, 10)


def test_real_names_win_over_made_up_ones() -> None:
    assert assess(raster([[1, 10]], None), raster([[1, 10]])).classes.names == TABLE.names
    assert assess(raster([[1, 10]]), raster([[1, 10]], None)).classes.names == TABLE.names


def test_names_may_differ_in_case_and_spacing() -> None:
    assert assess(raster([[1, 10]]), raster([[1, 10]], table(ROOF=1, Low_Vegetation=10))).classes == TABLE


def test_names_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(
        AssessmentError, match="the map calls class 10 'low vegetation', the reference calls it 'water'"
    ):
        assess(raster([[1, 10]]), raster([[1, 10]], table(roof=1, water=10)))
    with pytest.raises(AssessmentError, match="'roof' has the code 1 in the map and 2 in the reference"):
        assess(raster([[1, 10]]), raster([[2, 10]], table(roof=2, low_vegetation=10)))


def test_a_map_that_is_unclassified_throughout_is_all_omission() -> None:
    report = assess(raster([[0, 0]], None), raster([[1, 10]]))
    assert report.overall_accuracy.value == 0
    assert report.unclassified_pixels == 2


def test_codes_outside_the_own_table_are_refused() -> None:
    with pytest.raises(AssessmentError, match="the map holds the code 99"):
        assess(raster([[99]]), raster([[1]]))


def test_rasters_on_other_grids_are_refused() -> None:
    with pytest.raises(GridError, match="differ in size"):
        assess(raster([[1, 1]]), raster([[1], [1]]))
    here, there = Affine(10, 0, 0, 0, -10, 50), Affine(10, 0, 100, 0, -10, 50)
    with pytest.raises(GridError, match="differ in position"):
        assess(raster([[1, 1]], transform=here), raster([[1, 1]], transform=there))
    with pytest.raises(GridError, match="the split has 2 × 1 pixels, the map 1 × 2"):
        assess(raster([[1, 1]]), raster([[1, 1]]), roles=np.array([[3], [3]]))


def test_a_split_without_labelled_test_pixels_is_refused() -> None:
    with pytest.raises(AssessmentError, match="no labelled test pixel"):
        assess(raster([[1]]), raster([[1]]), roles=np.array([[1]]))
