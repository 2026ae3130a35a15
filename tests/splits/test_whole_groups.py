"""Polygons stay whole where blocks divide the scene."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.classes import ClassTable
from hsiattn.errors import SplitError
from hsiattn.splits import ROLES, RandomPixels, SpatialBlocks, split_labels
from hsiattn.splits.whole_groups import keep_groups_whole


def _polygons(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes and ids of 60 polygons of 2 × 5 pixels, of three classes."""
    rng = np.random.default_rng(seed)
    codes, ids = np.zeros((60, 60), int), np.zeros((60, 60), int)
    for number, place in enumerate(rng.permutation(240)[:60], start=1):
        row, column = divmod(int(place), 12)
        at = (slice(3 * row, 3 * row + 2), slice(5 * column, 5 * column + 5))
        codes[at], ids[at] = number % 3 + 1, number
    return codes, ids


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("train_size", [None, 12])
def test_no_polygon_has_training_and_test_pixels_under_blocks(seed: int, train_size: int | None) -> None:
    codes, ids = _polygons(seed)
    splitter = SpatialBlocks(buffer=2, train_size=train_size, random_state=seed)
    split = split_labels(codes, ClassTable.from_codes([1, 2, 3]), splitter, window=5, groups=ids)
    fitted = np.isin(split.roles, (ROLES["training"], ROLES["validation"]))
    trained, tested = set(ids[fitted].tolist()), set(ids[split.mask("test")].tolist())
    assert trained
    assert tested
    assert not trained & tested
    assert split.record["polygons"] == {"number": 60, "training": len(trained), "test": len(tested), "divided": 0}
    assert set(codes[split.mask("test")].tolist()) == {1, 2, 3}
    without = split_labels(codes, ClassTable.from_codes([1, 2, 3]), splitter, window=5)
    assert "polygons" not in without.record
    assert not split.mask("test")[~without.mask("test")].any()


def test_random_pixels_divide_polygons_and_the_record_says_how_many() -> None:
    codes, ids = _polygons(1)
    split = split_labels(codes, ClassTable.from_codes([1, 2, 3]), RandomPixels(train_size=20), window=5, groups=ids)
    fitted = np.isin(split.roles, (ROLES["training"], ROLES["validation"]))
    divided = set(ids[fitted].tolist()) & set(ids[split.mask("test")].tolist())
    assert split.record["polygons"]["divided"] == len(divided) > 0


def test_a_polygon_tests_where_its_class_would_have_no_test_pixel_left() -> None:
    ids = np.array([1, 1, 2, 2, 3, 0])
    members = np.array([5, 5, 5, 5, 6, 6])
    training, test = keep_groups_whole(np.array([0, 2, 4]), np.array([1, 3, 5]), members, ids)
    assert (training.tolist(), test.tolist()) in (([2, 4], [1, 5]), ([0, 4], [3, 5]))
    alone = np.array([1, 1, 1, 1, 3, 0])
    with pytest.raises(SplitError, match="class 5 lies in polygons of which each has pixels on both sides"):
        keep_groups_whole(np.array([0, 2, 4]), np.array([1, 3, 5]), members, alone)


def test_pixels_in_no_polygon_stay_where_they_are() -> None:
    training, test = np.array([0, 2]), np.array([1, 3])
    kept = keep_groups_whole(training, test, np.array([5, 5, 6, 6]), np.zeros(4, int))
    np.testing.assert_array_equal(kept[0], training)
    np.testing.assert_array_equal(kept[1], test)
