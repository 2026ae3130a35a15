"""Groups of labelled pixels: given polygons, connected pixels, compact parts of large components."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial.distance import cdist

from hsiattn.errors import SplitError
from hsiattn.folds import FOLDS, grouped_folds
from hsiattn.splits import connected_fields, connected_pixels, folds_across_groups, label_groups

rasters = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3))


def _pixels(codes):
    return np.argwhere(codes), codes[codes > 0].astype(int)


def _same_partition(one, other):
    pairs = np.unique(np.stack([one, other]), axis=1)
    return len(pairs[0]) == len(np.unique(one)) == len(np.unique(other))


def _groups_per_class(groups, targets):
    return [len(np.unique(groups[targets == k])) for k in np.unique(targets)]


@settings(max_examples=60, deadline=None)
@given(rasters)
def test_connected_pixels_are_the_connected_fields_of_the_raster(codes):
    components = connected_pixels(*_pixels(codes))
    assert _same_partition(components, connected_fields(codes)[codes > 0])


@settings(max_examples=60, deadline=None)
@given(rasters, st.integers(0, 2**31), st.booleans())
def test_the_order_of_the_pixels_does_not_matter(codes, seed, with_polygons):
    positions, targets = _pixels(codes)
    rng = np.random.default_rng(seed)
    ids = rng.integers(-1, 4, len(targets)) if with_polygons else None
    order = rng.permutation(len(targets))
    shuffled = label_groups(positions[order], targets[order], None if ids is None else ids[order])
    assert (shuffled == label_groups(positions, targets, ids)[order]).all()


@settings(max_examples=60, deadline=None)
@given(rasters, st.integers(0, 2**31))
def test_numbers_are_consecutive_in_raster_order_of_first_pixels(codes, seed):
    positions, targets = _pixels(codes)
    groups = label_groups(positions, targets, np.random.default_rng(seed).integers(-1, 4, len(targets)))
    seen = list(dict.fromkeys(groups.tolist()))
    assert seen == list(range(len(seen)))


@settings(max_examples=60, deadline=None)
@given(rasters, st.integers(0, 2**31))
def test_given_polygons_win_and_other_pixels_share_a_group_only_within_their_class(codes, seed):
    positions, targets = _pixels(codes)
    ids = np.random.default_rng(seed).integers(-1, 4, len(targets))
    groups = label_groups(positions, targets, ids)
    polygon = ids > 0
    assert _same_partition(groups[polygon], ids[polygon])
    assert not set(groups[polygon]) & set(groups[~polygon])
    assert all(len(np.unique(targets[~polygon & (groups == g)])) == 1 for g in np.unique(groups[~polygon]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 60))
def test_pixels_that_do_not_touch_are_a_group_each(seed, count):
    rng = np.random.default_rng(seed)
    cells = rng.choice(400, count, replace=False)
    positions = np.stack(np.divmod(cells, 20), axis=1) * 2 + rng.integers(0, 1000)
    groups = label_groups(positions, rng.integers(0, 4, count))
    assert len(np.unique(groups)) == count


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30))
def test_a_class_in_one_component_has_as_many_groups_as_folds(height, width):
    positions = np.argwhere(np.ones((height, width)))
    sizes = np.bincount(label_groups(positions, np.zeros(len(positions), int)))
    assert len(sizes) == min(FOLDS, height * width)
    assert sizes.max() - sizes.min() <= 3


def test_parts_of_a_component_are_compact():
    positions = np.argwhere(np.ones((8, 40)))
    groups = label_groups(positions, np.zeros(len(positions), int))
    assert [np.ptp(positions[groups == g], axis=0).tolist() for g in range(FOLDS)] == [[7, 7]] * FOLDS


def test_a_few_small_polygons_are_not_cut():
    codes = np.zeros((30, 30), int)
    codes[2:9, 2:9] = codes[15:25, 15:25] = 4
    positions, targets = _pixels(codes)
    assert len(np.unique(label_groups(positions, targets))) == 2


def test_large_fields_are_cut_where_they_are_fewer_than_folds_or_outweigh_the_others():
    codes = np.zeros((200, 60), int)
    codes[:30, :30], codes[40:60, :30] = 1, 1
    codes[70:100], codes[110:120:2, :10:2] = 2, 2
    positions, targets = _pixels(codes)
    groups = label_groups(positions, targets)
    fields = connected_pixels(positions, targets)
    assert _groups_per_class(fields, targets) == [2, 26]
    assert _groups_per_class(groups, targets) == [5, 25 + 3]
    assert all(len(np.unique(fields[groups == g])) == 1 for g in np.unique(groups))


def test_fields_of_like_size_are_kept_whole_where_there_are_enough():
    codes = np.zeros((20, 200), int)
    for left in range(0, 200, 33):
        codes[:, left : left + 20] = 1
    positions, targets = _pixels(codes)
    assert _same_partition(label_groups(positions, targets), connected_pixels(positions, targets))


def test_given_polygons_are_never_cut():
    positions = np.argwhere(np.ones((40, 40)))
    groups = label_groups(positions, np.zeros(1600, int), np.full(1600, 7))
    assert (groups == 0).all()


def test_no_pixels_are_no_groups():
    assert label_groups(np.empty((0, 2), int), np.empty(0, int)).shape == (0,)


def test_pixels_of_a_large_scene_need_no_raster_of_it():
    positions = np.array([[0, 0], [10**8, 10**8], [10**8 + 1, 10**8 + 1]])
    assert label_groups(positions, np.array([1, 1, 1])).tolist() == [0, 1, 1]


def test_ids_of_another_number_of_pixels_are_refused():
    with pytest.raises(SplitError, match="3 labelled pixels"):
        label_groups(np.zeros((3, 2), int), np.zeros(3, int), np.zeros(4, int))


@settings(max_examples=60, deadline=None)
@given(rasters, st.integers(0, 99), st.integers(1, 4))
def test_pixels_to_fit_on_are_more_than_two_rows_or_columns_from_the_left_out_part_of_their_field(codes, seed, side):
    """Fields cut into squares, and the buffer by all distances; none where no pixel of a class is so far away."""
    positions, targets = _pixels(codes)
    fields = connected_pixels(positions, targets)
    _, groups = np.unique(np.column_stack([fields, positions // side]), axis=0, return_inverse=True)
    buffered = folds_across_groups(positions, targets, groups.ravel(), seed)
    plain = grouped_folds(targets, groups.ravel(), seed)
    assert len(buffered) == len(plain)
    for (kept, left_out), (all_others, same) in zip(buffered, plain, strict=True):
        np.testing.assert_array_equal(left_out, same)
        near = cdist(positions[all_others], positions[left_out], "chebyshev") <= 2
        near &= fields[all_others][:, None] == fields[left_out]
        far = all_others[~near.any(axis=1)]
        lost = np.isin(targets[all_others], targets[far], invert=True)
        np.testing.assert_array_equal(kept, np.sort(np.concatenate([far, all_others[lost]])))
        assert set(targets[kept]) == set(targets)


def test_groups_that_are_whole_fields_need_no_buffer():
    positions = np.array([[0, 0], [0, 1], [0, 3], [0, 4], [2, 0], [2, 2]])
    targets, groups = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 3])
    folds = folds_across_groups(positions, targets, groups, 1)
    assert all(len(kept) + len(left_out) == 6 for kept, left_out in folds)
    assert sorted(pixel for _, left_out in folds for pixel in left_out) == list(range(6))
