from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import open_source

WAVELENGTH = [450.0, 550.0, 650.0, 640.0, 860.0, 1650.0]
WINDOW = Window(3, 2, 5, 4)


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("byte_order", [0, 1])
def test_every_interleave_and_byte_order_reads_as_written(envi_file, cube, interleave, byte_order):
    path = envi_file(interleave=interleave, **{"byte order": byte_order})
    source = open_source(path)
    values = source.read(WINDOW)
    np.testing.assert_array_equal(values, cube[:, 2:6, 3:8])
    assert values.dtype == source.dtype == np.dtype("int16")
    np.testing.assert_array_equal(source.read_bands(WINDOW, [5, 1]), cube[[5, 1], 2:6, 3:8])


@pytest.mark.parametrize("interleave", ["BSQ", "BIL", "BIP"])
def test_files_written_by_gdal_read_as_gdal_reads_them(tmp_path, cube, interleave):
    path = tmp_path / "scene.dat"
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(5, 0, 4e5, 0, -5, 58e5)}
    with rasterio.open(
        path, "w", driver="ENVI", width=11, height=9, count=6, dtype="float32", interleave=interleave, **place
    ) as dataset:
        dataset.write(cube.astype(np.float32))
    for given in (path, path.with_suffix(".hdr")):
        source = open_source(given)
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(source.read(WINDOW), dataset.read(window=WINDOW))
            assert (source.crs, source.transform) == (dataset.crs, dataset.transform)


def test_header_fields_become_spectral_metadata(envi_file):
    source = open_source(
        envi_file(
            **{
                "wavelength": [w / 1000 for w in WAVELENGTH],
                "wavelength units": "Micrometers",
                "fwhm": [0.01] * 6,
                "bbl": [1, 1, 0, 1, 1, 1],
                "band names": list("abcdef"),
                "reflectance scale factor": 10000,
                "data ignore value": -50,
            }
        )
    )
    np.testing.assert_allclose(source.bands.wavelength, WAVELENGTH)
    np.testing.assert_allclose(source.bands.fwhm, 10)
    assert source.bands.good.tolist() == [True, True, False, True, True, True]
    assert source.bands.names == tuple("abcdef")
    assert (source.radiometry.scale, source.nodata) == (10_000, -50)


def test_an_ignore_value_that_the_type_cannot_hold_marks_nothing(envi_file, cube):
    source = open_source(envi_file(values=np.abs(cube).astype(np.uint16), **{"data ignore value": -9999}))
    assert source.nodata is None
    assert not source.missing(source.read(WINDOW)).any()


def test_wavelengths_are_found_in_band_names(envi_file):
    bands = open_source(envi_file(**{"band names": [f"B{i} ({w})" for i, w in enumerate(WAVELENGTH)]})).bands
    np.testing.assert_allclose(bands.wavelength, WAVELENGTH)
    assert bands.names[0] == "B0"


def test_upper_case_fields_and_latin_1_text_are_read(envi_file, cube):
    path = envi_file()
    text = path.read_text().replace("interleave", "Interleave").replace("ENVI\n", "ENVI\nsensor type = µ-Cam\n")
    path.write_bytes(text.encode("latin-1"))
    np.testing.assert_array_equal(open_source(path).read(WINDOW), cube[:, 2:6, 3:8])


def test_the_header_offset_is_skipped(envi_file, cube):
    path = envi_file()
    data = path.with_suffix(".img")
    data.write_bytes(b"preamble" + data.read_bytes())
    path.write_text(path.read_text().replace("header offset = 0", "header offset = 8"))
    np.testing.assert_array_equal(open_source(path).read(WINDOW), cube[:, 2:6, 3:8])


def test_a_pickled_source_reads(envi_file, cube):
    revived = pickle.loads(pickle.dumps(open_source(envi_file())))
    np.testing.assert_array_equal(revived.read(WINDOW), cube[:, 2:6, 3:8])


def test_values_that_are_read_can_be_changed_without_touching_the_file(envi_file, cube):
    source = open_source(envi_file())
    source.read(WINDOW)[:] = 0
    np.testing.assert_array_equal(source.read(source.extent), cube)


def test_a_data_file_shorter_than_its_header_says_is_truncated(envi_file):
    path = envi_file()
    data = path.with_suffix(".img")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(SceneError, match=r"scene\.img is truncated: its header promises 1188 bytes, it has 1187"):
        open_source(path)


def test_a_file_that_shrinks_after_opening_is_reported(envi_file):
    path = envi_file()
    source = open_source(path)
    path.with_suffix(".img").write_bytes(b"gone")
    with pytest.raises(SceneError, match="truncated"):
        source.read(WINDOW)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("samples = 11\n", "", "lacks the field 'samples'"),
        ("lines = 9", "lines = nine", "lines = nine"),
        ("bands = 6", "bands = 0", "bands = 0"),
        ("interleave = bsq", "interleave = bop", "interleave 'bop'"),
        ("data type = 2", "data type = 6", "complex"),
        ("data type = 2", "data type = 99", "unknown type"),
        ("file type = ENVI Standard", "file type = ENVI Spectral Library", "spectral library"),
        ("bands = 6\n", "bands = 6\nwavelength = {400, 500}\n", "2 values of wavelength for 6 bands"),
        ("bands = 6\n", "bands = 6\nfile compression = 1\n", "compressed"),
        ("ENVI\n", "Envy\n", "first line is not ENVI"),
        ("bands = 6\n", "bands = 6\nwavelength = {400, 500\n", "cannot be parsed"),
    ],
)
def test_faults_of_the_header_are_named(envi_file, old, new, message):
    path = envi_file()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(SceneError, match=message) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_a_header_without_data_file_says_what_is_looked_for(envi_file):
    path = envi_file()
    path.with_suffix(".img").unlink()
    with pytest.raises(SceneError, match="no data file beside it"):
        open_source(path)


@pytest.mark.real_scene
def test_the_rotated_aviris_scene_lies_where_its_map_info_says(real_data):
    source = open_source(real_data / "aviris-rotated/AV_mastercal_testdata.bsq")
    angle, size = np.deg2rad(71), 14.9  # map info = {UTM, 1, 1, 716737.4…, 4322229.09…, 14.9, 14.9, …, rotation=71}
    east, north = source.transform @ (1, 0)
    np.testing.assert_allclose(
        [east - 716737.401375353, north - 4322229.096619], [size * np.cos(angle), size * np.sin(angle)]
    )
    with rasterio.open(source.name) as dataset:
        assert source.transform == dataset.transform
        np.testing.assert_array_equal(source.read(WINDOW), dataset.read(window=WINDOW))
    assert source.bands.wavelength[0] == 394.935486
    assert (np.diff(source.bands.wavelength) < 0).any()


@pytest.mark.real_scene
def test_the_hyspex_header_with_blanks_everywhere_is_understood(real_data):
    source = open_source(real_data / "hyspex-bavaria/Bavaria_farmland_LMU_Hyspex_subset.hdr")
    assert source.shape == (325, 50, 50)
    assert source.bands.wavelength[0] == 417.459991
    with rasterio.open(source.name) as dataset:
        np.testing.assert_array_equal(source.read(WINDOW), dataset.read(window=WINDOW))
