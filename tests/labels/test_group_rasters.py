"""Rasters of polygon ids: what is an id, what is none, and what is refused."""

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from scipy.io import savemat

from hsiattn.errors import GridError, LabelError
from hsiattn.files.kinds import KIND_TAG, FileKind
from hsiattn.labels.group_rasters import GroupRaster, group_ids, read_groups
from hsiattn.scenes import Grid, georeference

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 5e6)


def write(path, values, *, nodata=None, transform=TRANSFORM, **tags):
    bands = values[None] if values.ndim == 2 else values
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
        transform=transform, nodata=nodata, crs="EPSG:32633",
    ) as dataset:  # fmt: skip
        dataset.write(bands)
        dataset.update_tags(**tags)
    return path


@pytest.mark.parametrize(
    ("values", "nodata"),
    [
        (np.array([[7, 0, 70_000], [7, 9, -1]], np.int32), None),
        (np.array([[7, 255, 70_000], [7, 9, 0]], np.int32), 255),
        (np.array([[7, np.nan, 70_000], [7, 9, -1]], np.float32), None),
        (np.array([[7, -9999, 70_000], [7, 9, np.nan]], np.float64), -9999),
    ],
)
def test_zero_negative_numbers_nan_and_nodata_are_no_polygon(tmp_path, values, nodata):
    expected = [[7, 0, 70_000], [7, 9, 0]]
    assert read_groups(write(tmp_path / "ids.tif", values, nodata=nodata)).tolist() == expected
    if nodata is None:
        assert group_ids(values, (2, 3)).tolist() == expected


def test_windows_give_the_same_ids_as_the_whole(tmp_path, monkeypatch):
    ids = np.random.default_rng(0).integers(0, 9, (37, 41)).astype(np.uint8)
    monkeypatch.setattr("hsiattn.labels.group_rasters.PIXELS_AT_ONCE", 50)
    np.testing.assert_array_equal(read_groups(write(tmp_path / "ids.tif", ids)), ids)


@pytest.mark.parametrize("value", [0.5, np.inf, 2.0**31])
def test_a_value_that_is_no_id_is_named(tmp_path, value):
    values = np.array([[1.0, value]])
    for read in (lambda: read_groups(write(tmp_path / "i.tif", values)), lambda: group_ids(values, (1, 2))):
        with pytest.raises(LabelError, match=f"holds the value {value:g}".replace("+", r"\+")):
            read()


def test_a_raster_without_a_polygon_is_refused(tmp_path):
    with pytest.raises(LabelError, match=r"no pixel of .* lies in a polygon"):
        read_groups(write(tmp_path / "ids.tif", np.zeros((2, 2), np.uint8)))


def test_a_raster_of_another_kind_is_refused(tmp_path):
    path = write(tmp_path / "split.tif", np.ones((2, 2), np.uint8), **{KIND_TAG: FileKind.SPLIT.value})
    with pytest.raises(LabelError, match="is a raster of split, not of polygon ids"):
        GroupRaster(path)


def test_a_missing_file_several_bands_and_several_variables_are_refused(tmp_path):
    savemat(tmp_path / "two.mat", {"x": np.ones((2, 2)), "y": np.ones((2, 2))})
    write(tmp_path / "bands.tif", np.ones((2, 3, 3), np.uint8))
    for name, match in {
        "nowhere.tif": "nowhere.tif does not exist",
        "bands.tif": "bands.tif has 2 bands",
        "two.mat": "two.mat has 2 2-D variables: x, y; give a raster with one band of polygon ids",
    }.items():
        with pytest.raises(LabelError, match=match):
            read_groups(tmp_path / name)


def test_ids_on_another_grid_are_resampled_and_those_elsewhere_refused(tmp_path):
    path = write(tmp_path / "ids.tif", np.arange(1, 21, dtype=np.uint8).reshape(4, 5))
    crs = rasterio.crs.CRS.from_epsg(32633)
    scene = Grid(2, 3, crs, Affine(20, 0, 5e5 + 10, 0, -20, 5e6))
    cube = georeference(xr.DataArray(np.zeros((1, 2, 3)), dims=("band", "y", "x")), scene)
    assert read_groups(path, like=cube).tolist() == [[2, 4, 0], [12, 14, 0]]  # of four ids the smallest
    far = Grid(2, 3, crs, Affine(20, 0, 7e5, 0, -20, 5e6))
    cube = georeference(xr.DataArray(np.zeros((1, 2, 3)), dims=("band", "y", "x")), far)
    with pytest.raises(GridError, match=r"ids.tif .* does not overlap the scene"):
        read_groups(path, like=cube)


def test_an_array_of_another_size_or_type_is_refused():
    with pytest.raises(GridError, match="the groups have 2 × 2 pixels, the labels 2 × 3"):
        group_ids(np.ones((2, 2), int), (2, 3))
    with pytest.raises(LabelError, match="whole numbers"):
        group_ids(np.full((2, 2), "a"), (2, 2))
