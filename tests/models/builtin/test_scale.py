"""The divisor of values of a scene that does not say how they become reflectance."""

import numpy as np
import pytest

from hsiattn.models.builtin.scale import guess_scale

LAND = np.random.default_rng(0).uniform(0.02, 0.45, (500, 30))


@pytest.mark.parametrize("brightness", [0.2, 1.0, 2.0])
@pytest.mark.parametrize(("factor", "whole"), [(1, False), (100, False), (10_000, False), (10_000, True)])
def test_the_usual_conventions_are_told_apart(factor, whole, brightness):
    stored = LAND * brightness * factor
    guess = guess_scale(np.round(stored) if whole else stored, whole_numbers=whole)
    assert guess.conventional
    assert guess.divisor == factor


def test_values_of_no_convention_are_made_as_bright_as_land():
    stored = LAND * 60_000
    guess = guess_scale(stored, whole_numbers=True)
    assert not guess.conventional
    assert 0.2 < np.quantile(stored.mean(axis=1), 0.95) / guess.divisor < 0.5


def test_nothing_and_zeros_are_left_alone():
    assert guess_scale(np.empty((0, 5)), whole_numbers=True).divisor == 1.0
    assert guess_scale(np.zeros((9, 5)), whole_numbers=False).divisor == 1.0
