from __future__ import annotations

import os
import pickle
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import Radiometry, open_source

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


def by_gdal(path):
    """The data file as GDAL opens it, which needs no georeference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path)


def edit(path, old="", new="", add=""):
    """Change the text of a header, and add lines to it."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new) + add)
    return path


@pytest.mark.parametrize("text", ["10000", "{10000}", "10000,", "10000 ; remark", "1.0e4", "10000 (unitless)"])
def test_the_scale_factor_is_read_in_any_form(envi_file, text):
    source = open_source(edit(envi_file(), add=f"reflectance scale factor = {text}\n"))
    assert source.radiometry == Radiometry.divided_by(10_000, 6)
    assert source.notes == ()


def test_gains_and_offsets_of_each_band_give_reflectance(envi_file, cube):
    gains, offsets = np.linspace(1e-4, 2e-4, 6), np.linspace(-0.1, 0.1, 6)
    listed = [", ".join(map(str, figures)) for figures in (gains, offsets)]
    path = edit(envi_file(), add=f"data gain values = {{{listed[0]}}}\ndata offset values = {{{listed[1]}}}\n")
    source = open_source(path)
    with by_gdal(source.name) as dataset:  # GDAL reads the same
        np.testing.assert_allclose(source.radiometry.gain, dataset.scales, rtol=1e-15)
        np.testing.assert_allclose(source.radiometry.offset, dataset.offsets, rtol=1e-15)
    expected = cube * gains[:, None, None] + offsets[:, None, None]
    stored = source.read(source.extent).transpose(1, 2, 0)
    np.testing.assert_allclose(source.radiometry.reflectance(stored).transpose(2, 0, 1), expected)


def test_one_gain_for_all_bands_is_a_scale(envi_file):
    source = open_source(edit(envi_file(), add=f"data gain values = {{{', '.join(['0.0001'] * 6)}}}\n"))
    assert source.radiometry.scale == 10_000


def test_a_list_of_gains_of_another_length_is_refused(envi_file):
    with pytest.raises(SceneError, match="2 values of data gain values for 6 bands"):
        open_source(edit(envi_file(), add="data gain values = {1, 2}\n"))


def test_scale_and_offset_in_a_sidecar_hold(envi_file):
    path = envi_file()
    bands = "".join(
        f'<PAMRasterBand band="{k}"><Offset>0.5</Offset><Scale>0.01</Scale></PAMRasterBand>' for k in range(1, 7)
    )
    Path(f"{path.with_suffix('.img')}.aux.xml").write_text(f"<PAMDataset>{bands}</PAMDataset>")
    assert open_source(path).radiometry == Radiometry(np.full(6, 0.01), np.full(6, 0.5))


HOLE = (slice(1, 4), slice(2, 7))


@pytest.mark.parametrize(
    ("kind", "fill", "text"),
    [
        ("int16", -9999, "-9999"),
        ("int16", -9999, "-9999,"),
        ("int16", -9999, "-9999 ; fill"),
        ("int16", -9999, "{-9999}"),
        ("int16", -9999, "{-9999} ; fill"),
        ("float32", np.finfo(np.float32).min, "-3.40282e+38"),
        ("float32", np.float32(-3.4e38), "-3.4e+38"),
        ("float64", np.float32(-0.9999), "-0.9999"),
        ("float32", -0.9999, "-0.9999"),
        ("float32", np.nan, "NaN"),
        ("uint8", 0, "0"),
    ],
)
def test_fill_values_of_any_form_mark_missing_pixels(envi_file, cube, kind, fill, text):
    values = np.clip(np.abs(cube), 1, 200).astype(kind)
    values[:, *HOLE] = fill
    source = open_source(edit(envi_file(values=values), add=f"data ignore value = {text}\nsensor type = x\n"))
    missing = source.missing(source.read(source.extent))
    assert missing[:, *HOLE].all()
    assert missing.sum() == 6 * 15
    if "{" not in text:  # of which GDAL makes 0
        with by_gdal(source.name) as dataset:
            np.testing.assert_array_equal(missing, dataset.read_masks() == 0)


def test_nodata_in_a_sidecar_holds(envi_file, cube):
    values = cube.copy()
    values[:, *HOLE] = -9999
    path = envi_file(values=values, **{"data ignore value": -1})
    bands = "".join(f'<PAMRasterBand band="{k}"><NoDataValue>-9999</NoDataValue></PAMRasterBand>' for k in range(1, 7))
    Path(f"{path.with_suffix('.img')}.aux.xml").write_text(f"<PAMDataset>{bands}</PAMDataset>")
    source = open_source(path)
    assert source.nodata == -9999
    with by_gdal(source.name) as dataset:
        np.testing.assert_array_equal(source.missing(source.read(source.extent)), dataset.read_masks() == 0)


def write_mask(path):
    """A mask beside a data file, as GDAL keeps it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", height=9, width=11, count=1, dtype="uint8") as dataset:
            mask = np.full((9, 11), 255, np.uint8)
            mask[HOLE] = 0
            dataset.write(mask, 1)
            dataset.update_tags(INTERNAL_MASK_FLAGS_1="2")


@pytest.mark.parametrize("bom", [False, True])
def test_a_mask_beside_the_data_file_holds(envi_file, bom):
    path = envi_file()
    write_mask(f"{path.with_suffix('.img')}.msk")
    if bom:
        path.write_text(path.read_text(), encoding="utf-8-sig")
    source = pickle.loads(pickle.dumps(open_source(path)))
    masked = source.masked(source.extent)
    assert masked[HOLE].all()
    assert masked.sum() == 15
    np.testing.assert_array_equal(source.masked(WINDOW), masked[2:6, 3:8])
    assert f"{path.with_suffix('.img')}.msk" in source.files


def test_bad_bands_are_told_in_words(envi_file):
    source = open_source(edit(envi_file(), add="bbl = {True, good, False, yes, bad, 1}\n"))
    assert source.bands.good.tolist() == [True, True, False, True, False, True]


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip", "BIL", "BIP"])
def test_without_interleave_the_suffix_of_the_data_file_tells_it(envi_file, cube, interleave):
    path = envi_file(interleave=interleave.lower())
    edit(path, f"interleave = {interleave.lower()}\n")
    data = path.with_suffix(".img").rename(path.with_suffix(f".{interleave}"))
    for given in (path, data):
        np.testing.assert_array_equal(open_source(given).read(WINDOW), cube[:, 2:6, 3:8])


def test_without_interleave_and_suffix_the_scene_is_refused(envi_file):
    with pytest.raises(SceneError, match="lacks the field 'interleave'"):
        open_source(edit(envi_file(), "interleave = bsq\n"))


@pytest.mark.parametrize("key", ["major frame offsets", "minor frame offsets"])
def test_frame_offsets_are_refused_unless_they_are_0(envi_file, cube, key):
    path = edit(envi_file(), add=f"{key} = {{0, 0}}\n")
    np.testing.assert_array_equal(open_source(path).read(WINDOW), cube[:, 2:6, 3:8])
    with pytest.raises(SceneError, match=key):
        open_source(edit(path, f"{key} = {{0, 0}}", f"{key} = {{4, 8}}"))


@pytest.mark.parametrize(
    ("interleave", "field"), [("bip", "bands"), ("bil", "bands"), ("bsq", "lines"), ("bip", "samples")]
)
def test_a_data_file_with_more_than_the_header_tells_is_refused_where_it_would_be_read_shifted(
    envi_file, interleave, field
):
    path = envi_file(interleave=interleave)
    size = {"bands": 6, "lines": 9, "samples": 11}[field]
    edit(path, f"{field} = {size}", f"{field} = {size - 1}")
    with pytest.raises(
        SceneError, match=f"longer than its header says: .* as if there were {size} {field} and not {size - 1}"
    ):
        open_source(path)


@pytest.mark.parametrize(("interleave", "rest"), [("bsq", 198), ("bip", 66 * 2), ("bil", 7), ("bsq", 512)])
def test_a_data_file_that_goes_on_behind_its_end_is_read_and_said(envi_file, cube, interleave, rest):
    path = envi_file(interleave=interleave)
    with path.with_suffix(".img").open("ab") as stream:
        stream.write(bytes(rest))
    source = open_source(path)
    np.testing.assert_array_equal(source.read(source.extent), cube)
    assert f"it has {1188 + rest} bytes, of which the first 1188 are read" in source.notes[0]


@pytest.mark.parametrize(
    "suffix", ["", ".img", ".IMG", ".rfl", ".ref", ".hyspex", ".pix", ".rdn", ".dat", ".BIL", ".xyz"]
)
def test_the_data_file_is_found_by_any_suffix(envi_file, cube, suffix):
    path = envi_file()
    data = path.with_suffix(".img").rename(path.with_name(f"scene{suffix}"))
    for given in (path, data):
        source = open_source(given)
        assert source.name == str(data)
        np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])


def test_the_data_file_is_found_beside_a_header_that_keeps_its_suffix(envi_file, cube):
    path = envi_file()
    header = path.rename(path.with_name("scene.img.hdr"))
    for given in (header, path.with_suffix(".img")):
        np.testing.assert_array_equal(open_source(given).read(WINDOW), cube[:, 2:6, 3:8])


@pytest.mark.parametrize("foreign", ["scene", "scene.dat", "scene.img", "scene.raw"])
def test_a_foreign_file_of_the_same_name_is_not_taken_for_the_data(envi_file, cube, foreign):
    path = envi_file()
    data = path.with_suffix(".img").rename(path.with_suffix(".rfl"))
    path.with_name(foreign).write_text("date,station\n" * 400)
    source = open_source(path)
    assert source.name == str(data)
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])


def test_a_geotiff_with_a_header_of_another_file_beside_it_opens_as_geotiff(geotiff, envi_file, cube):
    envi_file(values=cube[:2])
    assert open_source(geotiff()).shape == (6, 9, 11)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_headers_of_any_encoding_and_line_end_are_read(envi_file, cube, encoding, newline):
    path = envi_file()
    place = "map info = {UTM, 1, 1, 380000, 5820000, 30, 30, 33, North, WGS-84, units=Meters}\n"
    text = path.read_text() + place + "sensor type = µ-Cam\n"
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    source = open_source(path)
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])
    assert source.transform == rasterio.Affine(30, 0, 380_000, 0, -30, 5_820_000)
    assert source.crs.to_epsg() == 32633


def test_an_absent_byte_order_is_said(envi_file):
    source = open_source(edit(envi_file(), "byte order = 0\n"))
    assert "does not say the byte order" in source.notes[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [("bands", 10**8), ("lines", 10**9), ("samples", 10**9), ("lines", 10**30), ("header offset", 10**18)],
)
def test_a_header_that_promises_the_impossible_is_refused_at_once(envi_file, field, value):
    old = {"bands": 6, "lines": 9, "samples": 11, "header offset": 0}[field]
    path = edit(envi_file(), f"{field} = {old}\n", f"{field} = {value}\n")
    tracemalloc.start()
    with pytest.raises(SceneError, match=r"truncated|more than"):
        open_source(path)
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("text", ["\n" * 200_000, "wavelength = {%s}\n" % ("1," * 1_500_000)])
def test_a_header_without_end_is_refused_at_once(envi_file, text):
    tracemalloc.start()
    with pytest.raises(SceneError, match="too large for an ENVI header"):
        open_source(edit(envi_file(), add=text))
    assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    tracemalloc.stop()


def test_geo_points_are_carried_on(envi_file):
    points = (
        "geo points = {1.0, 1.0, 52.0, 13.0, 12.0, 1.0, 52.0, 13.1, 1.0, 10.0, 51.9, 13.0, 12.0, 10.0, 51.9, 13.1}\n"
    )
    source = open_source(edit(envi_file(), add=points))
    assert [(p.col, p.row, p.x, p.y) for p in source.control.points] == [
        (0, 0, 13.0, 52.0), (11, 0, 13.1, 52.0), (0, 9, 13.0, 51.9), (11, 9, 13.1, 51.9),
    ]  # fmt: skip


def test_a_classification_given_as_scene_is_named(envi_file, cube):
    path = envi_file(values=np.abs(cube[:1]).clip(0, 3).astype(np.uint8))
    edit(path, "file type = ENVI Standard", "file type = ENVI Classification")
    edit(path, add="classes = 4\nclass names = {Unclassified, water, tree, soil}\n")
    assert "holds classes (Unclassified, water, tree, soil), no measurements" in open_source(path).notes[0]


def test_all_files_of_a_scene_are_known_and_their_state_tells_a_change(envi_file):
    path = envi_file()
    sidecar = Path(f"{path.with_suffix('.img')}.aux.xml")
    sidecar.write_text("<PAMDataset/>")
    source = open_source(path)
    assert set(source.files) == {str(path), str(path.with_suffix(".img")), str(sidecar)}
    before = source.state_of_files()
    assert source.state_of_files() == before
    sidecar.write_text("<PAMDataset></PAMDataset>")
    assert source.state_of_files() != before


def test_a_scene_that_is_cut_while_it_is_read_is_an_error_and_no_signal(envi_file, monkeypatch):
    """The file is cut after its size was looked at."""
    path = envi_file()
    source = open_source(path)
    original = os.open

    def cut(*args):
        os.truncate(path.with_suffix(".img"), 100)
        return original(*args)

    monkeypatch.setattr(os, "open", cut)
    with pytest.raises(SceneError, match="truncated"):
        source.read(source.extent)


@pytest.mark.real_scene
def test_the_rotated_aviris_scene_lies_where_its_map_info_says(real_data):
    source = open_source(real_data / "aviris-rotated/AV_mastercal_testdata.bsq")
    angle, size = np.deg2rad(71), 14.9  # map info = {UTM, 1, 1, 716737.4…, 4322229.09…, 14.9, 14.9, …, rotation=71}
    east, north = source.transform @ (1, 0)
    np.testing.assert_allclose(
        [east - 716737.401375353, north - 4322229.096619], [size * np.cos(angle), size * np.sin(angle)]
    )
    with by_gdal(source.name) as dataset:
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


def test_a_value_of_many_lines_is_told_in_one(envi_file):
    path = edit(envi_file(), "byte order = 0\n", "byte order = {" + "{" * 500 + "\nmap\n}\n")
    with pytest.raises(SceneError, match="has byte order = ") as caught:
        open_source(path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(caught.value.problem) < 200 + len(str(path))
