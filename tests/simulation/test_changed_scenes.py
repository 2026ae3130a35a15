"""Scenes under disturbances and shifts lie on the same grid and have the same units."""

import numpy as np
import pytest

from hsiattn.errors import BandError, SceneError
from hsiattn.scenes import Radiometry, as_source
from hsiattn.simulation import NODATA, changed_scene, disturb, shift, simulate_scene
from hsiattn.simulation.changed_scenes import reflectance_of


@pytest.fixture(scope="module")
def scene():
    return simulate_scene(40, 44, 30, seed=1)[0]


def test_a_changed_scene_holds_the_disturbed_reflectance_in_the_units_of_the_scene(scene):
    changed = as_source(changed_scene(scene, "noise", 2.0, seed=4))
    before = as_source(scene)
    assert changed.grid == before.grid
    assert changed.bands == before.bands
    reflectance, _ = reflectance_of(before)
    expected = disturb(reflectance, "noise", 2.0, seed=4)
    values = changed.read(changed.extent)
    outside = scene.values[0] == NODATA
    assert np.isnan(values[:, outside]).all()
    assert values[:, ~outside] * 1e-4 == pytest.approx(expected[:, ~outside], abs=1e-6)
    assert changed.radiometry.reflectance(values[:, 20, 20]) == pytest.approx(expected[:, 20, 20], abs=1e-6)


def test_a_scene_of_another_sensor_has_other_bands(scene):
    changed = as_source(changed_scene(scene, "sensor"))
    reflectance, _ = reflectance_of(as_source(scene))
    bands = as_source(scene).bands
    _, centres = shift(reflectance, "sensor", wavelength=bands.wavelength, fwhm=bands.fwhm)
    assert changed.bands.wavelength == pytest.approx(centres)
    assert np.isfinite(changed.bands.fwhm).all()
    assert changed.radiometry == Radiometry.divided_by(1e4, len(centres))


def test_a_scene_of_unknown_units_is_taken_to_be_in_proportion_to_reflectance(scene):
    plain = scene.copy()
    del plain.attrs["scale_factor_reflectance"]
    changed = as_source(changed_scene(plain, "noise", seed=4))
    assert not changed.radiometry.stated
    like = as_source(changed_scene(scene, "noise", seed=4))
    assert np.nanmax(np.abs(changed.read(changed.extent) - like.read(like.extent))) < 0.5


def test_pixels_that_a_mask_leaves_out_are_missing(scene):
    mask = np.zeros((40, 44), dtype=bool)
    mask[20, 10:30] = True
    changed = as_source(changed_scene(scene.assign_coords(masked=(("y", "x"), mask)), "striping"))
    assert np.isnan(changed.read(changed.extent)[:, mask]).all()
    assert changed.masked(changed.extent)[mask].all()


def test_a_scene_without_wavelengths_or_data_is_refused(scene):
    with pytest.raises(BandError, match="wavelengths"):
        changed_scene(scene.drop_vars("wavelength"), "haze")
    with pytest.raises(SceneError, match="holds no data"):
        changed_scene(scene.copy(data=np.full(scene.shape, NODATA, np.int16)), "noise")
    with pytest.raises(ValueError, match="no change 'fog'"):
        changed_scene(scene, "fog")
