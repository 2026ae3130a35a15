from __future__ import annotations

import numpy as np
import pytest

from hsiattn.errors import BandError
from hsiattn.scenes import Radiometry


def test_reflectance_is_value_times_gain_plus_offset_of_each_band():
    radiometry = Radiometry(np.array([0.5, 2.0]), np.array([1.0, -1.0]))
    np.testing.assert_array_equal(radiometry.reflectance(np.array([[2, 3], [4, 5]])), [[2.0, 5.0], [3.0, 9.0]])
    assert radiometry.scale is None


@pytest.mark.parametrize("scale", [10_000, 49, 3.7, 1e-4, 1.0, 255])
def test_one_divisor_for_all_bands_is_told_and_applied_to_the_last_bit(scale):
    radiometry = Radiometry.divided_by(scale, 3)
    values = np.arange(12).reshape(4, 3)
    assert radiometry.scale == scale
    np.testing.assert_array_equal(radiometry.reflectance(values), values / scale)


def test_a_subset_keeps_each_bands_own_figures():
    radiometry = Radiometry(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]))
    chosen = radiometry.subset([2, 0])
    assert chosen == Radiometry(np.array([3.0, 1.0]), np.array([0.3, 0.1]))
    assert Radiometry.from_dict(radiometry.to_dict(), 3) == radiometry


def test_one_number_stands_for_all_bands_in_a_dictionary():
    given = Radiometry.divided_by(4, 2).to_dict()
    assert given == {"gain": 0.25, "offset": 0.0, "stated": True}
    assert Radiometry.from_dict(given, 2) == Radiometry.divided_by(4, 2)


def test_what_nobody_stated_is_not_a_scale_of_one():
    assert not Radiometry.unknown(2).stated
    assert Radiometry.unknown(2) != Radiometry.divided_by(1, 2)
    assert Radiometry.unknown(2).scale == 1.0


@pytest.mark.parametrize("gain", [0.0, np.nan, np.inf])
def test_gains_that_mean_nothing_are_refused(gain):
    with pytest.raises(BandError, match="gain"):
        Radiometry(np.array([gain]), np.array([0.0]))
