"""Folds of cross-validation: who is left out, and with whom."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.folds import grouped_folds, stratified_folds

labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(labels, st.integers(0, 99))
def test_no_group_is_divided_and_no_class_is_without_a_pixel_to_fit_on(pixels, seed):
    targets, groups = np.array(pixels).T
    folds = grouped_folds(targets, groups, seed)
    left_out = [index for _, part in folds for index in part]
    assert len(left_out) == len(set(left_out))
    for kept, part in folds:
        assert len(part)
        assert sorted([*kept, *part]) == list(range(len(pixels)))
        assert not set(groups[kept]) & set(groups[part])
        assert set(targets[kept]) == set(targets)


@settings(max_examples=100, deadline=None)
@given(labels, st.integers(0, 99))
def test_with_a_class_per_group_all_pixels_but_those_of_a_class_in_one_group_are_left_out_once(pixels, seed):
    targets, number = np.array(pixels).T
    groups = 10 * targets + number
    left_out = sorted(index for _, part in grouped_folds(targets, groups, seed) for index in part)
    several = [len(set(groups[targets == k])) > 1 for k in targets]
    assert left_out == np.flatnonzero(several).tolist()


def test_single_pixels_of_every_class_are_spread_evenly_over_five_folds_that_the_seed_decides():
    targets = np.repeat([0, 1, 2], [50, 12, 3])
    first, again, other = (grouped_folds(targets, np.arange(65), seed) for seed in (1, 1, 2))
    counts = np.array([np.bincount(targets[part], minlength=3) for _, part in first])
    assert len(counts) == 5
    assert (np.ptp(counts, axis=0) <= 1).all()
    parts = [[part.tolist() for _, part in folds] for folds in (first, again, other)]
    assert parts[0] == parts[1] != parts[2]


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


def test_a_class_in_a_single_group_keeps_that_group_and_all_that_lies_in_it():
    """Polygon 0 holds a class of its own beside pixels of another class, which has two more polygons."""
    targets = np.array([7, 7, 2, 2, 2, 2, 2, 2])
    groups = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    left_out = [part.tolist() for _, part in grouped_folds(targets, groups, 0)]
    assert sorted(left_out) == [[4, 5], [6, 7]]


def test_classes_may_share_their_polygons_and_where_none_has_two_of_them_nothing_is_left_out():
    both = grouped_folds(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 0)
    assert sorted(part.tolist() for _, part in both) == [[0, 1], [2, 3]]
    assert grouped_folds(np.array([0, 1, 1]), np.array([0, 0, 0]), 0) == []
    assert grouped_folds(np.array([0, 1]), np.array([0, 1]), 0) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=25), st.integers(0, 99))
def test_polygons_of_a_class_are_dealt_to_the_emptiest_fold_large_ones_first(sizes, seed):
    """The greedy rule of longest processing time (Graham 1969), here by a loop over sizes alone."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    folds = grouped_folds(np.zeros(len(groups), np.int64), groups, seed)
    loads = [0] * 5
    for size in sorted(sizes, reverse=True):
        loads[loads.index(min(loads))] += size
    assert sorted(len(part) for _, part in folds) == sorted(load for load in loads if load)


def test_names_of_classes_and_groups_do_not_matter():
    rng = np.random.default_rng(0)
    targets, groups = rng.integers(0, 3, 60), rng.integers(0, 20, 60)
    first = grouped_folds(targets, groups, 4)
    again = grouped_folds(10 * targets - 5, 1000 + 7 * groups, 4)
    assert [part.tolist() for _, part in first] == [part.tolist() for _, part in again]
