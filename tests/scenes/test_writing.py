"""Scenes that are written and read back: every form that a scene comes in, in every format that is written."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window
from scipy.io import savemat
from spectral.io import envi

from hsiattn.errors import OutputError, SceneError
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.scenes import Radiometry, SceneSource, SpectralBands, as_source, open_source, to_scene
from hsiattn.scenes.writing import convert_scene

DRIVERS = {"GTiff": "tif", "COG": "tif", "ENVI": "img"}
PLACE = Affine(4.0, 0, 388_000, 0, -4.0, 5_812_000)
BANDS, HEIGHT, WIDTH = 5, 23, 31
WAVELENGTH = np.array([418.24, 423.874, 429.294, 940.1, 935.7])
FWHM = np.array([6.99561, 6.6675, 6.42408, 8.1, 7.9])


def values(dtype: str) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (
        rng.normal(0.4, 0.2, (BANDS, HEIGHT, WIDTH)) if dtype[0] == "f" else rng.integers(0, 90, (BANDS, HEIGHT, WIDTH))
    ).astype(dtype)


def geotiff(folder: Path, dtype: str = "int16", *, mask: bool = False, gcps: bool = False, **profile) -> Path:
    path = folder / "in.tif"
    place = {"crs": "EPSG:32633", "transform": PLACE} | profile
    place = {} if gcps else place
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", count=BANDS, height=HEIGHT, width=WIDTH, dtype=dtype, **place
        ) as file:
            file.write(values(dtype))
            for i in range(BANDS):
                file.set_band_description(i + 1, f"radiance {i}")
                file.update_tags(i + 1, wavelength=WAVELENGTH[i], wavelength_units="nm", fwhm=FWHM[i], bbl="10111"[i])
            if gcps:
                points = [
                    (0, 0, 13.0, 52.0),
                    (0, WIDTH, 13.1, 52.0),
                    (HEIGHT, 0, 13.0, 51.9),
                    (HEIGHT, WIDTH, 13.1, 51.9),
                ]
                file.gcps = ([GroundControlPoint(*point) for point in points], CRS.from_epsg(4326))
            if mask:
                there = np.ones((HEIGHT, WIDTH), bool)
                there[3:6, 4:20] = False
                file.write_mask(there)
    return path


def scaled_geotiff(folder: Path) -> Path:
    path = geotiff(folder, "int16", nodata=-9999)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = [1e-4, 2e-4, 1e-4, 3e-4, 1e-4], [0.0, -0.1, 0.0, 0.0, 0.2]
    return path


def envi_scene(folder: Path, interleave: str = "bil", **fields) -> Path:
    header = folder / "in.hdr"
    metadata = {
        "wavelength": WAVELENGTH.tolist(), "fwhm": FWHM.tolist(), "wavelength units": "Nanometers",
        "bbl": [1, 1, 0, 1, 1], "reflectance scale factor": 10000, "band names": ["a", "b", "c", "d (x)", "e"],
        "map info": ["UTM", 1, 1, 388000, 5812000, 4, 4, 33, "North", "WGS-84", "rotation=12.5"], **fields,
    }  # fmt: skip
    envi.save_image(
        str(header), values("int16").transpose(1, 2, 0), interleave=interleave, metadata=metadata, dtype=np.int16,
        ext="dat",
    )  # fmt: skip
    return header


def matlab(folder: Path) -> Path:
    savemat(folder / "in.mat", {"cube": values("uint16").transpose(1, 2, 0)})
    return folder / "in.mat"


FORMS: dict[str, Callable[[Path], Path]] = {
    "GeoTIFF int16": lambda folder: geotiff(folder, nodata=-9999),
    "GeoTIFF float32 with NaN as nodata": lambda folder: geotiff(folder, "float32", nodata=float("nan")),
    "GeoTIFF float64 without CRS": lambda folder: geotiff(folder, "float64", crs=None),
    "GeoTIFF uint8 with a mask": lambda folder: geotiff(folder, "uint8", mask=True),
    "GeoTIFF uint16 turned": lambda folder: geotiff(folder, "uint16", transform=PLACE @ Affine.rotation(30)),
    "GeoTIFF by control points": lambda folder: geotiff(folder, gcps=True),
    "GeoTIFF with scales and offsets": scaled_geotiff,
    "ENVI BIL turned": envi_scene,
    "ENVI BIP": lambda folder: envi_scene(folder, "bip", **{"reflectance scale factor": 1}),
    "MATLAB": matlab,
}  # fmt: skip


def assert_same(found: SceneSource, source: SceneSource, part: Window | None = None) -> None:
    """Everything that is known of the two is the same."""
    window = source.extent if part is None else part
    np.testing.assert_array_equal(found.read(found.extent), source.read(window))
    assert found.dtype == source.dtype
    assert found.nodata == source.nodata
    assert found.nodata_by_band == source.nodata_by_band
    assert found.bands.names == source.bands.names
    np.testing.assert_allclose(found.bands.wavelength, source.bands.wavelength, rtol=1e-15)
    np.testing.assert_allclose(found.bands.fwhm, source.bands.fwhm, rtol=1e-15)
    np.testing.assert_array_equal(found.bands.good, source.bands.good)
    assert found.radiometry == source.radiometry
    own, grid = source.grid.window(window), found.grid
    assert (grid.height, grid.width, grid.crs) == (own.height, own.width, own.crs)
    assert grid.transform.almost_equals(own.transform, 1e-6)
    assert (grid.control is None) == (own.control is None)
    if own.control is not None:
        np.testing.assert_allclose(
            [(p.row, p.col, p.x, p.y) for p in grid.control.points],
            [(p.row, p.col, p.x, p.y) for p in own.control.points],
        )
    assert found.has_mask == source.has_mask
    if source.has_mask:
        np.testing.assert_array_equal(found.masked(found.extent), source.masked(window))


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("form", FORMS)
def test_a_scene_that_is_read_back_is_the_same(tmp_path: Path, form: str, driver: str) -> None:
    source = open_source(FORMS[form](tmp_path))
    out = tmp_path / f"out.{DRIVERS[driver]}"
    assert convert_scene(source, out, driver=driver) == ()
    assert_same(open_source(out), source)
    assert kind_of(out) is FileKind.SCENE
    left = {file.name for file in tmp_path.iterdir() if not file.name.startswith("in.")}
    assert left <= {out.name, "out.hdr", "out.img.msk"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_arrays_and_parts_are_written_too(tmp_path: Path, driver: str) -> None:
    source = open_source(geotiff(tmp_path, "float32", nodata=-1.0, transform=PLACE @ Affine.rotation(30)))
    out, part = tmp_path / f"out.{DRIVERS[driver]}", Window(3, 5, 11, 7)
    convert_scene(source, out, driver=driver, part=part)
    assert_same(open_source(out), source, part)
    convert_scene(to_scene(source), out, driver=driver, overwrite=True)
    assert_same(open_source(out), source)


def test_spectral_python_reads_the_header(tmp_path: Path) -> None:
    convert_scene(geotiff(tmp_path, nodata=-9999), tmp_path / "out.img", driver="ENVI")
    image = envi.open(str(tmp_path / "out.hdr"), str(tmp_path / "out.img"))
    np.testing.assert_array_equal(image.load().transpose(2, 0, 1), values("int16"))
    assert image.bands.centers == WAVELENGTH.tolist()
    assert image.bands.bandwidths == FWHM.tolist()
    assert [int(flag) for flag in image.metadata["bbl"]] == [1, 0, 1, 1, 1]
    assert ".staged" not in (tmp_path / "out.hdr").read_text()


def test_other_programs_find_wavelengths_in_the_tags(tmp_path: Path) -> None:
    convert_scene(geotiff(tmp_path), tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert float(file.tags(1, ns="IMAGERY")["CENTRAL_WAVELENGTH_UM"]) == pytest.approx(0.41824)
        assert float(file.tags(1, ns="IMAGERY")["FWHM_UM"]) == pytest.approx(0.00699561)
        assert file.tags(2)["wavelength"] == "423.874"
        assert file.tags(2)["bbl"] == "0"


@pytest.mark.parametrize(("driver", "same"), [("ENVI", True), ("GTiff", False)])
def test_nodata_values_that_differ_stay_in_envi_and_become_nan_in_geotiff(tmp_path, driver, same) -> None:
    source = open_source(envi_scene(tmp_path, **{"data ignore value": [1, 2, 3, 4, 5]}))
    out = tmp_path / f"out.{DRIVERS[driver]}"
    notes = convert_scene(source, out, driver=driver)
    found = open_source(out)
    missing = source.missing(source.read(source.extent))
    assert missing.any()
    np.testing.assert_array_equal(found.missing(found.read(found.extent)), missing)
    if same:
        assert notes == ()
        assert_same(found, source)
    else:
        assert "have different nodata values: missing values are written as NaN (float32)" in notes[0]
        np.testing.assert_array_equal(found.read(found.extent)[~missing], source.read(source.extent)[~missing])


@pytest.mark.parametrize("driver", DRIVERS)
def test_reflectance_is_written_with_nan_where_it_is_missing(tmp_path, driver) -> None:
    source = open_source(scaled_geotiff(tmp_path))
    out = tmp_path / f"out.{DRIVERS[driver]}"
    convert_scene(source, out, driver=driver, reflectance=True)
    found = open_source(out)
    stored = source.read(source.extent)
    expected = stored * source.radiometry.gain[:, None, None] + source.radiometry.offset[:, None, None]
    np.testing.assert_allclose(found.read(found.extent), expected, rtol=1e-6)
    assert found.radiometry == Radiometry.divided_by(1.0, BANDS)


def test_without_a_scale_there_is_no_reflectance_to_write(tmp_path) -> None:
    with pytest.raises(SceneError, match=r"does not say how its values become reflectance; .* scale="):
        convert_scene(geotiff(tmp_path), tmp_path / "out.tif", reflectance=True)


def test_types_that_a_format_lacks_are_widened_and_told(tmp_path) -> None:
    array = xr.DataArray(values("uint8") > 40, dims=("band", "y", "x"), name="flags")
    for driver, suffix in DRIVERS.items():
        notes = convert_scene(array, tmp_path / f"{driver}.{suffix}", driver=driver)
        assert notes == ("values of type bool are written as uint8",)
        found = open_source(tmp_path / f"{driver}.{suffix}")
        np.testing.assert_array_equal(found.read(found.extent), array.values)


def test_only_scenes_of_ours_are_replaced_and_never_the_input(tmp_path) -> None:
    source = geotiff(tmp_path)
    out = tmp_path / "out.img"
    out.write_text("diary")
    with pytest.raises(OutputError, match="exists already and is not a scene that hsiattn wrote"):
        convert_scene(source, out, driver="ENVI", overwrite=True)
    out.unlink()
    (tmp_path / "out.hdr").write_text("ENVI\nsamples = 4\n")
    with pytest.raises(OutputError, match=r"out\.hdr exists already and is not a scene"):
        convert_scene(source, out, driver="ENVI", overwrite=True)
    with pytest.raises(OutputError, match="is the scene itself"):
        convert_scene(source, source, overwrite=True)
    assert not out.exists()


def test_a_mask_of_an_earlier_scene_does_not_stay_beside_the_new_one(tmp_path) -> None:
    out = tmp_path / "out.img"
    convert_scene(geotiff(tmp_path, "uint8", mask=True), out, driver="ENVI")
    assert (tmp_path / "out.img.msk").exists()
    with pytest.raises(OutputError, match="exists already"):
        convert_scene(geotiff(tmp_path), out, driver="ENVI")
    convert_scene(geotiff(tmp_path), out, driver="ENVI", overwrite=True)
    assert not (tmp_path / "out.img.msk").exists()
    assert not open_source(out).has_mask


def test_a_file_of_others_that_would_be_taken_for_a_part_is_refused(tmp_path) -> None:
    (tmp_path / "out.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    with pytest.raises(OutputError, match=r"out\.tif\.aux\.xml exists already"):
        convert_scene(geotiff(tmp_path), tmp_path / "out.tif", overwrite=True)


@pytest.mark.parametrize(
    ("name", "driver", "match"),
    [("a.png", "PNG", "there is no driver PNG"), ("a.hdr", "ENVI", "is the name of a header; name the data file")],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, driver, match) -> None:
    with pytest.raises(OutputError, match=match):
        convert_scene(geotiff(tmp_path), tmp_path / name, driver=driver)


def test_a_source_that_breaks_off_leaves_nothing(tmp_path) -> None:
    class Breaking(SceneSource):
        name, bands, height, width, dtype = "broken", SpectralBands.unknown(3), 300, 300, np.dtype("uint8")
        crs, transform, nodata = None, Affine.identity(), None

        def read(self, window: Window) -> np.ndarray:
            raise SceneError("broken is truncated", "copy it again")

    for driver, suffix in DRIVERS.items():
        with pytest.raises(SceneError, match="truncated"):
            convert_scene(Breaking(), tmp_path / f"out.{suffix}", driver=driver)
    assert list(tmp_path.iterdir()) == []


def test_a_large_scene_is_written_in_windows_and_in_groups_of_bands(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hsiattn.scenes.writing._AT_ONCE", 20_000)
    rng = np.random.default_rng(3)
    array = xr.DataArray(rng.integers(0, 999, (7, 300, 520)).astype(np.uint16), dims=("band", "y", "x"), name="cube")
    asked: list[int] = []
    source = as_source(array)
    whole = source.read_bands
    monkeypatch.setattr(
        source,
        "read_bands",
        lambda at, indices: asked.append(at.width * at.height * len(indices)) or whole(at, indices),
    )
    for driver, suffix in DRIVERS.items():
        convert_scene(source, tmp_path / f"{driver}.{suffix}", driver=driver)
        found = open_source(tmp_path / f"{driver}.{suffix}")
        np.testing.assert_array_equal(found.read(found.extent), array.values)
    assert max(asked) <= 256 * 256
