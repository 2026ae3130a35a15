"""Folds of cross-validation: who is left out, and with whom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.folds import folds_of_classes, stratified_folds


@given(st.lists(st.integers(0, 4), max_size=40), st.sampled_from([None, (0, 1)]))
def test_every_pixel_but_the_only_one_of_a_class_is_left_out_once(classes, seed):
    targets = np.array(classes, dtype=np.int64)
    folds = list(folds_of_classes(targets, seed))
    left_out = sorted(index for _, part in folds for index in part)
    assert left_out == [index for index, k in enumerate(classes) if classes.count(k) > 1]
    for kept, part in folds:
        assert len(part)
        assert sorted([*kept, *part]) == list(range(len(classes)))


@pytest.mark.parametrize("seed", [None, (3, 0)])
def test_every_class_is_spread_evenly_over_five_folds(seed):
    targets = np.repeat([0, 1, 2], [50, 12, 3])
    counts = np.array([np.bincount(targets[part], minlength=3) for _, part in folds_of_classes(targets, seed)])
    assert len(counts) == 5
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert counts[:, 0].tolist() == [10] * 5


def test_without_a_seed_pixels_that_follow_one_another_are_left_out_together():
    targets = np.arange(60) % 2
    for _, part in folds_of_classes(targets):
        assert part.tolist() == list(range(part[0], part[0] + 12))


def test_a_seed_decides_random_folds():
    targets = np.arange(60) % 2
    first, again, other = ([part.tolist() for _, part in folds_of_classes(targets, (s, 0))] for s in (1, 1, 2))
    assert first == again != other
    assert all(part != list(range(part[0], part[0] + 12)) for part in first)


def test_the_smallest_class_of_two_or_more_limits_the_folds_and_single_pixels_always_train():
    targets = np.array([0] * 9 + [1] * 3 + [2] + [3] * 7)
    folds = stratified_folds(targets, 0)
    assert len(folds) == 3
    assert sorted(np.concatenate([left_out for _, left_out in folds])) == [i for i in range(20) if i != 12]
    for kept, left_out in folds:
        assert 12 in kept
        assert set(kept) | set(left_out) == set(range(20))
        assert not set(kept) & set(left_out)
        assert set(targets[left_out]) == {0, 1, 3}


def test_there_are_at_most_five_folds():
    assert len(stratified_folds(np.arange(60) % 2, 0)) == 5
