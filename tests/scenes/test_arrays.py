"""Arrays as scenes: whatever form a caller holds a cube in, the windows hold its values."""

import dask.array
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import ArrayError, GridError
from hsiattn.scenes import as_scene, as_source

WAVELENGTHS = [450.0, 550.0, 650.0, 850.0]


@pytest.fixture
def cube():
    """Values (H, W, B) that are all different."""
    return np.arange(5 * 7 * 4, dtype=np.int16).reshape(5, 7, 4)


def _values(scene):
    source = as_source(scene)
    return source.read(source.extent)


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", ">f4", "float16", "float64", "int64", "bool"])
def test_a_numpy_cube_has_its_bands_last(cube, dtype):
    given = cube.astype(dtype)
    source = as_source(given)
    assert source.shape == (4, 5, 7)
    values = source.read(Window(2, 1, 3, 2))
    np.testing.assert_array_equal(values, given[1:3, 2:5].transpose(2, 0, 1))
    assert values.dtype == source.dtype == given.dtype.newbyteorder("=")


def test_a_numpy_cube_is_not_copied(cube):
    assert np.shares_memory(as_scene(cube, wavelengths=WAVELENGTHS, nodata=-1, scale=10).values, cube)


@given(st.permutations(["band", "y", "x"]), st.integers(0, 7))
def test_dims_of_any_name_and_order_mean_the_same(order, names):
    cube = np.arange(5 * 7 * 4).reshape(4, 5, 7)
    bands = ["band", "bands", "wavelength", "Wavelength", "spectral", "channel", "lambda", "wavelengths"][names]
    rows = ["y", "lat", "latitude", "row", "rows", "northing", "line", "Y"][names]
    columns = ["x", "lon", "longitude", "col", "columns", "easting", "sample", "X"][names]
    plain = xr.DataArray(cube, dims=("band", "y", "x"))
    other = plain.rename(band=bands, y=rows, x=columns) if (bands, rows, columns) != plain.dims else plain
    called = {"band": bands, "y": rows, "x": columns}
    np.testing.assert_array_equal(_values(other.transpose(*(called[dim] for dim in order))), cube)


def test_dims_are_known_by_their_cf_attributes(cube):
    coords = {
        "n": ("n", np.arange(5.0), {"axis": "Y"}),
        "e": ("e", np.arange(7.0), {"standard_name": "projection_x_coordinate"}),
        "centre": ("centre", np.array(WAVELENGTHS) / 1000, {"standard_name": "radiation_wavelength", "units": "um"}),
    }
    scene = as_source(xr.DataArray(cube, dims=("n", "e", "centre"), coords=coords))
    np.testing.assert_array_equal(scene.read(scene.extent), cube.transpose(2, 0, 1))
    np.testing.assert_allclose(scene.bands.wavelength, WAVELENGTHS)


def test_coordinates_of_a_spectral_dim_are_wavelengths_unless_they_count_bands(cube):
    def wavelengths(dim, values):
        array = xr.DataArray(cube, dims=("y", "x", dim), coords={dim: values})
        return as_source(array).bands.wavelength

    np.testing.assert_array_equal(wavelengths("wavelength", WAVELENGTHS), WAVELENGTHS)
    np.testing.assert_array_equal(wavelengths("spectral", WAVELENGTHS), WAVELENGTHS)
    assert np.isnan(wavelengths("bands", [1, 2, 3, 4])).all()
    assert np.isnan(wavelengths("channel", [0, 1, 2, 3])).all()


def test_map_coordinates_stay_and_pixel_numbers_are_none(cube):
    placed = xr.DataArray(cube, dims=("lat", "lon", "band"), coords={"lat": 52 - np.arange(5), "lon": np.arange(7)})
    assert as_source(placed).transform == Affine(1, 0, -0.5, 0, -1, 52.5)
    counted = xr.DataArray(cube, dims=("row", "col", "band"), coords={"row": np.arange(5), "col": np.arange(7)})
    assert as_source(counted).transform == Affine.identity()


def test_bands_nodata_scale_and_place_are_those_given(cube):
    affine = Affine(30, 0, 360_000, 0, -30, 5_810_000)
    scene = as_scene(
        cube, wavelengths=[0.45, 0.55, 0.65, np.nan], fwhm=[0.01] * 4, bad_bands=[2], nodata=0, scale=10_000,
        transform=affine, crs="EPSG:32633", name="field",
    )  # fmt: skip
    source = as_source(scene)
    np.testing.assert_allclose(source.bands.wavelength, [450, 550, 650, np.nan])
    np.testing.assert_allclose(source.bands.fwhm, 10)
    assert source.bands.good.tolist() == [True, False, True, True]
    assert (source.nodata, source.radiometry.scale, source.name) == (0, 10_000, "field")
    assert (source.crs, source.transform) == (CRS.from_epsg(32633), affine)
    np.testing.assert_array_equal(as_source(as_scene(cube, bad_bands=np.arange(4) == 1)).bands.good, source.bands.good)


def test_what_is_given_goes_before_what_the_array_says(cube):
    array = xr.DataArray(
        cube, dims=("y", "x", "band"),
        coords={"wavelength": ("band", WAVELENGTHS), "gain": ("band", np.full(4, 0.5)), "nodata": ("band", np.ones(4))},
        attrs={"_FillValue": 3, "nodata": 4},
    )  # fmt: skip
    array.encoding["_FillValue"] = 5
    source = as_source(as_scene(array, wavelengths=[1, 2, 3, 4], nodata=7, scale=2))
    assert (source.nodata, source.nodata_by_band, source.radiometry.scale) == (7, None, 2)
    assert source.bands.wavelength[0] == 1000  # µm
    assert array.attrs == {"_FillValue": 3, "nodata": 4}
    assert as_source(array).nodata == 1


def test_a_crs_alone_leaves_the_transform(cube):
    array = xr.DataArray(cube, dims=("y", "x", "band"), coords={"y": 100 - 10 * np.arange(5), "x": 10 * np.arange(7)})
    source = as_source(as_scene(array, crs=32633))
    assert (source.crs, source.transform) == (CRS.from_epsg(32633), as_source(array).transform)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_masked_values_are_missing_and_the_others_exact(cube, dtype):
    mask = np.zeros(cube.shape, bool)
    mask[2, 3, 1] = True
    masked = np.ma.MaskedArray(cube.astype(dtype), mask, fill_value=1)
    source = as_source(masked)
    values = source.read(source.extent)
    np.testing.assert_array_equal(source.missing(values), mask.transpose(2, 0, 1))
    np.testing.assert_array_equal(values[~mask.transpose(2, 0, 1)], cube.transpose(2, 0, 1)[~mask.transpose(2, 0, 1)])
    assert as_source(np.ma.MaskedArray(cube)).dtype == cube.dtype


def test_a_dataset_with_one_cube_is_that_cube(cube):
    dataset = xr.Dataset({"reflectance": (("y", "x", "wavelength"), cube), "flag": (("y", "x"), cube[..., 0])})
    np.testing.assert_array_equal(_values(dataset), cube.transpose(2, 0, 1))
    with pytest.raises(ArrayError, match=r"2 variables with three dims \(reflectance, radiance\)"):
        as_scene(dataset.assign(radiance=dataset.reflectance))


@pytest.mark.parametrize("form", [lambda array: array, lambda array: xr.DataArray(array, dims=("row", "col", "wave"))])
def test_windows_of_a_dask_array_compute_the_chunks_they_touch_and_no_others(form):
    computed = []

    def chunk(block_info=None):
        place = block_info[None]["chunk-location"]
        computed.append(place)
        return np.full((10, 10, 3), 10 * place[0] + place[1])

    lazy = dask.array.map_blocks(
        chunk, chunks=((10,) * 4, (10,) * 5, (3,)), dtype=np.int64, meta=np.empty((0, 0, 0), np.int64)
    )
    source = as_source(form(lazy))
    assert source.block == (10, 10)
    assert computed == []
    values = source.read(Window(12, 21, 5, 12))
    assert sorted(set(computed)) == [(2, 1, 0), (3, 1, 0)]
    assert set(values.ravel().tolist()) == {21, 31}


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((4, 5)), r"shape 4 × 5, a scene has three axes"),
        (np.zeros((4, 0, 5)), r"4 × 0 × 5, which is empty"),
        (np.zeros((4, 5, 3), complex), "complex numbers"),
        (np.full((4, 5, 3), "a"), "holds text"),
        (np.full((4, 5, 3), None), "Python objects"),
        ([[[1], [2]], [[1]]], "different lengths"),
        (xr.DataArray(np.zeros((4, 5, 3)), dims=("y", "x", "time")), r"y, x, time .*rename\(\{\"time\": \"band\"\}\)"),
        (xr.DataArray(np.zeros((4, 5, 3)), dims=("time", "x", "band")), r"rename\(\{\"time\": \"y\"\}\)"),
        (xr.DataArray(np.zeros((4, 5, 3)), dims=("y", "lat", "band")), "dims y, lat, band"),
        (xr.DataArray(np.zeros((4, 5, 3), complex), dims=("y", "x", "band")), "complex numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_scene_is_one_clear_error(array, match):
    with pytest.raises(ArrayError, match=match) as caught:
        as_source(array)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"wavelengths": [450, 550]}, ArrayError, "4 bands and 2 wavelengths"),
        ({"fwhm": [10]}, ArrayError, "4 bands and 1 fwhm"),
        ({"bad_bands": [0, 1]}, ArrayError, "bands from 1 to 4"),
        ({"bad_bands": [5]}, ArrayError, "bands from 1 to 4"),
        ({"bad_bands": [True]}, ArrayError, "1 booleans"),
        ({"scale": 0}, ArrayError, "scale is 0"),
        ({"crs": "nowhere"}, GridError, "CRS 'nowhere'"),
        ({"transform": (1, 2)}, GridError, "transform"),
        ({"transform": (0, 0, 1, 0, 0, 1)}, GridError, "no pixel of any size"),
    ],
)
def test_figures_that_do_not_fit_are_refused(cube, given, error, match):
    with pytest.raises(error, match=match):
        as_scene(cube, **given)


def test_a_path_is_no_array():
    with pytest.raises(ArrayError, match=r"s\.tif names files.*open_scene"):
        as_scene("s.tif", nodata=0)
