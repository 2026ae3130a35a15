"""Groups that validate: whole ones, about the share of every class, and never the last that trains."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.splits.validation import validation_groups

shares = st.floats(0.01, 0.99)


def _drawn(targets, rng):
    return [rng.permutation(np.flatnonzero(targets == k)) for k in np.unique(targets)]


def _wanted(count, share):
    return min(max(1, round(share * count)), count - 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 2**31), shares)
def test_a_class_with_groups_of_its_own_comes_as_near_to_its_share_as_one_group_more_can(count, most, seed, share):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, count)
    groups = 100 * targets + rng.integers(0, most, count)
    aside = validation_groups(_drawn(targets, rng), groups, share)
    for k in np.unique(targets):
        names, sizes = np.unique(groups[targets == k], return_counts=True)
        taken = np.isin(names, aside)
        assert not taken.all()
        if len(names) == 1:
            continue
        assert taken.any()
        held, wanted = sizes[taken].sum(), _wanted(sizes.sum(), share)
        if taken.sum() == 1 and held - wanted >= wanted:
            assert held == sizes.min()  # no group is small enough
        elif (~taken).sum() > 1:
            assert (np.abs(held + sizes[~taken] - wanted) >= abs(held - wanted)).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 2**31), shares)
def test_polygons_of_several_classes_leave_every_class_something_to_train_on(count, most, seed, share):
    rng = np.random.default_rng(seed)
    targets, groups = rng.integers(0, 3, count), rng.integers(0, most, count)
    aside = validation_groups(_drawn(targets, rng), groups, share)
    assert len(set(aside.tolist())) == len(aside)
    for k in np.unique(targets):
        assert not np.isin(groups[targets == k], aside).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**31), shares)
def test_of_single_pixels_the_first_drawn_of_every_class_validate(count, seed, share):
    rng = np.random.default_rng(seed)
    drawn = _drawn(rng.integers(0, 3, count), rng)
    first = [pixels[: _wanted(len(pixels), share)] for pixels in drawn]
    aside = validation_groups(drawn, np.arange(count), share)
    np.testing.assert_array_equal(aside, np.sort(np.concatenate(first)))


def test_a_polygon_that_validates_for_one_class_counts_for_the_others_in_it():
    groups = np.array([0, 0, 1, 2, 0, 0, 3, 4])  # two classes share polygon 0
    aside = validation_groups([np.arange(4), np.arange(4, 8)], groups, share=0.5)
    np.testing.assert_array_equal(aside, [0])
