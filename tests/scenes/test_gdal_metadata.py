"""What GDAL masks is missing, and reflectance is value × scale + offset, in every raster that GDAL opens."""

from __future__ import annotations

import pickle
import shutil
import zipfile

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import Radiometry, as_source, open_scene, open_source
from hsiattn.scenes.pixels import gather_spectra
from hsiattn.scenes.tiles import read_tile

WINDOW = Window(3, 2, 5, 4)
HOLE = (slice(1, 4), slice(2, 7))
BANDS = np.arange(6)


def holes(dtype=np.uint8):
    mask = np.full((9, 11), 255, dtype)
    mask[HOLE] = 0
    return mask


@pytest.fixture
def masked_tiff(geotiff):
    """A GeoTIFF with a mask inside or beside it."""

    def write(inside, **profile):
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside):
            return geotiff(edit=lambda dataset: dataset.write_mask(holes()), **profile)

    return write


def valid_by_gdal(path):
    with rasterio.open(path) as dataset:
        return dataset.dataset_mask() != 0


def check_hole(source, expected):
    """All ways to read agree on where pixels are missing."""
    assert source.has_mask
    np.testing.assert_array_equal(~source.masked(source.extent), expected)
    np.testing.assert_array_equal(~source.masked(WINDOW), expected[2:6, 3:8])
    np.testing.assert_array_equal(read_tile(source, source.extent, 0, BANDS, "reflect").valid, expected)
    padded = read_tile(source, source.extent, 2, BANDS, "reflect").valid
    np.testing.assert_array_equal(padded, np.pad(expected, 2, mode="reflect"))
    positions = np.argwhere(np.ones(expected.shape, dtype=bool))
    np.testing.assert_array_equal(gather_spectra(source, positions)[1], np.repeat(expected.reshape(-1, 1), 6, axis=1))


@pytest.mark.parametrize("inside", [True, False])
def test_the_mask_of_a_geotiff_holds(masked_tiff, inside):
    path = masked_tiff(inside)
    expected = valid_by_gdal(path)
    assert np.count_nonzero(~expected) == 15
    source = open_source(path)
    check_hole(source, expected)
    check_hole(pickle.loads(pickle.dumps(source)), expected)
    assert any(file.endswith(".msk") for file in source.files) is not inside


@pytest.mark.parametrize("driver", ["COG", "VRT"])
def test_the_mask_holds_in_copies_of_other_formats(masked_tiff, tmp_path, driver):
    copy = tmp_path / "copy.any"
    rasterio.shutil.copy(masked_tiff(True), copy, driver=driver)
    check_hole(open_source(copy), valid_by_gdal(copy))


def test_the_mask_holds_in_an_archive(masked_tiff, tmp_path):
    path = masked_tiff(False)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "scene.tif")
        archive.write(f"{path}.msk", "scene.tif.msk")
    source = open_source(f"/vsizip/{tmp_path}/a.zip/scene.tif")
    check_hole(source, valid_by_gdal(path))
    assert source.state_of_files()[0][0] == (tmp_path / "a.zip").stat().st_size


def test_a_scene_without_mask_asks_for_none(geotiff):
    source = open_source(geotiff(nodata=-9999))
    assert not source.has_mask
    assert source.masked(source.extent) is None
    assert "masked" not in open_scene(geotiff()).coords


@pytest.mark.parametrize("by", ["interpretation", "description"])
def test_an_alpha_band_is_a_mask_and_no_measurement(geotiff, cube, by):
    def mark(dataset):
        if by == "description":
            dataset.set_band_description(7, "Alpha")
        else:
            dataset.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * 5 + [ColorInterp.alpha]

    values = np.concatenate([np.abs(cube).astype(np.uint16), holes(np.uint16)[None]])
    path = geotiff(values=values)
    with rasterio.open(path, "r+") as dataset:
        mark(dataset)
    source = open_source(path)
    assert len(source.bands) == 6
    np.testing.assert_array_equal(source.read_bands(WINDOW, [5, 0]), values[[5, 0], 2:6, 3:8])
    check_hole(source, holes() != 0)
    assert "band 7 of" in source.notes[0]
    assert "is an alpha band" in source.notes[0]


def test_where_gdal_itself_heeds_alpha_the_same_pixels_are_missing(geotiff, cube):
    values = np.concatenate([(np.abs(cube[:3]) % 250).astype(np.uint8), holes()[None]])
    path = geotiff(values=values)
    source = open_source(path)
    expected = valid_by_gdal(path)
    assert np.count_nonzero(~expected) == 15
    np.testing.assert_array_equal(~source.masked(source.extent), expected)
    assert len(source.bands) == 3


def test_a_band_with_a_wavelength_is_a_measurement_whatever_gdal_takes_it_for(geotiff, cube):
    def tag(dataset):
        for band in dataset.indexes:
            dataset.update_tags(band, wavelength=400 + 100 * band)

    values = (np.abs(cube[:4]) % 250).astype(np.uint8)
    source = open_source(geotiff(values=values, edit=tag))
    assert len(source.bands) == 4
    assert not source.has_mask
    np.testing.assert_array_equal(source.read(source.extent), values)


PLACE = "<SRS>EPSG:32633</SRS><GeoTransform>400000, 5, 0, 5800000, 0, -5</GeoTransform>"
VRT_BAND = (
    '<VRTRasterBand dataType="Int16" band="{band}">{inside}<SimpleSource><SourceFilename>{path}</SourceFilename>'
    "<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
)


def write_vrt(path, target, inside):
    bands = "".join(VRT_BAND.format(band=band, path=path, inside=inside(band)) for band in range(1, 7))
    target.write_text(f'<VRTDataset rasterXSize="11" rasterYSize="9">{PLACE}{bands}</VRTDataset>')
    return target


def test_every_band_can_have_its_own_nodata(geotiff, cube, tmp_path):
    values = np.abs(cube) + 10
    for band in range(6):
        values[band, band, :3] = band  # nodata of that band, a measurement in the others
        values[band, 8, 8] = 5
    path = write_vrt(geotiff(values=values), tmp_path / "a.vrt", lambda b: f"<NoDataValue>{b - 1}</NoDataValue>")
    source = open_source(path)
    with rasterio.open(path) as dataset:
        expected = dataset.read_masks() == 0
    assert source.nodata is None
    for one in (source, as_source(open_scene(path)), as_source(open_scene(path).isel(band=slice(None)))):
        np.testing.assert_array_equal(one.missing(one.read(one.extent)), expected)
        np.testing.assert_array_equal(read_tile(one, one.extent, 0, BANDS, "reflect").valid, ~expected.any(axis=0))
        chosen = np.array([4, 1])
        np.testing.assert_array_equal(
            read_tile(one, one.extent, 0, chosen, "reflect").valid, ~expected[chosen].any(axis=0)
        )
        positions = np.argwhere(np.ones((9, 11), dtype=bool))
        np.testing.assert_array_equal(gather_spectra(one, positions)[1], ~expected.reshape(6, -1).T)
    part = as_source(open_scene(path).isel(band=[4, 1]))
    np.testing.assert_array_equal(part.missing(part.read(part.extent)), expected[[4, 1]])


def test_every_band_can_have_its_own_mask(geotiff, cube, tmp_path):
    mask = tmp_path / "mask.tif"
    shutil.copy(geotiff("other.tif", values=holes()[None]), mask)
    inside = (
        f'<MaskBand><VRTRasterBand dataType="Byte"><SimpleSource><SourceFilename>{mask}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></MaskBand>"
    )
    path = write_vrt(geotiff(), tmp_path / "a.vrt", lambda band: inside if band == 2 else "")
    source = open_source(path)
    with rasterio.open(path) as dataset:
        expected = dataset.read_masks() == 0
    assert expected[1].sum() == 15
    values = source.read(source.extent)
    np.testing.assert_array_equal(source.missing(values), expected)
    np.testing.assert_array_equal(values[~expected], cube[~expected])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "int16", "uint16", "float32", "float64"]),
    nodata=st.sampled_from([None, 0, 7, -9999, -3.4028234663852886e38, np.nan]),
    mask=st.sampled_from([None, "inside", "beside"]),
    seed=st.integers(0, 10**6),
)
def test_no_pixel_that_gdal_masks_is_taken_for_a_measurement(tmp_path, geotiff, dtype, nodata, mask, seed):
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if nodata is not None and kind.kind != "f" and not (np.isfinite(nodata) and np.iinfo(kind).min <= nodata < 2**15):
        nodata = None
    values = rng.integers(10, 200, (6, 9, 11)).astype(kind)
    if nodata is not None:
        values[:, rng.random((9, 11)) < 0.2] = nodata
    (tmp_path / "scene.tif.msk").unlink(missing_ok=True)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=mask == "inside"):
        marks = np.where(rng.random((9, 11)) < 0.3, 0, 255).astype(np.uint8)
        path = geotiff(
            values=values, nodata=nodata, edit=None if mask is None else lambda dataset: dataset.write_mask(marks)
        )
    source = open_source(path)
    valid = read_tile(source, source.extent, 0, BANDS, "reflect").valid
    by_gdal = valid_by_gdal(path)
    assert not (valid & ~by_gdal).any()
    if nodata is None or mask is None:  # beside a mask GDAL forgets nodata
        np.testing.assert_array_equal(valid, by_gdal)


# ---------------------------------------------------------------------------------------------------------- radiometry


@pytest.mark.parametrize(
    ("scales", "offsets"),
    [
        ([1e-4] * 6, [-0.1] * 6),
        ([1e-4] * 3 + [2e-4] * 3, [0.0] * 6),
        ([1.0] * 6, [0.0] * 5 + [0.5]),
        ([2.0] * 6, [1.0] * 6),
    ],
)
def test_reflectance_is_value_times_scale_plus_offset_of_each_band(geotiff, cube, tmp_path, scales, offsets):
    def edit(dataset):
        dataset.scales, dataset.offsets = scales, offsets

    path = geotiff(edit=edit)
    expected = cube * np.array(scales)[:, None, None] + np.array(offsets)[:, None, None]
    rasterio.shutil.copy(path, tmp_path / "copy.vrt", driver="VRT")
    for source in (open_source(path), open_source(tmp_path / "copy.vrt"), as_source(open_scene(path))):
        stored = source.read(source.extent).reshape(6, -1).T
        np.testing.assert_allclose(source.radiometry.reflectance(stored).T.reshape(6, 9, 11), expected)


def test_single_precision_does_not_make_two_scales_of_one(geotiff):
    def edit(dataset):
        dataset.scales = [float(np.float32(1e-4))] * 6

    assert open_source(geotiff(edit=edit)).radiometry == Radiometry.divided_by(10_000, 6)


def test_scales_of_0_are_ignored_aloud_and_one_among_others_refused(geotiff):
    def zero(dataset):
        dataset.scales = [0.0] * 6

    source = open_source(geotiff(edit=zero))
    assert not source.radiometry.stated
    assert "is 0 or no number and is ignored" in source.notes[0]

    def one_zero(dataset):
        dataset.scales = [1e-4] * 5 + [0.0]

    with pytest.raises(SceneError, match=r"band 6 of .* has the scale 0"):
        open_source(geotiff(edit=one_zero))


def test_a_warped_view_says_no_more_than_gdal(geotiff, cube, tmp_path):
    """Values and mask of a virtual raster that rasterio makes are those of rasterio."""
    with rasterio.open(geotiff(nodata=-9999)) as dataset, WarpedVRT(dataset, crs="EPSG:32633") as view:
        rasterio.shutil.copy(view, tmp_path / "a.vrt", driver="VRT")
    np.testing.assert_array_equal(open_source(tmp_path / "a.vrt").read(WINDOW), cube[:, 2:6, 3:8])


def test_the_scale_of_the_files_behind_a_virtual_raster_holds_unless_it_changes_their_values(geotiff, tmp_path):
    def edit(dataset):
        dataset.scales, dataset.offsets = [1e-4] * 3 + [2e-4] * 3, [0.0] * 5 + [0.1]

    path = geotiff(edit=edit)
    own = open_source(path).radiometry
    vrt = write_vrt(path, tmp_path / "a.vrt", lambda band: "")
    with rasterio.open(vrt) as dataset:
        assert dataset.scales == (1.0,) * 6
    assert open_source(vrt).radiometry == own
    assert open_source(write_vrt(vrt, tmp_path / "b.vrt", lambda band: "")).radiometry == own
    text = vrt.read_text().replace("SimpleSource", "ComplexSource")
    vrt.write_text(text.replace("<SourceBand>", "<ScaleRatio>0.0001</ScaleRatio><SourceBand>"))
    assert not open_source(vrt).radiometry.stated


def test_a_virtual_raster_of_itself_ends(tmp_path):
    path = tmp_path / "a.vrt"
    write_vrt(path, path, lambda band: "")
    assert not open_source(path).radiometry.stated


@pytest.mark.parametrize("where", ["domain", "tags"])
def test_bad_bands_are_told_in_words(geotiff, where):
    def edit(dataset):
        if where == "domain":
            dataset.update_tags(ns="ENVI", bbl="{True, good, False, yes, bad, 1}")
            return
        for band, word in enumerate(("True", "good", "False", "yes", "bad", "1"), start=1):
            dataset.update_tags(band, bbl=word)

    assert open_source(geotiff(edit=edit)).bands.good.tolist() == [True, True, False, True, False, True]


def test_a_geolocation_array_is_noticed(geotiff, tmp_path):
    path = write_vrt(geotiff(), tmp_path / "a.vrt", lambda band: "")
    metadata = (
        '<Metadata domain="GEOLOCATION"><MDI key="X_DATASET">x.tif</MDI><MDI key="Y_DATASET">y.tif</MDI></Metadata>'
    )
    path.write_text(path.read_text().replace(PLACE, metadata))
    assert "lies on the ground by a geolocation array" in open_source(path).notes[0]
