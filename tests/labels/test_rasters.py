"""Label rasters in every form, with any codes, on the grid of the scene."""

from __future__ import annotations

import warnings
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
from rasterio.errors import NotGeoreferencedWarning
from scipy.io import savemat

from hsiattn.classes import ClassTable
from hsiattn.errors import GridError, HsiattnError, LabelError
from hsiattn.labels import open_labels
from hsiattn.scenes import Grid, georeference, grid_of

CODES = np.array([[0, 1, 10], [14, 10, 0]], dtype=np.uint8)
TRANSFORM = Affine(4, 0, 5e5, 0, -4, 5e6)
ROTATED = Affine(3.0, 2.0, 5e5, 2.0, -3.0, 5e6)


def write_tif(path: Path, values: np.ndarray[Any, Any], **profile: Any) -> Path:
    """A GeoTIFF of the values (y, x) or (band, y, x)."""
    bands = values if values.ndim == 3 else values[None]
    profile = {"crs": "EPSG:32633", "transform": TRANSFORM, **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
            **profile,
        ) as dataset:  # fmt: skip
            dataset.write(bands)
    return path


def scene(height: int, width: int, *, crs: Any = "EPSG:32633", transform: Affine = TRANSFORM) -> xr.DataArray:
    """A scene of zeros on a grid."""
    crs = None if crs is None else rasterio.crs.CRS.from_user_input(crs)
    return georeference(xr.DataArray(np.zeros((2, height, width)), dims=("band", "y", "x"), name="cube"),
                        Grid(height, width, crs, transform))  # fmt: skip


def write_form(folder: Path, form: str, values: np.ndarray[Any, Any]) -> Path:
    path = folder / f"labels.{form}"
    if form == "mat":
        savemat(path, {"gt": values})
    elif form == "npy":
        np.save(path, values)
    else:
        write_tif(path, values)
    return path


@pytest.mark.parametrize("form", ["tif", "mat", "npy"])
def test_codes_are_kept_as_they_are(tmp_path: Path, form: str) -> None:
    labels = open_labels(write_form(tmp_path, form, CODES))
    assert labels.dims == ("y", "x")
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels.values, CODES)
    assert ClassTable.from_attrs(labels.attrs) == ClassTable.from_codes([1, 10, 14])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    values=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2),
        elements=st.integers(0, 120),
    )
)
def test_any_type_of_whole_numbers_will_do(tmp_path: Path, values: np.ndarray[Any, Any]) -> None:
    path = write_tif(tmp_path / "labels.tif", values)
    if not values.any():
        with pytest.raises(LabelError, match="no labelled pixel"):
            open_labels(path)
        return
    np.testing.assert_array_equal(open_labels(path).values, values)


def test_nodata_and_nan_are_unlabelled(tmp_path: Path) -> None:
    bytes_ = open_labels(write_tif(tmp_path / "b.tif", np.array([[255, 1], [2, 0]], np.uint8), nodata=255))
    assert bytes_.values.tolist() == [[0, 1], [2, 0]]
    signed = open_labels(write_tif(tmp_path / "s.tif", np.array([[-9999, 1]], np.int16), nodata=-9999))
    assert signed.values.tolist() == [[0, 1]]
    floats = open_labels(write_tif(tmp_path / "f.tif", np.array([[np.nan, 7.0]], np.float32)))
    assert floats.values.tolist() == [[0, 7]]


@pytest.mark.parametrize("transform", [TRANSFORM, ROTATED])
def test_crs_and_transform_of_the_file_are_kept(tmp_path: Path, transform: Affine) -> None:
    grid = grid_of(open_labels(write_tif(tmp_path / "labels.tif", CODES, transform=transform)))
    assert grid.crs == rasterio.crs.CRS.from_epsg(32633)
    assert grid.transform == transform


def test_labels_without_georeference_take_that_of_the_scene(tmp_path: Path) -> None:
    like = scene(2, 3, transform=ROTATED)
    assert grid_of(open_labels(write_form(tmp_path, "npy", CODES), like=like)) == grid_of(like)


def test_labels_keep_their_georeference_beside_a_scene_without_one(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    like = scene(2, 3, crs=None, transform=Affine.identity())
    assert grid_of(open_labels(path, like=like)).transform == TRANSFORM


@pytest.mark.parametrize(
    ("like", "difference"),
    [
        (scene(3, 2), "size"),
        (scene(2, 3, crs="EPSG:32634"), "CRS"),
        (scene(2, 3, transform=Affine(4, 0, 5e5 + 2, 0, -4, 5e6)), "position"),
        (scene(2, 3, transform=Affine(5, 0, 5e5, 0, -5, 5e6)), "position"),
        (scene(2, 3, transform=ROTATED), "position"),
    ],
)
def test_labels_on_another_grid_are_refused(tmp_path: Path, like: xr.DataArray, difference: str) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    with pytest.raises(GridError, match=f"differ in {difference}") as raised:
        open_labels(path, like=like)
    assert str(path) in raised.value.problem
    assert "cube" in raised.value.problem


def test_rounding_in_a_header_is_no_other_grid(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    nearly = scene(2, 3, transform=Affine(4.000001, 0, 5e5 + 0.001, 0, -4.000001, 5e6))
    assert grid_of(open_labels(path, like=nearly)).transform == grid_of(nearly).transform


def test_the_transform_is_compared_even_if_one_side_lacks_a_crs(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    with pytest.raises(GridError, match="position"):
        open_labels(path, like=scene(2, 3, crs=None, transform=Affine(4, 0, 9e5, 0, -4, 5e6)))


def test_a_given_table_wins_over_the_palette(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {1: (1, 1, 1, 255)})
    table = tmp_path / "legend.csv"
    table.write_text("code,name,color\n1,a,#000001\n10,b,#000002\n14,c,#000003\n99,d,#000004\n", encoding="utf-8")
    labels = open_labels(path, table=table)
    assert labels.attrs["class_names"] == ["a", "b", "c", "d"]
    assert labels.attrs["class_colors"][0] == "#000001"


def test_a_palette_colours_only_codes_that_occur(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {code: (code, 0, 0, 255) for code in range(256)})
    labels = open_labels(path)
    assert labels.attrs["class_codes"] == [1, 10, 14]
    assert labels.attrs["class_colors"] == ["#010000", "#0a0000", "#0e0000"]


def test_codes_that_the_table_lacks_are_named(tmp_path: Path) -> None:
    path = write_form(tmp_path, "npy", CODES)
    with pytest.raises(LabelError, match="the codes 10, 14"):
        open_labels(path, table=ClassTable.from_codes([1]))


def test_one_of_several_arrays_is_chosen_by_key(tmp_path: Path) -> None:
    path = tmp_path / "two.mat"
    savemat(path, {"train": CODES, "test": CODES + 1})
    with pytest.raises(HsiattnError, match="train"):
        open_labels(path)
    np.testing.assert_array_equal(open_labels(path, key="test").values, CODES + 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[-1, 2]], np.int16), "negative code -1"),
        (np.array([[0.5, 2]], np.float32), "value 0.5"),
        (np.array([[np.inf, 2]], np.float32), "code inf"),
        (np.array([[2**31, 2]], np.uint32), "code 2.14748e"),
        (np.zeros((2, 2), np.uint8), "no labelled pixel"),
        (np.ones((3, 2, 2), np.uint8), "3 bands"),
        (np.ones((1, 2), np.complex64), "type complex64"),
    ],
)
def test_rasters_that_hold_no_codes_are_refused(tmp_path: Path, values: np.ndarray[Any, Any], message: str) -> None:
    path = write_tif(tmp_path / "labels.tif", values)
    with pytest.raises(LabelError, match=message) as raised:
        open_labels(path)
    assert str(path) in raised.value.problem


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = write_tif(tmp_path / "whole.tif", np.ones((200, 200), np.uint8))
    (tmp_path / "short.tif").write_bytes(whole.read_bytes()[:5000])
    (tmp_path / "text.tif").write_text("not a raster", encoding="utf-8")
    (tmp_path / "text.npy").write_text("not an array", encoding="utf-8")
    np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
    np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
    messages = {
        "none.tif": "does not exist",
        "none.npy": "does not exist",
        "short.tif": "damaged or not a raster",
        "text.tif": "damaged or not a raster",
        "text.npy": "not a complete NumPy file",
        "cube.npy": "not rows × columns",
        "objects.npy": "not a complete NumPy file",
    }
    for name, message in messages.items():
        with pytest.raises(LabelError, match=message) as raised:
            open_labels(tmp_path / name)
        assert "\n" not in str(raised.value)


@pytest.mark.real_scene
def test_the_public_label_maps_open_with_their_published_sizes(real_data: Path) -> None:
    labels = open_labels(real_data / "salinas-a" / "SalinasA_gt.mat")
    assert labels.attrs["class_codes"] == [1, 10, 11, 12, 13, 14]
    assert int((labels != 0).sum()) == 5348
    potsdam = open_labels(real_data / "enmap-potsdam" / "enmap_landcover_unstyled.tif")
    assert potsdam.shape == (200, 330)
    assert potsdam.attrs["class_codes"] == [1, 2, 3, 4, 5, 6]
