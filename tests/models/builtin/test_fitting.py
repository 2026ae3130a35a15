"""The built-in model for the bands and the scale of a scene."""

import numpy as np
import pytest
import xarray as xr
from affine import Affine

from hsiattn.datasets.sensors import sensor
from hsiattn.errors import BandError
from hsiattn.mapping import predict_array
from hsiattn.models.builtin import builtin_model, read_builtin
from hsiattn.scenes import Grid, georeference
from hsiattn.scenes.scene import as_source
from hsiattn.simulation.covers import COVERS

MAIZE, GRASS, STUBBLE, SOIL, WOOD, WATER, ASPHALT, ROOF = range(8)
VEGETATION = {"green vegetation", "tree", "low vegetation"}
EXPECTED = {MAIZE: VEGETATION, GRASS: VEGETATION, WOOD: VEGETATION, WATER: {"water"}}


def scene_of(spectra, wavelength, fwhm=None):
    """A scene in memory of one row of pixels (n, B)."""
    values = np.asarray(spectra).T[:, None, :]
    coords = {"wavelength": ("band", np.asarray(wavelength, dtype=float), {"units": "nm"})}
    if fwhm is not None:
        coords["fwhm"] = ("band", np.asarray(fwhm, dtype=float), {"units": "nm"})
    scene = xr.DataArray(values, dims=("band", "y", "x"), coords=coords, attrs={"name": "made scene"})
    return as_source(georeference(scene, Grid(1, len(spectra), None, Affine.identity())))


def by_sensor(name, covers, factor=1.0):
    bands = sensor(name).bands()
    spectra = np.stack([COVERS[cover][0](bands.wavelength) for cover in covers]) * factor
    return scene_of(spectra.astype(np.float32), bands.wavelength, bands.fwhm)


def classes_of(source, **how):
    model = builtin_model(source).model
    found = predict_array(model, source, **how)["land_cover"].values.ravel()
    names = {item.code: item.name for item in model.classes}
    return [names.get(code, "unclassified") for code in found.tolist()]


@pytest.mark.parametrize("name", ["aviris", "rosis", "casi-48", "emit", "neon-ais", "desis", "aviris-ng"])
@pytest.mark.parametrize("factor", [1.0, 100.0, 10_000.0])
def test_plants_and_water_are_found_by_any_sensor_in_any_scale(name, factor):
    found = classes_of(by_sensor(name, list(EXPECTED), factor))
    for said, allowed in zip(found, EXPECTED.values(), strict=True):
        assert said in allowed


def test_the_model_is_small_and_says_what_it_is():
    model = read_builtin()
    assert model.training["card"]["known_failures"]
    assert [trial["last"] for trial in model.training["trials"]] == sorted(
        trial["last"] for trial in model.training["trials"]
    )
    from hsiattn.models.builtin.fitting import FILE

    assert FILE.stat().st_size < 3e6


def test_a_scale_that_was_guessed_and_what_to_trust_are_told():
    notes = builtin_model(by_sensor("rosis", [GRASS, WATER, SOIL], 10_000.0)).notes
    assert any("reflectance × 10000" in note for note in notes)
    assert any("bands to 860 nm" in note for note in notes)


def test_bands_without_data_do_not_empty_the_map():
    bands = sensor("emit").bands()
    spectra = np.stack([COVERS[GRASS][0](bands.wavelength)] * 4).astype(np.float32)
    spectra[:, 40:45] = np.nan
    source = scene_of(spectra, bands.wavelength, bands.fwhm)
    assert not np.isin(np.arange(40, 45), builtin_model(source).model.preprocessing.bands).any()
    assert set(classes_of(source)) <= VEGETATION


def test_a_scene_without_wavelengths_or_with_too_few_bands_is_refused():
    with pytest.raises(BandError, match="wavelengths of made scene are unknown") as caught:
        builtin_model(scene_of(np.ones((5, 30)), np.full(30, np.nan)))
    assert "sensor=NAME" in caught.value.remedy
    with pytest.raises(BandError, match="too few bands"):
        builtin_model(scene_of(np.ones((5, 4)), [480, 560, 660, 860]))


def test_snow_and_light_that_was_not_corrected_stay_unclassified():
    bands = sensor("aviris-ng").bands()
    nm = bands.wavelength
    grain = np.interp(
        nm, [380, 700, 1030, 1270, 1500, 1830, 2240, 2500], [0.98, 0.95, 0.75, 0.45, 0.03, 0.15, 0.15, 0.03]
    )
    sun = nm**-5 / np.expm1(1.4388e7 / (nm * 5778))
    light = np.stack([COVERS[cover][0](nm) for cover in (GRASS, SOIL, ASPHALT)]) * sun / sun.max()
    light += 0.08 * (nm / 450) ** -4.0 * sun / sun.max()
    found = classes_of(scene_of(np.vstack([np.stack([grain] * 3), light]).astype(np.float32), nm, bands.fwhm))
    assert found == ["unclassified"] * 6


@pytest.mark.parametrize("name", ["casi-48", "casi-1500", "rosis", "desis"])
def test_grey_roofs_are_built_up_and_snow_and_sea_ice_unclassified_without_bands_beyond_1000_nm(name):
    bands = sensor(name).bands()
    nm = bands.wavelength
    roof = np.interp(nm, [400, 480, 560, 1000], [0.75, 0.95, 1, 1.03])
    snow = np.interp(nm, [400, 700, 900, 1000, 1050], [0.97, 0.93, 0.85, 0.7, 0.7])
    ice = np.interp(nm, [400, 500, 600, 700, 800, 900, 1050], [0.66, 0.66, 0.62, 0.53, 0.42, 0.26, 0.1])
    spectra = np.stack([0.28 * roof, 0.37 * roof, 0.45 * roof, snow, 0.85 * snow, ice, 0.75 * ice])
    found = classes_of(scene_of(spectra.astype(np.float32), nm, bands.fwhm))
    assert set(found[:3]) <= {"built-up", "roof", "pavement"}
    assert found[3:] == ["unclassified"] * 4
