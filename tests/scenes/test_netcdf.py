"""Cubes in netCDF-4 and HDF5: axes, bands, values and place as xarray and rioxarray understand them."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import open_scene, open_source

WINDOW = Window(3, 2, 5, 4)
WAVELENGTHS = np.linspace(400, 2400, 6)
UTM = Affine(5, 0, 400_000, 0, -5, 5_800_000)


@pytest.fixture
def dataset(cube):
    """The cube as xarray has it, with coordinates of the pixel centres."""
    x, y = 400_002.5 + 5 * np.arange(11), 5_799_997.5 - 5 * np.arange(9)
    array = xr.DataArray(
        cube,
        dims=("wavelength", "y", "x"),
        coords={"wavelength": ("wavelength", WAVELENGTHS, {"units": "nm"}), "y": y, "x": x},
        attrs={"_FillValue": np.int16(-50)},
    )
    return xr.Dataset({"reflectance": array}).rio.write_crs("EPSG:32633")


@pytest.fixture
def written(tmp_path):
    """A function that writes a dataset and gives the path."""

    def write(dataset, name="scene.nc", **options):
        path = tmp_path / name
        dataset.to_netcdf(path, engine="h5netcdf", **options)
        return path

    return write


@pytest.mark.parametrize("order", ["byx", "yxb", "ybx", "xyb", "bxy"])
def test_a_cube_is_read_whatever_the_order_of_its_dimensions(dataset, written, cube, order):
    dims = {"b": "wavelength", "y": "y", "x": "x"}
    source = open_source(written(dataset.transpose(*(dims[letter] for letter in order))))
    assert source.shape == cube.shape
    assert source.dtype == cube.dtype
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])
    np.testing.assert_array_equal(source.read_bands(WINDOW, [4, 0]), cube[[4, 0], 2:6, 3:8])
    np.testing.assert_allclose(source.bands.wavelength, WAVELENGTHS)
    assert source.nodata == -50
    assert source.crs == CRS.from_epsg(32633)
    assert source.transform.almost_equals(UTM)
    assert source.notes == ()


def test_what_open_scene_gives_comes_back_from_netcdf(geotiff, written, cube):
    scene = open_scene(geotiff(nodata=-50)).assign_coords(
        wavelength=("band", WAVELENGTHS, {"units": "nm"}), good=("band", [True, False, *[True] * 4])
    )
    back = open_source(written(scene.to_dataset(name="scene").drop_attrs(deep=False)))
    np.testing.assert_array_equal(back.read(back.extent), cube)
    np.testing.assert_allclose(back.bands.wavelength, WAVELENGTHS)
    assert back.bands.good.tolist() == [True, False, True, True, True, True]
    assert back.bands.names[0] == "band 1"
    assert (back.crs, back.transform) == (CRS.from_epsg(32633), UTM)


def test_the_source_pickles_and_reads_in_kept_open(dataset, written, cube):
    source = pickle.loads(pickle.dumps(open_source(written(dataset))))
    with source.kept_open():
        for _ in range(2):
            np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])


def test_rows_from_south_to_north_stay_in_their_order(dataset, written, cube):
    source = open_source(written(dataset.isel(y=slice(None, None, -1))))
    np.testing.assert_array_equal(source.read(source.extent), cube[:, ::-1])
    assert source.transform.almost_equals(Affine(5, 0, 400_000, 0, 5, 5_800_000 - 45))


def test_coordinates_outweigh_a_transform_of_the_grid_turned_over(dataset, written):
    dataset["spatial_ref"].attrs["GeoTransform"] = "400000 5 0 5800000 0 -5"
    source = open_source(written(dataset.isel(y=slice(None, None, -1))))
    assert source.transform.almost_equals(Affine(5, 0, 400_000, 0, 5, 5_800_000 - 45))


def test_a_transform_frees_coordinates_of_their_rounding(dataset, written):
    dataset = dataset.assign_coords(x=dataset.x.astype("f4"), y=dataset.y.astype("f4"))
    dataset["spatial_ref"].attrs["GeoTransform"] = "400000 5 0 5800000 0 -5"
    assert open_source(written(dataset)).transform == UTM


def test_a_rotated_transform_is_taken_from_the_grid_mapping(dataset, written):
    dataset["spatial_ref"].attrs["GeoTransform"] = "400000 3 4 5800000 4 -3"
    assert open_source(written(dataset.drop_vars(["x", "y"]))).transform == Affine(3, 4, 400_000, 4, -3, 5_800_000)


def test_uneven_coordinates_give_no_place_and_a_note(dataset, written):
    uneven = dataset.x.values.copy()
    uneven[4] += 2
    source = open_source(written(dataset.assign_coords(x=uneven)))
    assert source.transform == Affine.identity()
    assert "not evenly spaced" in source.notes[0]


def test_degrees_without_a_crs_are_wgs_84(cube, written):
    lat = ("lat", 50 - 0.1 * np.arange(9), {"units": "degrees_north"})
    lon = ("lon", 10 + 0.1 * np.arange(11), {"units": "degrees_east"})
    dims = ("lat", "lon", "wavelength")
    coords = {"lat": lat, "lon": lon, "wavelength": ("wavelength", WAVELENGTHS / 1000, {"units": "um"})}
    source = open_source(written(xr.Dataset({"rho": xr.DataArray(cube.transpose(1, 2, 0), dims=dims, coords=coords)})))
    assert source.crs == CRS.from_epsg(4326)
    assert source.transform.almost_equals(Affine(0.1, 0, 9.95, 0, -0.1, 50.05))
    np.testing.assert_allclose(source.bands.wavelength, WAVELENGTHS)
    assert "WGS 84 is taken" in source.notes[0]


def test_a_grid_mapping_by_parameters_is_understood(dataset, written):
    attrs = {"grid_mapping_name": "transverse_mercator", "longitude_of_central_meridian": 15.0}
    attrs |= {"latitude_of_projection_origin": 0.0, "scale_factor_at_central_meridian": 0.9996}
    attrs |= {"false_easting": 500_000.0, "false_northing": 0.0, "semi_major_axis": 6378137.0}
    attrs |= {"inverse_flattening": 298.257223563}
    dataset["spatial_ref"].attrs = attrs
    crs = open_source(written(dataset)).crs
    assert crs.is_projected
    assert "+proj=utm +zone=33" in crs.to_proj4()


def test_scale_offset_and_valid_range_are_those_of_cf(written, tmp_path):
    stored = np.arange(-6, 18, dtype="i2").reshape(2, 3, 4)
    attrs = {"scale_factor": 0.5, "add_offset": 1.0, "valid_range": np.array([0, 15], "i2")}
    attrs |= {"missing_value": np.int16(7), "_FillValue": np.int16(-6)}
    coords = {"wavelength": ("wavelength", [500.0, 600.0], {"units": "nm"})}
    array = xr.DataArray(stored, dims=("wavelength", "y", "x"), coords=coords, attrs=attrs)
    path = written(xr.Dataset({"a": array}))
    source = open_source(path)
    values = source.read(source.extent)
    missing = source.missing(values)
    np.testing.assert_array_equal(missing, (stored < 0) | (stored > 15) | (stored == 7))
    reflectance = source.radiometry.reflectance(values.transpose(1, 2, 0)).transpose(2, 0, 1)
    with pytest.warns(xr.SerializationWarning, match="multiple fill values"):
        decoded = xr.open_dataset(path, engine="h5netcdf")["a"].values
    np.testing.assert_allclose(reflectance[~missing], decoded[~missing])


def test_a_valid_range_without_a_fill_value_makes_missing_ones_nan(written):
    stored = np.arange(24, dtype="u2").reshape(2, 3, 4)
    array = xr.DataArray(stored, dims=("band", "y", "x"), attrs={"valid_max": np.uint16(20)})
    source = open_source(written(xr.Dataset({"a": array})))
    values = source.read(source.extent)
    assert values.dtype == source.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(values), stored > 20)


def test_a_scale_so_small_that_nothing_can_be_divided_by_it_is_ignored(cube, written):
    array = xr.DataArray(cube, dims=("band", "y", "x"), attrs={"scale_factor": 1e-320})
    source = open_source(written(xr.Dataset({"a": array})))
    assert not source.radiometry.stated
    assert "is 0 or no number and is ignored" in source.notes[0]


def test_widths_good_bands_and_names_are_found_by_name(cube, written):
    array = xr.DataArray(cube, dims=("bands", "line", "sample"))
    variables = {
        "data": array,
        "wavelengths": ("bands", WAVELENGTHS, {"units": "nm"}),
        "fwhm": ("bands", np.full(6, 9.5)),
        "good_wavelengths": ("bands", np.array([1, 1, 0, 1, 1, 0], "u1")),
        "band_names": ("bands", list("abcdef")),
    }
    bands = open_source(written(xr.Dataset(variables))).bands
    np.testing.assert_allclose(bands.wavelength, WAVELENGTHS)
    assert bands.fwhm.tolist() == [9.5] * 6
    assert bands.good.tolist() == [True, True, False, True, True, False]
    assert bands.names == tuple("abcdef")


def test_several_cubes_are_refused_with_their_names_until_one_is_named(dataset, written):
    path = written(dataset.assign(uncertainty=dataset["reflectance"] * 2))
    with pytest.raises(
        SceneError, match=r"2 3-D variables: .*reflectance \(6×9×11 int16\).*; name one of them by key="
    ):
        open_source(path)
    assert open_source(path, key="uncertainty").shape == (6, 9, 11)
    with pytest.raises(SceneError, match=r"variable radiance of .* is not there; choose among its cubes: "):
        open_source(path, key="radiance")
    with pytest.raises(SceneError, match=r"variable x of .* is no numeric 3-D array"):
        open_source(path, key="x")


def test_a_file_without_a_cube_lists_what_it_has(dataset, written):
    with pytest.raises(SceneError, match=r"no numeric 3-D variable; .*reflectance \(9×11 int16\)"):
        open_source(written(dataset.isel(wavelength=0, drop=True)))


def test_an_axis_of_one_date_is_left_out(dataset, written, cube):
    source = open_source(written(dataset.expand_dims(time=[0])))
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])


def test_in_plain_hdf5_the_wavelengths_or_the_shortest_axis_tell_the_bands(tmp_path, cube):
    path = tmp_path / "scene.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = cube.transpose(1, 2, 0)
    source = open_source(path)
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])
    assert "the shortest one is taken" in source.notes[0]
    with h5py.File(path, "w") as file:
        file["cube"] = cube  # 9 rows are the spectral axis now, for their wavelengths
        file["wavelength"] = np.linspace(0.4, 2.4, 9)
    source = open_source(path)
    assert source.shape == (9, 6, 11)
    np.testing.assert_array_equal(source.read(source.extent), cube.transpose(1, 0, 2))
    assert source.bands.wavelength[0] == 400
    assert source.notes == ()


def test_axes_that_nothing_tells_apart_are_refused(tmp_path):
    path = tmp_path / "scene.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = np.zeros((5, 5, 9))
    with pytest.raises(SceneError, match=r"which axis of cube \(5×5×9 float64\) is the spectral one"):
        open_source(path)


def test_only_the_chunks_of_a_window_are_read(tmp_path, cube):
    path = tmp_path / "scene.nc"
    values = np.random.default_rng(0).integers(0, 9999, (6, 64, 64)).astype("i2")
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("cube", data=values, chunks=(6, 8, 8), compression="gzip")
        chunk = stored.id.get_chunk_info(3 * 8 + 4)
    source = open_source(path)
    assert source.block == (8, 8)
    expected = source.read(Window(32, 24, 8, 8))
    with path.open("r+b") as stream:  # all chunks but that one are spoilt
        content = stream.read()
        whole = content[chunk.byte_offset : chunk.byte_offset + chunk.size]
        with h5py.File(path, "r") as file:
            infos = [file["cube"].id.get_chunk_info(n) for n in range(64)]
        for info in infos:
            if info.byte_offset != chunk.byte_offset:
                stream.seek(info.byte_offset)
                stream.write(b"\0" * info.size)
        assert len(whole) == chunk.size
    np.testing.assert_array_equal(source.read(Window(32, 24, 8, 8)), expected)
    np.testing.assert_array_equal(expected, values[:, 24:32, 32:40])
    with pytest.raises(SceneError, match="cannot be read"):
        source.read(Window(0, 0, 8, 8))


@pytest.mark.parametrize("length", [10, 600, 3000])
def test_a_truncated_file_ends_in_one_line(dataset, written, length):
    path = written(dataset)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(SceneError) as caught:
        open_scene(path).load()
    assert "\n" not in str(caught.value)
