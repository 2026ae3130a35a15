"""Disturbances are as strong as they say, the same for the same seed, and leave what is missing missing."""

import numpy as np
import pytest

from hsiattn.errors import BandError
from hsiattn.simulation import DISTURBANCES, SPECTRAL_DISTURBANCES, disturb
from hsiattn.simulation.disturbances import interpolation_weights

WAVELENGTH = np.linspace(450.0, 2400.0, 40)


def cube(seed=0, shape=(40, 30, 25)):
    random = np.random.default_rng(seed)
    values = (0.1 + 0.4 * random.random(shape)).astype(np.float32)
    values[:, 3, 4] = np.nan
    values[7, 10, 11] = np.nan
    return values


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_disturbance_is_decided_by_its_seed_and_keeps_missing_values_and_the_callers_cube(name):
    given = cube()
    before = given.copy()
    first, again, other = (disturb(given, name, 2.0, wavelength=WAVELENGTH, seed=seed) for seed in (1, 1, 3))
    assert first.dtype == np.float32
    assert first.shape == given.shape
    assert np.array_equal(given, before, equal_nan=True)
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)
    assert np.array_equal(np.isnan(first), np.isnan(given))
    assert not np.array_equal(first, given, equal_nan=True)


@pytest.mark.parametrize("name", DISTURBANCES)
def test_strength_0_leaves_the_cube_as_it_is(name):
    assert np.array_equal(disturb(cube(), name, 0.0), cube(), equal_nan=True)


@pytest.mark.parametrize("name", SPECTRAL_DISTURBANCES)
@pytest.mark.parametrize("wavelength", [None, np.full(40, np.nan)])
def test_what_depends_on_wavelengths_is_refused_without_them(name, wavelength):
    with pytest.raises(BandError, match=f"{name} depends on wavelengths"):
        disturb(cube(), name, wavelength=wavelength)


@pytest.mark.parametrize("name", sorted(set(DISTURBANCES) - set(SPECTRAL_DISTURBANCES)))
def test_the_others_need_none(name):
    disturb(cube(), name)


@pytest.mark.parametrize(
    ("name", "strength", "values", "message"),
    [
        ("fog", 1.0, cube(), "no disturbance 'fog'"),
        ("noise", -1.0, cube(), "number from 0"),
        ("noise", np.nan, cube(), "number from 0"),
        ("noise", 1.0, np.zeros((4, 4)), "shape"),
    ],
)
def test_nonsense_is_refused(name, strength, values, message):
    with pytest.raises(ValueError, match=message):
        disturb(values, name, strength)


def test_a_cube_without_any_measurement_stays_so():
    for name in DISTURBANCES:
        assert np.isnan(disturb(np.full((4, 3, 3), np.nan), name, wavelength=WAVELENGTH[:4])).all()


def test_noise_has_the_signal_to_noise_ratio_that_is_promised():
    grey = np.full((3, 200, 200), 0.4, dtype=np.float32)
    grey[1] = 0.1
    left = disturb(grey, "noise", 2.0) - grey
    assert left.std(axis=(1, 2)) == pytest.approx([0.4 / 25, 0.1 / 25, 0.4 / 25], rel=0.02)
    assert np.abs(left.mean(axis=(1, 2))).max() < 1e-3


def test_stripes_run_along_the_flight_and_differ_between_columns_and_bands():
    left = disturb(np.full((4, 50, 60), 0.5, dtype=np.float32), "striping") - 0.5
    assert np.ptp(left, axis=1).max() < 1e-6
    assert left[:, 0].std() == pytest.approx(0.5 * np.hypot(0.03, 0.01), rel=0.2)
    assert abs(np.corrcoef(left[0, 0], left[1, 0])[0, 1]) < 0.5


def test_dead_bands_are_as_many_as_promised_and_say_nothing():
    given = cube()
    changed = disturb(given, "dead-bands", 2.0, seed=5)
    dead = [band for band in range(40) if not np.array_equal(changed[band], given[band], equal_nan=True)]
    assert len(dead) == round(2 * 0.03 * 40)
    assert {float(np.ptp(changed[band][np.isfinite(changed[band])])) for band in dead} == {0.0}


def test_missing_bands_are_one_run_of_zeros():
    changed = disturb(cube(), "missing-bands", 1.0, seed=2)
    gone = np.flatnonzero(np.nanmax(np.abs(changed), axis=(1, 2)) == 0)
    assert len(gone) == 4
    assert np.array_equal(np.diff(gone), [1, 1, 1])


def test_haze_over_black_ground_falls_off_with_the_wavelength():
    black = np.zeros((2, 5, 5), dtype=np.float32)
    path = disturb(black, "gain-haze", 3.0, wavelength=np.array([550.0, 1100.0]))
    assert path[:, 0, 0] == pytest.approx([0.06, 0.03], rel=1e-5)


def test_a_shift_of_bands_reads_a_smooth_spectrum_where_the_bands_have_gone():
    curve = np.polynomial.Polynomial([0.3, 2e-4, -3e-7, 1e-10])
    given = np.broadcast_to(curve(WAVELENGTH)[:, None, None], (40, 2, 3)).astype(np.float32)
    for seed in range(4):
        changed = disturb(given, "band-shift", 3.0, wavelength=WAVELENGTH, seed=seed)[:, 1, 2]
        expected = [curve(WAVELENGTH + step) for step in (3.0, -3.0)]  # a cubic is interpolated exactly
        assert min(np.abs(changed - wanted).max() for wanted in expected) < 1e-6


def test_bands_are_interpolated_neither_across_a_gap_nor_between_two_spectrometers():
    centres = np.array([400.0, 410, 420, 430, 425, 435, 445, 455, 700, 710, 720])
    weights = interpolation_weights(centres, centres + 2.0)
    groups = np.array([0] * 4 + [1] * 4 + [2] * 3)
    assert not weights[groups[:, None] != groups].any()
    assert weights.sum(axis=1) == pytest.approx(np.ones(11))
    assert weights @ centres == pytest.approx(centres + 2.0)


def test_a_scene_of_one_band_and_one_pixel_can_be_disturbed():
    for name in DISTURBANCES:
        assert disturb(np.full((1, 1, 1), 0.2), name, wavelength=np.array([650.0])).shape == (1, 1, 1)
