"""EMIT, AVIRIS-3 and PACE: files to their producers' layout, read as they were written."""

from __future__ import annotations

import pickle
import shutil

import h5py
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from rasterio.windows import Window

from hsiattn.scenes import open_source
from scripts.benchmarks.products import netcdf

WRITERS = {"emit": netcdf.emit, "aviris3": netcdf.aviris3, "pace_l2": netcdf.pace_l2, "pace_l3": netcdf.pace_l3}


@pytest.mark.parametrize("name", WRITERS)
def test_all_that_the_files_say_is_read(tmp_path, check_against_truth, name):
    truth = WRITERS[name](tmp_path)
    check_against_truth(open_source(truth.path), truth)


def test_the_mask_of_version_3_is_told_by_its_labels(tmp_path, check_against_truth):
    truth = netcdf.emit(tmp_path, version=3)
    source = open_source(truth.path)
    check_against_truth(source, truth)
    assert {layer.name for layer in source.quality} == {"cloud", "cirrus", "dilated cloud", "water"}


def test_a_cube_of_aviris_with_a_lookup_table_is_rectified(tmp_path, check_against_truth):
    truth = netcdf.aviris3(tmp_path, table=True)
    check_against_truth(open_source(truth.path), truth)


def test_any_window_of_a_rectified_scene_is_that_of_the_whole(tmp_path):
    """Larger than the tiles in which it is filled."""
    truth = netcdf.emit(tmp_path, swath=(150, 140))
    source = pickle.loads(pickle.dumps(open_source(truth.path)))
    rng = np.random.default_rng(2)
    with source.kept_open():
        np.testing.assert_array_equal(source.read(source.extent), truth.values)
        for _ in range(10):
            left, top = rng.integers(0, source.width - 1), rng.integers(0, source.height - 1)
            window = Window(
                left, top, rng.integers(1, source.width - left + 1), rng.integers(1, source.height - top + 1)
            )
            rows, columns = window.toslices()
            bands = rng.permutation(6)[:3]
            np.testing.assert_array_equal(source.read_bands(window, bands), truth.values[bands, rows, columns])
            for layer in source.quality:
                np.testing.assert_array_equal(layer.read(window), truth.layers[layer.name][rows, columns])


def test_emit_agrees_with_the_lookup_of_xarray(tmp_path):
    truth = netcdf.emit(tmp_path)
    cube = xr.open_dataset(truth.path, engine="h5netcdf", mask_and_scale=False)["reflectance"]
    table = xr.open_dataset(truth.path, engine="h5netcdf", group="location", mask_and_scale=False)
    rows, columns = abs(table["glt_y"]), abs(table["glt_x"])
    picked = cube.isel(downtrack=(rows - 1).clip(0), crosstrack=(columns - 1).clip(0)).where(rows > 0, -9999)
    source = open_source(truth.path)
    np.testing.assert_array_equal(source.read(source.extent), picked.transpose("bands", "ortho_y", "ortho_x").values)


def test_without_its_mask_file_emit_says_that_clouds_stay(tmp_path):
    truth = netcdf.emit(tmp_path, mask=False)
    source = open_source(truth.path)
    assert source.quality == ()
    assert "EMIT_L2A_MASK_001_20230401T203751_2309114_002.nc is not beside it" in source.notes[0]
    renamed = shutil.copy(truth.path, tmp_path / "scene.nc")
    assert "it has another name than EMIT_L2A_RFL_" in open_source(renamed).notes[0]


def test_a_mask_of_another_scene_is_refused(tmp_path, refusal):
    truth = netcdf.emit(tmp_path)
    (tmp_path / "other").mkdir()
    netcdf.emit(tmp_path / "other", swath=(9, 10))
    mask = netcdf.EMIT_NAME.replace("_RFL_", "_MASK_")
    shutil.copy(tmp_path / "other" / mask, tmp_path / mask)
    assert "does not fit the reflectance beside it" in refusal(truth.path)


@pytest.mark.parametrize("lost", ["geotransform", "glt"])
def test_an_emit_file_that_lacks_a_part_is_refused_or_no_product(tmp_path, refusal, lost):
    truth = netcdf.emit(tmp_path, mask=False)
    with h5py.File(truth.path, "r+") as file:
        if lost == "geotransform":
            del file.attrs["geotransform"]
        else:
            del file["location/glt_x"]
            file["location/glt_x"] = np.ones((2, 3), "i4")
    text = refusal(truth.path)
    assert ("lacks the geotransform" if lost == "geotransform" else "lookup table of") in text


def test_radiance_in_the_geometry_of_the_sensor_is_not_put_on_the_rectified_grid(tmp_path):
    truth = netcdf.emit(tmp_path, mask=False)
    with h5py.File(truth.path, "r+") as file:
        file.move("reflectance", "radiance")
        file["location/lon"][:], file["location/lat"][:] = np.indices(file["location/lon"].shape)[::-1] / 100
    source = open_source(truth.path)
    assert source.shape == (6, 8, 10)
    assert (source.crs, source.transform) == (None, Affine.identity())
    assert "in the geometry of the sensor" in source.notes[0]


def test_positions_of_a_swath_become_ground_control_points(tmp_path):
    truth = netcdf.pace_l2(tmp_path, shape=(30, 40))
    points = open_source(truth.path).control.points
    assert len(points) == 121
    with h5py.File(truth.path) as file:
        lon, lat = file["navigation_data/longitude"][:], file["navigation_data/latitude"][:]
    for point in points:
        row, column = int(point.row), int(point.col)
        assert (point.x, point.y) == (lon[row, column], lat[row, column])


def test_a_truncated_product_ends_in_one_line(tmp_path, refusal):
    for write in WRITERS.values():
        truth = write(tmp_path)
        truth.path.write_bytes(truth.path.read_bytes()[:-200])
        refusal(truth.path)
