"""Shifts change a whole scene smoothly, as physics has it."""

import numpy as np
import pytest

from hsiattn.errors import BandError
from hsiattn.simulation import SHIFTS, shift
from hsiattn.simulation.covers import COVERS, GRASS
from hsiattn.simulation.shifts import resample_bands

WAVELENGTH = np.linspace(450.0, 2400.0, 40)


def cube(seed=0, shape=(40, 20, 30)):
    values = (0.1 + 0.4 * np.random.default_rng(seed).random(shape)).astype(np.float32)
    values[:, 3, 4] = np.nan
    return values


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_is_decided_by_its_seed_and_keeps_missing_pixels_and_the_callers_cube(name):
    given = cube()
    (first, centres), (again, _), (other, _) = (shift(given, name, wavelength=WAVELENGTH, seed=s) for s in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.shape == (len(centres), 20, 30)
    assert np.array_equal(given, cube(), equal_nan=True)
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)
    assert np.array_equal(np.isnan(first).all(axis=0), np.isnan(given[0]))


@pytest.mark.parametrize("name", SHIFTS)
def test_strength_0_changes_nothing(name):
    changed, centres = shift(cube(), name, 0.0, wavelength=WAVELENGTH)
    assert np.array_equal(changed, cube(), equal_nan=True)
    assert np.array_equal(centres, WAVELENGTH)


@pytest.mark.parametrize("name", SHIFTS)
def test_shifts_need_wavelengths(name):
    with pytest.raises(BandError, match="wavelengths"):
        shift(cube(), name)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="no shift 'fog'"):
        shift(cube(), "fog")
    with pytest.raises(ValueError, match="number from 0"):
        shift(cube(), "haze", -1.0, wavelength=WAVELENGTH)


def test_light_changes_all_bands_alike_but_for_the_sky():
    changed, _ = shift(np.ones((40, 20, 30), dtype=np.float32), "illumination", wavelength=WAVELENGTH)
    assert changed[-1].mean() == pytest.approx(0.8, rel=0.1)
    assert changed[-1].std() > changed[0].std()  # the sky lights slopes that the sun does not reach, in the blue most
    assert np.corrcoef(changed[0].ravel(), changed[-1].ravel())[0, 1] > 0.999


def test_haze_brightens_dark_ground_and_dims_bright_ground():
    two = np.stack([np.full((6, 6), value, dtype=np.float32) for value in (0.0, 0.6)], axis=1).reshape(1, 12, 6)
    changed, _ = shift(two, "haze", wavelength=np.array([550.0]))
    dark = changed[0][two[0] == 0]
    assert dark.mean() == pytest.approx(0.95 * 0.2 * 0.3 / (4 * np.cos(np.radians(40))), rel=0.2)
    assert (changed[0][two[0] > 0] < 0.6).all()


@pytest.mark.parametrize(("strength", "which"), [(1.0, 1), (-1.0, 0)])
def test_another_season_mixes_every_pixel_with_dry_or_green_grass(strength, which):
    given = np.full((40, 30, 30), 0.2, dtype=np.float32)
    changed, _ = shift(given, "season", strength, wavelength=WAVELENGTH)
    grass = COVERS[GRASS][which](WAVELENGTH)
    share = (changed - given)[:, :, :] / (grass - 0.2)[:, None, None]
    assert np.ptp(share, axis=0).max() < 1e-4
    assert share[0].mean() == pytest.approx(0.2, abs=0.03)
    assert -1e-4 < share.min() < share.max() < 0.4 + 1e-4


def test_another_sensor_has_fewer_bands_and_sees_the_same_smooth_spectrum():
    curve = np.polynomial.Polynomial([0.3, 2e-4, -1e-7])
    given = np.broadcast_to(curve(WAVELENGTH)[:, None, None], (40, 2, 2)).astype(np.float32)
    changed, centres = shift(given, "sensor", wavelength=WAVELENGTH)
    assert len(centres) == 26
    assert np.diff(centres) == pytest.approx(np.full(25, 75.0))
    assert np.abs(changed[:, 0, 0] / curve(centres) - 1).max() < 0.1  # calibration


def test_another_sensor_has_no_bands_in_a_gap():
    centres = np.concatenate([np.arange(400.0, 700, 10), np.arange(1500.0, 1700, 10)])
    _, others = shift(np.ones((len(centres), 2, 2), np.float32), "sensor", wavelength=centres)
    assert not ((others > 690) & (others < 1500)).any()


def test_resampling_agrees_with_the_response_of_a_wide_band_to_a_finely_sampled_line():
    fine = np.arange(400.0, 1000.0, 1.0)
    line = np.exp(-0.5 * ((fine - 700) / 20) ** 2)
    centres, width = np.arange(650.0, 751.0, 25), 30.0
    response = np.exp(-4 * np.log(2) * ((fine - centres[:, None]) / width) ** 2)
    expected = (response @ line) / response.sum(axis=1)
    seen = resample_bands(line[:, None, None].astype(np.float32), fine, centres, np.full(5, width))
    assert seen[:, 0, 0] == pytest.approx(expected, abs=2e-3)


def test_widths_of_both_sensors_add_up():
    fine = np.arange(400.0, 1000.0, 2.0)
    line = np.exp(-0.5 * ((fine - 700) / 20) ** 2)
    widths, centres = np.full(300, 24.0), np.array([700.0])
    kernel = np.exp(-4 * np.log(2) * ((fine - fine[:, None]) / 24) ** 2)
    blurred = (kernel / kernel.sum(axis=1, keepdims=True)) @ line
    direct = resample_bands(line[:, None, None].astype(np.float32), fine, centres, np.array([40.0]))
    twice = resample_bands(blurred[:, None, None].astype(np.float32), fine, centres, np.array([40.0]), own_fwhm=widths)
    assert float(twice[0, 0, 0]) == pytest.approx(float(direct[0, 0, 0]), abs=5e-3)


def test_a_scene_of_one_band_and_one_pixel_can_be_shifted():
    for name in SHIFTS:
        assert shift(np.full((1, 1, 1), 0.2), name, wavelength=np.array([650.0]))[0].shape == (1, 1, 1)
