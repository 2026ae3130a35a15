"""Pictures: every label is seen however small it is drawn, and all lie on one grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.crs import CRS
from rasterio.windows import Window

import hsiattn
from hsiattn.assessment import compare
from hsiattn.assessment.code_rasters import ArrayCodes
from hsiattn.assessment.supplement import NO_CONFIDENCE
from hsiattn.classes import ClassTable
from hsiattn.errors import GridError
from hsiattn.reporting.class_indices import ClassIndices
from hsiattn.reporting.pictures import Layers, read_array
from hsiattn.scenes import Grid
from hsiattn.splits import ROLES

TABLE = ClassTable.from_codes([2, 5, 9])


def codes(values: Any, grid: Grid | None = None, table: ClassTable = TABLE) -> ArrayCodes:
    array = xr.DataArray(np.asarray(values), dims=("y", "x"), attrs=table.to_attrs())
    return ArrayCodes(array, "the map", grid or Grid(*array.shape, None, Affine.identity()))


def layers(labels: Any, land_cover: Any = None, roles: Any = None, **more: Any) -> Layers:
    grid = Grid(*np.asarray(labels).shape, None, Affine.identity())
    return Layers(
        ClassIndices(codes(labels), TABLE),
        None if land_cover is None else ClassIndices(codes(land_cover), TABLE),
        None if roles is None else ArrayCodes(xr.DataArray(roles, dims=("y", "x")), "the split", grid),
        **more,
    )


def brute_force(labels: np.ndarray[Any, Any], roles: np.ndarray[Any, Any] | None, step: int) -> np.ndarray[Any, Any]:
    """The class of every cell, from the rule in words."""
    height, width = labels.shape
    order = ["none", "dropped", "validation", "training", "test"]
    shown = np.zeros((-(-height // step), -(-width // step)), np.uint8)
    for i, j in np.ndindex(shown.shape):
        middle = min(i * step + step // 2, height - 1), min(j * step + step // 2, width - 1)
        found = [
            (0 if roles is None else order.index(next(n for n, v in ROLES.items() if v == roles[y, x])),
             (y, x) == middle, TABLE.codes.index(labels[y, x]) + 1)
            for y in range(i * step, min((i + 1) * step, height))
            for x in range(j * step, min((j + 1) * step, width))
            if labels[y, x]
        ]  # fmt: skip
        shown[i, j] = max(found)[2] if found else 0
    return shown


@settings(max_examples=60)
@given(
    labels=hnp.arrays(
        np.int32, st.tuples(st.integers(3, 17), st.integers(3, 17)), elements=st.sampled_from([0, 0, 2, 5, 9])
    ),
    seed=st.integers(0, 99),
    step=st.integers(1, 5),
    pixels=st.integers(1, 60),
)  # fmt: skip
def test_cells_show_labels_by_role_then_by_place_whatever_the_windows(
    labels: np.ndarray[Any, Any], seed: int, step: int, pixels: int
) -> None:
    roles = np.where(labels > 0, np.random.default_rng(seed).integers(0, 5, labels.shape), 0).astype(np.uint8)
    size = -(-max(labels.shape) // step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsiattn.reporting.pictures.PIXELS_AT_ONCE", pixels)
        found = layers(labels, labels, roles).pictures(size)
        plain = layers(labels).pictures(size)
    np.testing.assert_array_equal(found.reference, brute_force(labels, roles, found.step))
    np.testing.assert_array_equal(plain.reference, brute_force(labels, None, plain.step))
    rows = np.minimum(np.arange(found.land_cover.shape[0]) * found.step + found.step // 2, labels.shape[0] - 1)
    columns = np.minimum(np.arange(found.land_cover.shape[1]) * found.step + found.step // 2, labels.shape[1] - 1)
    expected = TABLE.to_indices(labels[np.ix_(rows, columns)]) + 1
    np.testing.assert_array_equal(found.land_cover, expected)
    assert max(found.land_cover.shape) <= size


def test_one_tested_pixel_among_many_that_train_is_seen() -> None:
    labels, roles = np.full((40, 40), 2), np.full((40, 40), ROLES["training"], np.uint8)
    labels[33, 1], roles[33, 1] = 9, ROLES["test"]
    found = layers(labels, labels, roles).pictures(4)
    assert found.split is not None
    assert found.reference[3, 0] == 3
    assert found.split[3, 0] == ROLES["test"]
    assert (np.delete(found.reference.ravel(), 12) == 1).all()


def test_confidence_is_in_per_cent_and_unknown_where_it_is_no_number() -> None:
    shares = np.array([[0.0, 0.5], [0.994, np.nan]], np.float32)
    found = layers(np.ones((2, 2)) * 2, confidence=read_array(xr.DataArray(shares, dims=("y", "x")))).pictures()
    assert found.confidence is not None
    assert found.confidence.tolist() == [[0, 50], [99, NO_CONFIDENCE]]


@pytest.mark.parametrize(
    ("crs", "transform", "words", "geographic"),
    [
        (32633, Affine(10, 0, 5e5, 0, -10, 6e6), "WGS 84 / UTM zone 33N (EPSG:32633)", False),
        (4326, Affine(0.1, 0, 13, 0, -0.1, 52), "WGS 84 (EPSG:4326)", True),
        (None, Affine.rotation(30) @ Affine.scale(3, -3), "", False),
    ],
)
def test_pictures_know_where_they_lie(crs: int | None, transform: Affine, words: str, geographic: bool) -> None:
    grid = Grid(2, 3, None if crs is None else CRS.from_epsg(crs), transform)
    found = Layers(ClassIndices(codes(np.full((2, 3), 5), grid), TABLE)).pictures()
    assert (found.crs, found.geographic, found.width, found.height) == (words, geographic, 3, 2)
    assert found.transform == tuple(transform)[:6]
    assert not found.land_cover.any()


def test_classes_are_matched_by_name_where_both_have_names_and_else_by_code() -> None:
    of_map = ClassTable.from_records([{"code": 1, "name": "soil"}, {"code": 2, "name": "water"}])
    of_labels = ClassTable.from_records([{"code": 1, "name": "Water"}, {"code": 7, "name": "soil"}, {"code": 70_000}])
    values = np.array([[1, 7, 0, 70_000]])
    named = ClassIndices(codes(values, table=of_labels), of_map).read
    whole = Window(0, 0, 4, 1)
    assert named(whole).tolist() == [[1, 0, -1, -1]]
    bare = ArrayCodes(xr.DataArray(np.array([[1, 2, 0, 9]]), dims=("y", "x")), "x", Grid(1, 4, None, Affine.identity()))
    assert ClassIndices(bare, of_map).read(whole).tolist() == [[0, 1, -1, -1]]


def test_a_map_in_a_file_brings_its_confidence_scene_and_split(mapped: Any, tiny: Any) -> None:
    report = hsiattn.assess(mapped.map, mapped.labels, split=mapped.split, scene=mapped.scene)
    assert report.supplement is not None
    assert report.supplement.pictures is not None
    found = report.supplement.pictures()
    assert found.confidence is not None
    assert found.split is not None
    assert found.quicklook is not None
    assert found.quicklook.shape == (*found.land_cover.shape, 4)
    assert found.quicklook_description.startswith("true colour")
    np.testing.assert_array_equal(found.reference, report.classes.to_indices(tiny.codes) + 1)
    again = compare(mapped.map, mapped.labels)  # the picture holds what was counted
    tested = tiny.codes > 0
    right = int((found.land_cover == found.reference)[tested].sum())
    assert right == int(np.trace(again.confusion))


def test_confidence_on_another_grid_is_refused(mapped: Any, tmp_path: Path) -> None:
    with pytest.raises(GridError, match="confidence"):
        hsiattn.assess(mapped.map, mapped.labels, confidence=xr.DataArray(np.ones((3, 3)), dims=("y", "x")))


def test_more_classes_than_a_byte_holds_are_not_drawn() -> None:
    values = np.arange(1, 301).reshape(15, 20)
    report = hsiattn.assess(values, values)
    assert report.supplement is not None
    assert report.supplement.pictures is None
    assert "there are no pictures, since they show 254 classes at most" in report.supplement.record["absent"]
