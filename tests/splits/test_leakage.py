import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsiattn.splits import leakage, near

masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.booleans())


def _near_by_loops(mask, distance):
    height, width = mask.shape
    result = np.zeros_like(mask)
    for i in range(height):
        for j in range(width):
            for a in range(max(0, i - distance), min(height, i + distance + 1)):
                for b in range(max(0, j - distance), min(width, j + distance + 1)):
                    result[i, j] |= mask[a, b]
    return result


@given(masks, st.integers(0, 4))
def test_near_is_the_union_of_squares_around_the_pixels(mask, distance):
    np.testing.assert_array_equal(near(mask, distance), _near_by_loops(mask, distance))


@given(masks, st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 5, 7]))
def test_leakage_is_the_share_of_test_windows_with_a_training_pixel(training, seed, window):
    test = np.random.default_rng(seed).random(training.shape) < 0.4
    radius, seen = window // 2, []
    for i, j in np.argwhere(test):
        seen.append(training[max(0, i - radius) : i + radius + 1, max(0, j - radius) : j + radius + 1].any())
    if seen:
        assert leakage(training, test, window) == pytest.approx(np.mean(seen))
    else:
        assert np.isnan(leakage(training, test, window))


def test_leakage_takes_masks_of_numbers():
    assert leakage(np.array([[1, 0, 0]]), np.array([[0, 7, 7]]), 3) == 0.5


def test_near_does_not_change_its_argument():
    mask = np.eye(3, dtype=bool)
    near(mask, 0)[:] = True
    near(mask, 1)[:] = True
    np.testing.assert_array_equal(mask, np.eye(3, dtype=bool))
