"""Border pixels against a loop over every pixel's window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from hsiattn.assessment import border_pixels

label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.int32, np.int64]),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    elements=st.sampled_from([0, 0, 1, 2, 7, 100]),
)


def looped(codes: NDArray[np.integer], reach: int) -> NDArray[np.bool_]:
    """The definition, pixel by pixel."""
    height, width = codes.shape
    found = np.zeros(codes.shape, dtype=bool)
    for row in range(height):
        for column in range(width):
            for y in range(max(0, row - reach), min(height, row + reach + 1)):
                for x in range(max(0, column - reach), min(width, column + reach + 1)):
                    own, other = codes[row, column], codes[y, x]
                    found[row, column] |= bool(own != 0 and other != 0 and own != other)
    return found


@given(codes=label_maps, reach=st.integers(1, 12))
def test_border_pixels_are_those_that_a_loop_over_every_window_finds(codes: NDArray[np.integer], reach: int) -> None:
    borders = border_pixels(codes, reach=reach)
    assert borders.dtype == np.bool_
    np.testing.assert_array_equal(borders, looped(codes, reach))


@given(codes=label_maps, reach=st.integers(1, 4))
def test_borders_do_not_depend_on_how_classes_are_numbered(codes: NDArray[np.integer], reach: int) -> None:
    renumbered = codes.astype(np.int64) * -(2**40)
    np.testing.assert_array_equal(border_pixels(renumbered, reach=reach), border_pixels(codes, reach=reach))


def test_classes_that_touch_at_a_corner_border_on_each_other() -> None:
    assert border_pixels(np.array([[1, 0], [0, 2]])).tolist() == [[True, False], [False, True]]


def test_a_gap_without_labels_counts_as_distance() -> None:
    codes = np.array([[4, 4, 0, 0, 9, 9]])
    assert not border_pixels(codes, reach=2).any()
    assert border_pixels(codes, reach=3).tolist() == [[False, True, False, False, True, False]]


@pytest.mark.parametrize("codes", [np.zeros((3, 4), int), np.full((3, 4), 5), np.zeros((0, 4), int)])
def test_without_a_second_class_there_is_no_border(codes: NDArray[np.integer]) -> None:
    assert not border_pixels(codes).any()


def test_codes_too_large_for_floating_point_are_told_apart() -> None:
    assert border_pixels(np.array([[2**63 - 1, 2**63 - 2]])).all()
    assert border_pixels(np.array([[2**64 - 1, 2**64 - 2]], dtype=np.uint64)).all()
    assert border_pixels(np.array([[-(2**63), 1 - 2**63]])).all()


@pytest.mark.parametrize("codes", [np.array([1, 2]), np.ones((2, 2, 2), int), np.ones((2, 2)), np.ones((2, 2), bool)])
def test_what_is_no_label_raster_is_refused(codes: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match="whole numbers in two dimensions"):
        border_pixels(codes)


@pytest.mark.parametrize("reach", [0, -1])
def test_a_reach_below_one_is_refused(reach: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        border_pixels(np.array([[1, 2]]), reach=reach)
