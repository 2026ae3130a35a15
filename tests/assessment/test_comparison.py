"""Which pixels of a map are compared with the reference, and under which classes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.windows import Window
from sklearn.metrics import confusion_matrix as reference_matrix

from hsiattn.assessment import GroupCounts, compare
from hsiattn.classes import ClassTable
from hsiattn.errors import AssessmentError, GridError
from hsiattn.labels.schemes import ClassScheme
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
            compare(raster(mapped), raster(reference))
        return
    report = compare(raster(mapped), raster(reference))
    expected = reference_matrix(reference[labelled], mapped[labelled], labels=[1, 10, 0])
    np.testing.assert_array_equal(report.confusion, expected[:2, :2])
    np.testing.assert_array_equal(report.unclassified, expected[:2, 2])
    assert report.test_pixels == labelled.sum()


@given(
    mapped=hnp.arrays(np.int32, (6, 7), elements=st.sampled_from([0, 1, 10])),
    reference=hnp.arrays(np.int32, (6, 7), elements=st.sampled_from([0, 1, 10])),
    groups=hnp.arrays(np.int32, (6, 7), elements=st.sampled_from([-1, 0, 3, 8])),
    pixels=st.integers(1, 60),
)
def test_polygons_are_counted_window_by_window_as_in_the_whole(
    mapped: np.ndarray[Any, Any], reference: np.ndarray[Any, Any], groups: np.ndarray[Any, Any], pixels: int
) -> None:
    labelled = reference > 0
    if not (groups[labelled] > 0).any():
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsiattn.assessment.counting.PIXELS_AT_ONCE", pixels)
        report = compare(raster(mapped), raster(reference), groups=groups)
    whole = GroupCounts.of_pixels(
        groups[labelled], TABLE.to_indices(reference[labelled]), TABLE.to_indices(mapped[labelled]), 2
    )
    assert isinstance(report.groups, GroupCounts)
    for name in ("ids", "reference", "mapped", "pixels"):
        np.testing.assert_array_equal(getattr(report.groups, name), getattr(whole, name))


def test_polygons_may_be_a_file_or_lie_on_the_grid_of_the_map(tmp_path: Path) -> None:
    place = Affine(10, 0, 5e5, 0, -10, 5e6)
    mapped, reference = (raster([[1, 1, 10], [10, 10, 0]], transform=place) for _ in range(2))
    ids = np.array([[1, 1, 2], [3, 3, 3]], np.uint8)
    with rasterio.open(
        tmp_path / "ids.tif", "w", driver="GTiff", count=1, height=2, width=3, dtype="uint8", transform=place
    ) as file:
        file.write(ids, 1)
    for groups in (ids, raster(ids, None, place).transpose("x", "y"), tmp_path / "ids.tif"):
        record = compare(mapped, reference, groups=groups).to_dict()
        assert record["groups"] == {"polygons": 3, "single_pixels": 0}
        assert [row["groups"] for row in record["classes"]] == [1, 2]
    away = raster(ids, None, place @ Affine.translation(1, 0))
    for wrong in (ids[:, :2], away):
        with pytest.raises(GridError, match="the groups"):
            compare(mapped, reference, groups=wrong)


def test_polygons_without_a_test_pixel_are_refused() -> None:
    with pytest.raises(AssessmentError, match="no test pixel lies in a polygon of the groups"):
        compare(raster([[1, 10]]), raster([[1, 0]]), groups=np.array([[0, 4]]))


def test_with_a_split_only_its_test_pixels_count() -> None:
    mapped, reference = raster([[1, 1, 1, 10, 0]]), raster([[1, 10, 10, 10, 10]])
    report = compare(mapped, reference, roles=np.array([[1, 2, 3, 3, 4]]), window=9, leakage=0.5)
    assert report.confusion.tolist() == [[0, 0], [1, 1]]
    assert report.unclassified_pixels == 0
    assert (report.leakage, report.window) == (0.5, 9)
    assert report.advice[0].startswith("accuracy is optimistic: 50.0 % of the test pixels")


def test_a_dataset_of_predictions_is_taken_by_its_land_cover() -> None:
    land_cover = xr.Dataset({"land_cover": raster([[1, 10]]), "confidence": raster([[0.5, 0.5]], None)})
    assert compare(land_cover, raster([[1, 10]])).overall_accuracy.value == 1


def test_nan_is_unclassified_in_a_map_and_unlabelled_in_a_reference() -> None:
    report = compare(raster([[np.nan, 1.0, 1.0]]), raster([[1.0, 1.0, np.nan]]))
    assert (report.test_pixels, report.unclassified_pixels) == (2, 1)


def test_the_order_of_the_dimensions_does_not_matter() -> None:
    mapped, reference = raster([[1, 10, 1], [1, 1, 10]]), raster([[1, 10, 10], [0, 1, 10]])
    expected = compare(mapped, reference).confusion
    np.testing.assert_array_equal(compare(mapped.transpose("x", "y"), reference).confusion, expected)


def test_a_class_that_only_the_reference_knows_is_a_row_with_nothing_right() -> None:
    mapped, reference = raster([[1, 10, 0]]), raster([[7, 10, 7]], table(low_vegetation=10, water=7))
    report = compare(mapped, reference)
    assert report.classes.names == ("roof", "water", "low vegetation")
    assert report.confusion.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert report.unclassified is not None
    assert report.unclassified.tolist() == [0, 1, 0]
    assert report.per_class[1].producers_accuracy.value == 0


def test_reference_classes_without_test_pixels_do_not_lengthen_the_report() -> None:
    report = compare(raster([[1]]), raster([[1]], table(roof=1, water=7, soil=8)))
    assert report.classes.codes == (1, 10)


def test_real_names_win_over_made_up_ones() -> None:
    assert compare(raster([[1, 10]], None), raster([[1, 10]])).classes.names == TABLE.names
    assert compare(raster([[1, 10]]), raster([[1, 10]], None)).classes.names == TABLE.names


def test_names_may_differ_in_case_and_spacing() -> None:
    assert compare(raster([[1, 10]]), raster([[1, 10]], table(ROOF=1, Low_Vegetation=10))).classes == TABLE


def test_names_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(
        AssessmentError, match="the map calls class 10 'low vegetation', the reference calls it 'water'"
    ):
        compare(raster([[1, 10]]), raster([[1, 10]], table(roof=1, water=10)))
    with pytest.raises(AssessmentError, match="'roof' has the code 1 in the map and 2 in the reference"):
        compare(raster([[1, 10, 0]]), raster([[2, 10, 3]], table(roof=2, low_vegetation=10, water=3)))


def test_classes_that_are_numbered_otherwise_are_matched_by_name() -> None:
    of_map, ids = raster([[1, 1, 10, 10, 0]]), np.array([[7, 7, 7, 8, 8]])
    straight = compare(of_map, raster([[1, 10, 10, 10, 1]]), groups=ids)
    renumbered = compare(of_map, raster([[10, 1, 1, 1, 10]], table(Low_vegetation=1, roof=10)), groups=ids)
    np.testing.assert_array_equal(renumbered.confusion, straight.confusion)
    assert renumbered.classes == straight.classes
    assert renumbered.groups is not None
    assert renumbered.groups.agrees_with(renumbered.confusion, np.array([1, 0]))
    assert any("matched by name" in note for note in renumbered.notes)
    assert not any("matched by name" in note for note in straight.notes)


def test_a_map_that_is_unclassified_throughout_is_all_omission() -> None:
    report = compare(raster([[0, 0]], None), raster([[1, 10]]))
    assert report.overall_accuracy.value == 0
    assert report.unclassified_pixels == 2


def test_codes_outside_the_own_table_are_refused() -> None:
    with pytest.raises(AssessmentError, match="the map holds the code 99"):
        compare(raster([[99]]), raster([[1]]))


def test_a_reference_on_another_grid_is_read_on_that_of_the_map_and_the_report_says_so() -> None:
    here, finer = Affine(10, 0, 0, 0, -10, 50), Affine(5, 0, 5, 0, -5, 50)
    reference = raster([[1, 1, 10, 10, 1], [1, 0, 10, 10, 1]], transform=finer)
    report = compare(raster([[1, 10, 1]], transform=here), reference)
    assert report.confusion.tolist() == [[2, 0], [0, 1]]
    assert len(report.notes) == 1
    assert report.notes[0].startswith("the reference (2 × 5 pixels of 5) lies on another grid than the map (1 × 3")


def test_a_scheme_merges_the_classes_of_map_and_reference() -> None:
    legend = ClassTable.from_records(
        [{"code": 1, "name": "green"}, {"code": 10, "name": "low vegetation"}, {"code": 11, "name": "tree"},
         {"code": 2, "name": "roof"}]
    )  # fmt: skip
    scheme = ClassScheme(legend, {10: 1, 11: 1}, {2: ("tile", "7"), 0: ("99",)})
    mapped = raster([[10, 11, 2, 2, 10]], legend)
    reference = raster([[11, 10, 7, 10, 99]], ClassTable.from_codes([7, 10, 11, 99]))
    fine = compare(mapped, reference, scheme=scheme)
    assert fine.classes.names == ("roof", "low vegetation", "tree")
    assert fine.confusion.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    coarse = compare(mapped, reference, scheme=scheme.at_level(1))
    assert coarse.classes.names == ("green", "roof")
    assert coarse.confusion.tolist() == [[2, 1], [0, 1]]
    assert coarse.notes == scheme.at_level(1).notes()


def test_rasters_on_other_grids_are_refused() -> None:
    with pytest.raises(GridError, match="differ in size"):
        compare(raster([[1, 1]]), raster([[1], [1]]))
    here, there = Affine(10, 0, 0, 0, -10, 50), Affine(10, 0, 100, 0, -10, 50)
    with pytest.raises(GridError, match="does not overlap"):
        compare(raster([[1, 1]], transform=here), raster([[1, 1]], transform=there))
    with pytest.raises(GridError, match="the split has 2 × 1 pixels, the map 1 × 2"):
        compare(raster([[1, 1]]), raster([[1, 1]]), roles=np.array([[3], [3]]))


def test_a_split_without_labelled_test_pixels_is_refused() -> None:
    with pytest.raises(AssessmentError, match="no labelled test pixel"):
        compare(raster([[1]]), raster([[1]]), roles=np.array([[1]]))


TYPES = st.sampled_from([np.uint8, np.uint16, np.int32, np.float32])


def write_raster(path: Path, values: np.ndarray[Any, Any], block: int | None, **tags: str) -> Path:
    """A GeoTIFF in blocks of that side, or in strips."""
    layout = {} if block is None else {"tiled": True, "blockxsize": block, "blockysize": block}
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1], dtype=values.dtype,
        transform=Affine(10, 0, 5e5, 0, -10, 5e6), **layout,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
        dataset.update_tags(**tags)
    return path


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), types=st.tuples(TYPES, TYPES), pixels=st.integers(50, 900), split=st.booleans(),
    blocks=st.tuples(*[st.sampled_from([None, 16, 32])] * 2),
)  # fmt: skip
def test_files_are_compared_in_windows_as_arrays_are_at_once(
    tmp_path: Path, seed: int, types: Any, blocks: Any, pixels: int, split: bool
) -> None:
    rng = np.random.default_rng(seed)
    mapped, truth = (rng.choice([0, 1, 5, 6, 200], (37, 41)).astype(kind) for kind in types)
    roles = rng.choice(5, (37, 41)) if split else None
    paths = [
        write_raster(tmp_path / f"{name}.tif", values, block)
        for name, values, block in zip(("map", "reference"), (mapped, truth), blocks, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsiattn.assessment.counting.PIXELS_AT_ONCE", pixels)
        report = compare(*paths, roles=roles)
    tested = (truth > 0) if roles is None else (truth > 0) & (roles == 3)
    expected = reference_matrix(truth[tested], mapped[tested], labels=[1, 5, 6, 200, 0])
    np.testing.assert_array_equal(report.confusion, expected[:4, :4])
    np.testing.assert_array_equal(report.unclassified, expected[:4, 4])
    at_once = compare(raster(mapped, None), raster(truth, None), roles=roles)
    np.testing.assert_array_equal(report.confusion, at_once.confusion)
    np.testing.assert_array_equal(report.unclassified, at_once.unclassified)
    assert report.classes == at_once.classes


def test_the_memory_of_a_comparison_does_not_grow_with_the_area(tmp_path: Path) -> None:
    """Two sparse rasters of 6000 × 6000 pixels: 36 MB each, of which windows are held at a time."""
    paths = [tmp_path / name for name in ("map.tif", "reference.tif")]
    for path in paths:
        with rasterio.open(
            path, "w", driver="GTiff", count=1, height=6000, width=6000, dtype="uint8", tiled=True, blockxsize=256,
            blockysize=256, sparse_ok=True, transform=Affine(10, 0, 5e5, 0, -10, 5e6),
        ) as dataset:  # fmt: skip
            dataset.write(np.full((1, 256, 256), 3, np.uint8), window=Window(256, 512, 256, 256))
    tracemalloc.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hsiattn.assessment.counting.PIXELS_AT_ONCE", 2**18)
            report = compare(*paths)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.confusion.tolist() == [[256 * 256]]
    assert peak < 12e6


def test_measurements_are_no_classes(tmp_path: Path) -> None:
    heights = np.arange(60 * 60, dtype=np.int16).reshape(60, 60)
    with pytest.raises(AssessmentError, match="more than 1000 different codes"):
        compare(raster(heights, None), raster(heights, None))


def test_a_map_may_list_more_classes_than_can_be_compared() -> None:
    listed = ClassTable.from_codes(range(1, 5001))
    report = compare(raster([[7, 9]], listed), raster([[7, 4000]], None))
    assert report.classes.codes == (7, 9, 4000)


@pytest.mark.parametrize(
    ("values", "message"),
    [([[0.5]], "value 0.5"), ([[np.inf]], "value inf"), ([[-3]], "value -3"), ([["a"]], "type <U1")],
)
def test_arrays_of_other_things_than_codes_are_refused(values: Any, message: str) -> None:
    with pytest.raises(AssessmentError, match=message):
        compare(raster(values, None), raster([[1]]))


def test_the_fill_value_of_an_array_is_no_code() -> None:
    mapped = raster([[1, 255, 1]], None)
    mapped.attrs["_FillValue"] = 255
    assert compare(mapped, raster([[1, 1, 10]])).unclassified_pixels == 1


def test_an_array_of_one_band_is_a_map_and_one_of_two_is_none() -> None:
    mapped = raster([[1, 10]])
    assert compare(mapped.expand_dims("band"), raster([[1, 10]])).overall_accuracy.value == 1
    with pytest.raises(AssessmentError, match="the dims band, y, x"):
        compare(xr.concat([mapped, mapped], "band"), raster([[1, 10]]))


def test_a_map_of_ours_given_as_reference_of_other_data_is_taken_for_swapped(tmp_path: Path) -> None:
    values = np.array([[1, 2, 1]], np.uint8)
    labels = write_raster(tmp_path / "labels.tif", values, None)
    mapped = write_raster(tmp_path / "map.tif", values, None, HSIATTN_KIND="land-cover")
    with pytest.raises(AssessmentError, match="they seem to be swapped"):
        compare(labels, mapped)
    other = write_raster(tmp_path / "other.tif", values, None, HSIATTN_KIND="land-cover")
    assert [note for note in compare(mapped, other).notes if "how far two maps agree" in note]
    assert compare(mapped, labels).notes == ()


def test_a_full_reference_of_a_sparse_map_is_told(tmp_path: Path) -> None:
    full, sparse = np.ones((4, 5), np.uint8), np.zeros((4, 5), np.uint8)
    sparse[0] = 1
    assert any("may be swapped" in note for note in compare(raster(sparse, None), raster(full, None)).notes)
    assert compare(raster(full, None), raster(sparse, None)).notes == ()


def test_one_file_is_not_compared_with_itself(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", np.ones((2, 2), np.uint8), None)
    (tmp_path / "link.tif").symlink_to(path)
    for other in (path, tmp_path / "link.tif"):
        with pytest.raises(AssessmentError, match="given as map and as reference"):
            compare(path, other)


def test_a_nameless_reference_that_is_numbered_otherwise_is_told():
    """Codes 1, 2, 3 of the map are 2, 3, 1 of the reference."""
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 4, (30, 30)).astype(np.uint8)
    table = ClassTable.from_records(
        [{"code": n, "name": name} for n, name in ((1, "soil"), (2, "grass"), (3, "water"))]
    )
    land_cover = xr.DataArray(codes, dims=("y", "x"), attrs=table.to_attrs())
    turned = xr.DataArray((codes % 3 + 1).astype(np.uint8), dims=("y", "x"))
    report = compare(land_cover, turned)
    assert report.overall_accuracy.value == 0
    assert "0 % of the pixels agree, with other numbers 100 % would; give the names" in report.advice[0]
    assert compare(land_cover, xr.DataArray(codes, dims=("y", "x"))).advice == ()
    named = turned.assign_attrs(ClassTable.from_records(
        [{"code": n, "name": name} for n, name in ((1, "water"), (2, "soil"), (3, "grass"))]
    ).to_attrs())  # fmt: skip
    matched = compare(land_cover, named)
    assert (matched.overall_accuracy.value, matched.advice) == (1, ())
