"""Weights that take any sensor's bands to one grid of wavelengths."""

import numpy as np
import pytest

from hsiattn.datasets.sensors import sensor, sensor_names
from hsiattn.networks.spectral_grid import NODES, grid_weights


def bands_of(name):
    bands = sensor(name).bands()
    good = ~((bands.wavelength > 1345) & (bands.wavelength < 1455)) & (np.abs(bands.wavelength - 1880) > 85)
    return bands.wavelength[good], bands.fwhm[good]


@pytest.mark.parametrize("name", sensor_names())
def test_a_smooth_spectrum_comes_out_as_it_is_at_the_nodes_that_a_sensor_covers(name):
    centres, widths = bands_of(name)
    weights, covered = grid_weights(centres, widths)
    smooth = 0.3 + 0.1 * np.sin(centres / 300)
    expected = 0.3 + 0.1 * np.sin(NODES / 300)
    assert covered.sum() > 20
    np.testing.assert_allclose(weights[covered].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose((weights @ smooth)[covered], expected[covered], atol=0.004)
    assert not weights[~covered].any()


def test_between_far_bands_nothing_is_made_up():
    _, covered = grid_weights([500.0, 510.0, 520.0, 700.0, 710.0], [10.0] * 5)
    assert covered[np.abs(NODES - 510).argmin()]
    assert not covered[(NODES > 540) & (NODES < 690)].any()


def test_wide_bands_are_interpolated_as_numpy_does():
    centres = np.arange(440.0, 1001.0, 40.0)
    values = np.random.default_rng(0).uniform(size=len(centres))
    weights, covered = grid_weights(centres, np.full(len(centres), 40.0))
    fine = np.arange(380.0, 2501.0)
    bell = np.exp(-4 * np.log(2) * ((NODES[5] - fine) / 15) ** 2)
    expected = (bell * np.interp(fine, centres, values)).sum() / bell.sum()  # a node well inside
    assert covered[5]
    assert (weights @ values)[5] == pytest.approx(expected, abs=1e-6)


def test_the_order_of_the_bands_and_bands_at_one_centre_do_not_matter():
    rng = np.random.default_rng(1)
    centres = np.append(np.arange(430.0, 861.0, 4.0), 500.0)
    order = rng.permutation(len(centres))
    weights, covered = grid_weights(centres, np.full(len(centres), 4.0))
    again, covered_again = grid_weights(centres[order], np.full(len(centres), 4.0))
    spectrum = np.cos(centres / 90)
    np.testing.assert_array_equal(covered, covered_again)
    np.testing.assert_allclose(weights @ spectrum, again @ spectrum[order], atol=1e-5)


def test_a_single_band_reaches_half_its_width():
    _, covered = grid_weights([600.0], [80.0])
    assert NODES[covered].tolist() == [570.0, 585.0, 600.0, 615.0, 630.0]
