from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import as_source, open_scene, open_source

WAVELENGTH = [450.0, 550.0, 650.0, 640.0, 860.0, 1650.0]  # steps back once, as AVIRIS does
WINDOW = Window(3, 2, 5, 4)


def test_size_type_and_georeference_are_those_of_the_file(geotiff):
    source = open_source(geotiff(nodata=-9999))
    assert source.shape == (6, 9, 11)
    assert source.dtype == np.int16
    assert source.crs.to_epsg() == 32633
    assert source.transform == Affine(5, 0, 400_000, 0, -5, 5_800_000)
    assert source.nodata == -9999
    assert source.radiometry.scale == 1.0


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_a_window_holds_what_rasterio_reads(geotiff, cube, interleave):
    path = geotiff(interleave=interleave, compress="deflate")
    source = open_source(path)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(source.read(WINDOW), dataset.read(window=WINDOW))
    np.testing.assert_array_equal(source.read(source.extent), cube)
    np.testing.assert_array_equal(source.read_bands(WINDOW, [4, 0]), cube[[4, 0], 2:6, 3:8])


def test_a_rotated_transform_is_kept(geotiff):
    rotated = Affine(4.85, 14.09, 716737.4, 14.09, -4.85, 4322229.1)
    assert open_source(geotiff(transform=rotated)).transform == rotated


@pytest.mark.parametrize("georeference", [{"transform": None}, {}])
def test_a_scene_without_crs_is_legal_and_silent(geotiff, cube, georeference):
    source = open_source(geotiff(crs=None, **georeference))
    assert source.crs is None
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])


def test_wavelengths_from_imagery_tags(geotiff):
    def tag(dataset):
        for i, centre in enumerate(WAVELENGTH, start=1):
            dataset.update_tags(i, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=centre / 1000, FWHM_UM=0.0125)
            dataset.update_tags(i, wavelength=9999)  # of lower rank

    bands = open_source(geotiff(edit=tag)).bands
    np.testing.assert_allclose(bands.wavelength, WAVELENGTH)
    np.testing.assert_allclose(bands.fwhm, 12.5)


@pytest.mark.parametrize(
    ("unit", "factor"), [("Nanometers", 1), ("Micrometers", 1e-3), (None, 1), (None, 1e-3)], ids=str
)
def test_wavelengths_from_band_tags(geotiff, unit, factor):
    def tag(dataset):
        for i, centre in enumerate(WAVELENGTH, start=1):
            units = {"wavelength_units": unit} if unit else {}
            dataset.update_tags(i, wavelength=centre * factor, fwhm=10 * factor, bbl=int(i != 4), **units)

    bands = open_source(geotiff(edit=tag)).bands
    np.testing.assert_allclose(bands.wavelength, WAVELENGTH)
    np.testing.assert_allclose(bands.fwhm, 10)
    assert bands.good.tolist() == [True, True, True, False, True, True]


def test_wavelengths_from_the_envi_domain(geotiff):
    def tag(dataset):
        listed = ",".join(str(centre / 1000) for centre in WAVELENGTH)
        dataset.update_tags(ns="ENVI", wavelength=f"{{{listed}}}", wavelength_units="Micrometers", bbl="{1,1,0,1,1,1}")
        dataset.update_tags(ns="ENVI", reflectance_scale_factor="10000")

    source = open_source(geotiff(edit=tag))
    np.testing.assert_allclose(source.bands.wavelength, WAVELENGTH)
    assert source.bands.good.tolist() == [True, True, False, True, True, True]
    assert source.radiometry.scale == 10_000


def test_wavelengths_and_names_from_descriptions(geotiff):
    def describe(dataset):
        dataset.descriptions = [f"B{i} ({centre} Nanometers)" for i, centre in enumerate(WAVELENGTH)]

    bands = open_source(geotiff(edit=describe)).bands
    np.testing.assert_allclose(bands.wavelength, WAVELENGTH)
    assert bands.names == ("B0", "B1", "B2", "B3", "B4", "B5")


def test_nothing_is_made_up_where_the_file_says_nothing(geotiff):
    bands = open_source(geotiff()).bands
    assert np.isnan(bands.wavelength).all()
    assert bands.good.all()
    assert bands.names[0] == "band 1"


def test_the_scale_of_the_bands_gives_the_divisor_for_reflectance(geotiff):
    def scale(dataset):
        dataset.scales = [0.0001] * dataset.count

    assert open_source(geotiff(edit=scale)).radiometry.scale == 10_000


def test_nan_as_nodata_needs_no_mention(geotiff, cube):
    values = cube.astype(np.float32)
    values[0, 0, 0] = np.nan
    values[1, 0, 1] = np.inf
    source = open_source(geotiff(values=values, nodata=np.nan))
    assert source.nodata is None
    missing = source.missing(source.read(source.extent))
    assert np.argwhere(missing).tolist() == [[0, 0, 0], [1, 0, 1]]


def test_a_nodata_value_that_the_type_cannot_hold_marks_nothing(tmp_path, cube):
    path = tmp_path / "scene.vrt"
    tif = tmp_path / "scene.tif"
    place = {"crs": "EPSG:32633", "transform": Affine(5, 0, 4e5, 0, -5, 58e5)}
    with rasterio.open(tif, "w", driver="GTiff", width=11, height=9, count=1, dtype="uint16", **place) as dataset:
        dataset.write(np.abs(cube[:1]).astype(np.uint16))
    path.write_text(
        '<VRTDataset rasterXSize="11" rasterYSize="9"><VRTRasterBand dataType="UInt16" band="1">'
        "<NoDataValue>-9999</NoDataValue><SimpleSource>"
        f"<SourceFilename>{tif}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    source = open_source(path)
    assert source.nodata is None
    assert as_source(open_scene(path)).nodata is None


def test_missing_marks_nodata_in_integers(geotiff, cube):
    values = cube.copy()
    values[:, 4, 5] = -9999
    source = open_source(geotiff(values=values, nodata=-9999))
    assert np.argwhere(source.missing(values).any(axis=0)).tolist() == [[4, 5]]


def test_a_scene_inside_a_zip_archive_is_read(geotiff, cube, tmp_path):
    path = geotiff()
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        archive.write(path, "scene.tif")
    source = open_source(f"/vsizip/{tmp_path}/scenes.zip/scene.tif")
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])


def test_a_pickled_source_reads(geotiff, cube):
    revived = pickle.loads(pickle.dumps(open_source(geotiff())))
    np.testing.assert_array_equal(revived.read(WINDOW), cube[:, 2:6, 3:8])


def test_a_truncated_file_gives_one_line_not_a_traceback_of_gdal(geotiff):
    values = np.random.default_rng(0).integers(0, 10_000, (20, 64, 64), dtype=np.int16)
    path = geotiff(values=values)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = open_source(path)  # the directory of a GeoTIFF stands at its beginning, so opening goes well
    with pytest.raises(SceneError, match="truncated or damaged") as caught:
        source.read(source.extent)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_vanishes_is_reported(geotiff):
    path = geotiff()
    source = open_source(path)
    path.unlink()
    with pytest.raises(SceneError, match=r"scene\.tif"):
        source.read(WINDOW)


def test_complex_bands_are_refused(geotiff, cube):
    with pytest.raises(SceneError, match="complex"):
        open_source(geotiff(values=cube.astype(np.complex64)))


@pytest.mark.real_scene
def test_enmap_tiles_carry_wavelength_width_bad_bands_and_scale(real_data):
    source = open_source(real_data / "enmap-potsdam/images/enmap_potsdam_tile_128_0.tif")
    assert source.bands.wavelength[0] == 418.24
    assert source.bands.fwhm[0] == pytest.approx(6.99561)
    assert np.flatnonzero(~source.bands.good).tolist() == [129, 130, 131, 132, 133, 134]
    assert (source.nodata, source.radiometry.scale, source.crs.to_epsg()) == (-32768, 10_000, 32633)
    values = source.read(source.extent)
    assert source.missing(values)[~source.bands.good].all()


@pytest.mark.real_scene
def test_neon_has_a_transform_but_no_crs(real_data):
    source = open_source(real_data / "neon/example_OSBS_406223_3287092.tif")
    assert source.crs is None
    assert source.transform == Affine(1, 0, 406223.2, 0, -1, 3287092.6)
    assert len(source.bands) == 426
