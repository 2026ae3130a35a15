from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from affine import Affine
from rasterio.windows import Window

from hsiattn.errors import BandError, GridError, SceneError
from hsiattn.scenes import Radiometry, SceneSource, SpectralBands, as_source, grid_of, open_scene, open_source, to_scene

WAVELENGTH = [450.0, 550.0, 650.0, 640.0, 860.0, 1650.0]
NORTH_UP = Affine(5, 0, 4e5, 0, -5, 58e5)
ROTATED = Affine(4.85, 14.09, 716737.4, 14.09, -4.85, 4322229.1)


# rasterio 1.4 and rioxarray 0.19 still multiply transforms by *, which affine 3 discourages
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


class CountingSource(SceneSource):
    """A scene in memory that notes which windows and bands are read."""

    def __init__(self, cube, transform=NORTH_UP):
        self.cube, self.log = cube, []
        self.name, self.dtype = "counting", cube.dtype
        count, self.height, self.width = cube.shape
        self.bands = SpectralBands.build(count, wavelength=WAVELENGTH[:count], fwhm=[9.0] * count)
        self.crs, self.transform, self.nodata = None, transform, -9999.0
        self.radiometry = Radiometry.divided_by(10_000.0, count)

    def read(self, window):
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window, indices):
        rows, columns = window.toslices()
        self.log.append((rows.start, rows.stop, columns.start, columns.stop, list(indices)))
        return self.cube[list(indices), rows, columns]


@pytest.fixture
def source(cube):
    return CountingSource(cube)


def tag(dataset):
    for i, centre in enumerate(WAVELENGTH, start=1):
        dataset.update_tags(i, wavelength=centre, fwhm=9, bbl=int(i != 2), wavelength_units="Nanometers")
    dataset.scales = [1e-4] * dataset.count


def test_the_array_carries_grid_spectral_metadata_and_nodata(geotiff, cube):
    scene = open_scene(geotiff(edit=tag, nodata=-9999))
    assert scene.dims == ("band", "y", "x")
    assert scene.wavelength.values.tolist() == WAVELENGTH
    assert scene.fwhm.values.tolist() == [9.0] * 6
    assert scene.good.values.tolist() == [True, False, True, True, True, True]
    assert scene.rio.crs.to_epsg() == 32633
    assert scene.rio.transform() == Affine(5, 0, 400_000, 0, -5, 5_800_000)
    assert scene.rio.nodata == -9999
    assert scene.attrs["scale_factor_reflectance"] == 10_000
    np.testing.assert_array_equal(scene.values, cube)


def test_opening_reads_nothing_and_a_window_reads_only_itself(source, cube):
    scene = to_scene(source)
    window = scene.isel(y=slice(2, 6), x=slice(3, 8), band=[4, 1])
    repr(scene), repr(window)
    assert source.log == []
    np.testing.assert_array_equal(window.values, cube[[4, 1], 2:6, 3:8])
    assert source.log == [(2, 6, 3, 8, [1, 4])]


def test_bands_can_be_selected_by_number_and_map_coordinates(source, cube):
    scene = to_scene(source)
    np.testing.assert_array_equal(scene.sel(band=3).values, cube[2])
    here = scene.sel(x=400_000 + 5 * 7.5, y=5_800_000 - 5 * 2.5)
    np.testing.assert_array_equal(here.values, cube[:, 2, 7])


@pytest.mark.parametrize(
    "index",
    [
        {"y": slice(None, None, -1)},
        {"x": slice(8, 2, -2), "y": slice(1, None, 3)},
        {"y": [7, 0, 3], "x": [2, 2, 9]},
        {"y": 4},
        {"y": 4, "x": -1, "band": -2},
        {"y": slice(3, 3)},
        {"y": xr.DataArray([0, 5, 8], dims="point"), "x": xr.DataArray([1, 1, 10], dims="point")},
    ],
    ids=str,
)
def test_any_index_gives_what_it_gives_on_the_loaded_array(source, cube, index):
    scene = to_scene(source)
    xr.testing.assert_identical(scene.isel(index).load(), scene.copy(data=cube).isel(index))


def test_a_thinned_view_reads_strips_not_the_whole_scene(source, cube, monkeypatch):
    from hsiattn.scenes.windowed_array import WindowedArray

    monkeypatch.setattr(WindowedArray, "_STRIP_VALUES", 6 * 11 * 2)
    np.testing.assert_array_equal(to_scene(source)[:, ::4, ::4].values, cube[:, ::4, ::4])
    assert [entry[:2] for entry in source.log] == [(0, 1), (4, 5), (8, 9)]


def test_assignment_changes_the_array_and_not_the_source(source, cube):
    scene = to_scene(source)
    scene[0, 0, 0] = 4321
    assert scene.values[0, 0, 0] == 4321
    assert source.cube[0, 0, 0] == cube[0, 0, 0] != 4321


def test_a_source_comes_back_from_its_scene_unchanged(source):
    back = as_source(to_scene(source))
    assert back.shape == source.shape
    assert back.bands == source.bands
    assert (back.crs, back.transform, back.nodata, back.radiometry, back.dtype) == (
        *(source.crs, source.transform, source.nodata, source.radiometry, source.dtype),
    )


def test_windows_of_a_computed_scene_hold_computed_values(source, cube):
    back = as_source((to_scene(source).isel(band=[3, 0], y=slice(1, 8)) * 2.0).transpose("y", "x", "band"))
    values = back.read(Window(2, 3, 4, 2))
    np.testing.assert_array_equal(values, 2.0 * cube[[3, 0], 4:6, 2:6])
    assert back.bands.wavelength.tolist() == [640.0, 450.0]


def test_a_sliced_scene_is_still_read_lazily_through_its_source(source, cube):
    back = as_source(to_scene(source).isel(y=slice(2, 8)))
    assert source.log == []
    np.testing.assert_array_equal(back.read(Window(1, 1, 2, 2)), cube[:, 3:5, 1:3])
    np.testing.assert_array_equal(back.read_bands(Window(1, 1, 2, 2), [2]), cube[[2], 3:5, 1:3])
    assert source.log == [(3, 5, 1, 3, [0, 1, 2, 3, 4, 5]), (3, 5, 1, 3, [2])]


def test_a_wrapped_scene_pickles_without_its_pixels(geotiff):
    values = np.zeros((6, 300, 300), dtype=np.int16)
    back = pickle.loads(pickle.dumps(as_source(open_scene(geotiff(values=values)).isel(x=slice(5, 100)))))
    assert len(pickle.dumps(back)) < values.nbytes / 10
    assert back.read(Window(0, 0, 2, 2)).shape == (6, 2, 2)


@pytest.mark.parametrize("transform", [Affine(5, 0, 400_000.7, 0, -5, 5_800_000.3), ROTATED, Affine.identity()])
@pytest.mark.parametrize(
    ("index", "change"),
    [
        ({}, Affine.identity()),
        ({"y": slice(2, 7), "x": slice(4, None)}, Affine.translation(4, 2)),
        ({"y": slice(3, 4), "x": slice(1, 2)}, Affine.translation(1, 3)),
        ({"y": slice(None, None, -1)}, Affine.translation(0, 9) @ Affine.scale(1, -1)),
    ],
    ids=["whole", "window", "one pixel", "upside down"],
)
def test_the_transform_follows_a_slice_exactly(cube, transform, index, change):
    scene = to_scene(CountingSource(cube, transform)).isel(index)
    assert grid_of(scene).transform == transform @ change
    assert grid_of(scene * 1.0).transform == transform @ change


def test_every_third_pixel_makes_pixels_three_times_as_large(cube):
    scene = to_scene(CountingSource(cube, ROTATED))[:, ::3, ::3]
    grid = grid_of(scene)
    assert grid.transform.almost_equals(ROTATED @ Affine.translation(-1, -1) @ Affine.scale(3))
    assert grid.transform @ (0.5, 0.5) == pytest.approx(ROTATED @ (0.5, 0.5))


def test_rotated_scenes_have_no_map_coordinates_on_their_axes(cube):
    scene = to_scene(CountingSource(cube, ROTATED))
    assert "x" not in scene.coords
    assert scene.rio.transform() == ROTATED


def test_uneven_coordinates_have_no_transform(source):
    with pytest.raises(GridError, match="not evenly spaced"):
        as_source(to_scene(source).isel(x=[0, 1, 5]))


def test_coordinates_alone_give_a_transform(cube):
    array = xr.DataArray(
        cube, dims=("band", "y", "x"), coords={"y": 100.0 - 2 * np.arange(9), "x": np.arange(11) * 2.0}
    )
    assert as_source(array).transform == Affine(2, 0, -1, 0, -2, 101)


def test_a_bare_array_is_a_scene_without_metadata(cube):
    source = as_source(xr.DataArray(cube, dims=("band", "y", "x")))
    assert source.transform == Affine.identity()
    assert source.crs is None
    assert source.nodata is None
    assert source.bands == SpectralBands.unknown(6)


@pytest.mark.parametrize("masked", [False, True])
def test_a_scene_opened_with_rioxarray_is_understood(geotiff, cube, masked):
    path = geotiff(nodata=int(cube[0, 0, 0]), edit=tag)
    array = rioxarray.open_rasterio(path, masked=masked)
    source, own = as_source(array), open_source(path)
    assert (source.crs, source.transform, source.nodata) == (own.crs, own.transform, own.nodata)
    values = source.read(own.extent)
    np.testing.assert_array_equal(source.missing(values), own.missing(own.read(own.extent)))
    assert source.radiometry == own.radiometry


def test_wavelengths_that_rioxarray_found_in_an_envi_file_are_taken_over(tmp_path, cube):
    path = tmp_path / "scene.dat"
    with rasterio.open(
        path, "w", driver="ENVI", width=11, height=9, count=6, dtype="int16", transform=NORTH_UP
    ) as dataset:
        dataset.write(cube)
    header = path.with_suffix(".hdr")
    listed = ",".join(str(w / 1000) for w in WAVELENGTH)
    header.write_text(header.read_text() + f"wavelength = {{{listed}}}\nfwhm = {{{','.join(['0.009'] * 6)}}}\n")
    bands = as_source(rioxarray.open_rasterio(path)).bands
    np.testing.assert_allclose(bands.wavelength, WAVELENGTH)
    np.testing.assert_allclose(bands.fwhm, 9)


def test_arrays_of_another_shape_or_kind_are_refused(cube):
    with pytest.raises(SceneError, match=r"dims y, x .*where band, y and x are needed"):
        as_source(xr.DataArray(cube[0], dims=("y", "x")))
    with pytest.raises(SceneError, match="complex"):
        as_source(xr.DataArray(cube * 1j, dims=("band", "y", "x")))


def test_a_path_and_a_source_are_sources_too(geotiff, source):
    assert as_source(source) is source
    assert as_source(geotiff()).shape == (6, 9, 11)


def test_other_spectral_metadata_can_be_given_to_a_source(geotiff, cube):
    source = open_source(geotiff())
    known = source.with_bands(SpectralBands.build(6, wavelength=WAVELENGTH))
    assert known.bands.wavelength.tolist() == WAVELENGTH
    assert np.isnan(source.bands.wavelength).all()
    np.testing.assert_array_equal(known.read(known.extent), cube)
    with pytest.raises(BandError, match="has 6 bands, the metadata describe 5"):
        source.with_bands(SpectralBands.unknown(5))


@pytest.mark.real_scene
def test_a_window_of_the_rotated_aviris_scene_lies_where_rasterio_puts_it(real_data):
    path = real_data / "aviris-rotated/AV_mastercal_testdata.bsq"
    part = as_source(open_scene(path).isel(y=slice(10, 30), x=slice(20, 45)))
    with rasterio.open(path) as dataset:
        window = Window(20, 10, 25, 20)
        assert part.transform.almost_equals(dataset.window_transform(window))
        np.testing.assert_array_equal(part.read(Window(0, 0, 25, 20)), dataset.read(window=window))


@pytest.fixture
def masked_tiff(geotiff):
    """A GeoTIFF with a mask, of which the pixels in rows 1 to 3 and columns 2 to 6 are missing."""

    def edit(dataset):
        mask = np.full((9, 11), 255, np.uint8)
        mask[1:4, 2:7] = 0
        dataset.write_mask(mask)

    return geotiff(edit=edit)


SLICES = [
    {},
    {"y": slice(2, 8), "x": slice(1, None)},
    {"band": [4, 1], "y": slice(None, None, -1)},
    {"y": slice(None, None, 2), "x": slice(0, 9, 3)},
    {"band": slice(2, 3), "x": slice(4, 5)},
]


@pytest.mark.parametrize("index", SLICES, ids=str)
def test_the_mask_of_a_file_survives_slicing_and_computing(masked_tiff, index):
    with rasterio.open(masked_tiff) as dataset:
        expected = xr.DataArray(dataset.dataset_mask() == 0, dims=("y", "x"))
    expected = expected.isel({dim: part for dim, part in index.items() if dim != "band"}).values
    scene = open_scene(masked_tiff).isel(index)
    for array in (scene, scene * 2.0, scene.load(), scene.transpose("y", "x", "band")):
        source = as_source(array)
        assert source.has_mask
        np.testing.assert_array_equal(source.masked(source.extent), expected)
        part = Window(1, 1, source.width - 1, source.height - 1)
        np.testing.assert_array_equal(source.masked(part), expected[1:, 1:])


def test_the_mask_is_read_when_it_is_asked_for(masked_tiff):
    scene = open_scene(masked_tiff)
    source = as_source(scene)
    masked_tiff.unlink()
    with pytest.raises(SceneError):
        source.masked(source.extent)


@pytest.mark.parametrize("index", SLICES, ids=str)
def test_gain_and_offset_of_each_band_survive_slicing(geotiff, index):
    def edit(dataset):
        dataset.scales, dataset.offsets = [1e-4 * k for k in range(1, 7)], [0.1 * k for k in range(6)]

    path = geotiff(edit=edit)
    own = open_source(path).radiometry
    chosen = np.arange(6)[index.get("band", slice(None))]
    assert as_source(open_scene(path).isel(index)).radiometry == own.subset(chosen)


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"scale_factor": 1e-4}, Radiometry.divided_by(10_000, 6)),
        ({"scale_factor": 1e-4, "add_offset": 0.0}, Radiometry.divided_by(10_000, 6)),
        ({"scale_factor": 1e-4, "add_offset": -0.1}, Radiometry(np.full(6, 1e-4), np.full(6, -0.1))),
        ({"add_offset": -0.1}, Radiometry(np.ones(6), np.full(6, -0.1))),
        ({"scale_factor": [1e-4] * 6}, Radiometry.divided_by(10_000, 6)),
        ({"scales": (1e-4,) * 3 + (2e-4,) * 3}, Radiometry(np.repeat([1e-4, 2e-4], 3), np.zeros(6))),
        ({"scale_factor_reflectance": 255}, Radiometry.divided_by(255, 6)),
        ({"scale_factor": "0.0001"}, Radiometry.divided_by(10_000, 6)),
        ({"scale_factor": 1.0, "add_offset": 0.0}, Radiometry.unknown(6)),
        ({}, Radiometry.unknown(6)),
    ],
    ids=str,
)
def test_attributes_of_an_array_give_its_radiometry(cube, attrs, expected):
    assert as_source(xr.DataArray(cube, dims=("band", "y", "x"), attrs=attrs)).radiometry == expected


@pytest.mark.parametrize("differ", [False, True])
@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.filterwarnings("ignore:(Scales|Offsets) differ")
def test_what_rioxarray_reads_is_reflectance_in_the_end(geotiff, cube, differ, decoded):
    def edit(dataset):
        dataset.scales = [1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 6e-4] if differ else [1e-4] * 6
        dataset.offsets = [0.1, 0, 0, 0, 0, 0.2] if differ else [-0.1] * 6

    path = geotiff(edit=edit)
    with rasterio.open(path) as dataset:
        gain, offset = (np.array(figures)[:, None, None] for figures in (dataset.scales, dataset.offsets))
    source = as_source(rioxarray.open_rasterio(path, mask_and_scale=decoded).isel(band=[5, 0, 2]))
    values = source.read(source.extent)
    reflectance = source.radiometry.reflectance(values.reshape(3, -1).T).T.reshape(values.shape)
    np.testing.assert_allclose(reflectance, (cube * gain + offset)[[5, 0, 2]], rtol=1e-5)


def test_the_scale_factor_of_an_envi_header_is_known_behind_an_array_of_rioxarray(tmp_path, cube):
    path = tmp_path / "scene.img"
    place = {"crs": "EPSG:32633", "transform": NORTH_UP}
    with rasterio.open(path, "w", driver="ENVI", width=11, height=9, count=6, dtype="int16", **place) as dataset:
        dataset.write(cube)
    header = path.with_suffix(".hdr")
    header.write_text(header.read_text() + "reflectance scale factor = 10000\n")
    assert as_source(rioxarray.open_rasterio(path).isel(band=[1, 3])).radiometry == Radiometry.divided_by(10_000, 2)


def test_the_fill_value_of_an_array_is_found_although_a_type_rounds_it(cube):
    values = cube.astype(np.float64)
    values[:, 0, 0] = np.float32(-0.9999)
    source = as_source(xr.DataArray(values, dims=("band", "y", "x"), attrs={"_FillValue": -0.9999}))
    assert np.argwhere(source.missing(source.read(source.extent)).all(axis=0)).tolist() == [[0, 0]]


@pytest.mark.parametrize("index", SLICES, ids=str)
def test_the_mask_of_the_file_behind_an_array_of_rioxarray_is_known(masked_tiff, index):
    with rasterio.open(masked_tiff) as dataset:
        expected = xr.DataArray(dataset.dataset_mask() == 0, dims=("y", "x"))
    expected = expected.isel({dim: part for dim, part in index.items() if dim != "band"}).values
    source = as_source(rioxarray.open_rasterio(masked_tiff).isel(index))
    np.testing.assert_array_equal(source.masked(source.extent), expected)


def test_a_mask_of_a_file_that_lies_elsewhere_is_none(masked_tiff):
    array = rioxarray.open_rasterio(masked_tiff)
    moved = as_source(array.rio.write_transform(NORTH_UP @ Affine.translation(40, 40)).drop_vars(["x", "y"]))
    assert not moved.has_mask


def test_what_was_odd_about_a_file_and_which_files_it_has_are_known_of_its_array(tmp_path, cube):
    path = tmp_path / "scene.img"
    with rasterio.open(
        path, "w", driver="ENVI", width=11, height=9, count=6, dtype="int16", crs="EPSG:32633", transform=NORTH_UP
    ) as dataset:
        dataset.write(cube)
    with path.open("ab") as stream:
        stream.write(b"rest")
    source = open_source(path)
    back = as_source(open_scene(path).isel(band=slice(2, 4)))
    assert "longer than its header says" in back.notes[0]
    assert back.notes == source.notes
    assert set(back.files) == set(source.files) == {str(file) for file in tmp_path.iterdir()}


@pytest.fixture
def behind(tmp_path):
    """A GeoTIFF of four bands in descending order of their wavelengths."""
    path = tmp_path / "descending.tif"
    profile = {"driver": "GTiff", "height": 4, "width": 5, "count": 4, "dtype": "int16", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", transform=Affine(30, 0, 0, 0, -30, 0), **profile) as file:
        file.write(np.arange(80, dtype=np.int16).reshape(4, 4, 5))
        for i, centre in enumerate([900, 700, 600, 500], start=1):
            file.update_tags(i, wavelength=str(centre), fwhm="11", wavelength_units="nm", bbl=str(int(i != 3)))
    return path


def test_an_array_of_rioxarray_has_the_wavelengths_of_the_file_behind_it(behind):
    with rioxarray.open_rasterio(behind) as array:
        bands = as_source(array).bands
        assert bands.wavelength.tolist() == [900, 700, 600, 500]
        assert bands.fwhm.tolist() == [11] * 4
        assert bands.good.tolist() == [True, True, False, True]
        assert as_source(array.isel(band=[3, 0], x=slice(1, 3))).bands.wavelength.tolist() == [500, 900]


def test_an_array_that_was_computed_or_put_together_says_nothing_of_a_file(behind):
    with rioxarray.open_rasterio(behind) as array:
        twice = xr.concat([array, array], dim="band")
        moved = array.assign_coords(band=[11, 12, 13, 14])
        for odd in (twice, moved, array.drop_vars("band")):
            assert np.isnan(as_source(odd).bands.wavelength).all()


def test_an_array_whose_file_is_gone_is_read_without_wavelengths(behind):
    with rioxarray.open_rasterio(behind) as array:
        held = array.load()
    behind.unlink()
    assert np.isnan(as_source(held).bands.wavelength).all()


def test_descriptions_follow_a_selection_of_bands(make_scene):
    array = xr.DataArray(
        np.zeros((3, 2, 2), np.float32),
        dims=("band", "y", "x"),
        coords={"band": [1, 2, 3]},
        attrs={"long_name": ("blue (480 nm)", "green (560 nm)", "red (660 nm)")},
    )
    assert as_source(array.isel(band=[2, 1, 0])).bands.wavelength.tolist() == [660, 560, 480]
    assert as_source(array.isel(band=[2])).bands.names == ("red",)
    assert as_source(array.drop_vars("band")).bands.wavelength.tolist() == [480, 560, 660]
