"""Splits into whole groups, and the fields of a label raster."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from hsiattn.classes import ClassTable
from hsiattn.errors import SplitError
from hsiattn.splits import GroupedPixels, connected_fields, leakage, split_labels

rasters = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3))


@st.composite
def polygons(draw, classes=3):
    """Raster of codes and of polygon ids; each class in two or more polygons of one row each."""
    owners = np.repeat(np.arange(1, classes + 1), draw(st.lists(st.integers(2, 6), min_size=classes, max_size=classes)))
    lengths = draw(st.lists(st.integers(1, 12), min_size=len(owners), max_size=len(owners)))
    inside = np.arange(12) < np.array(lengths)[:, None]
    ids = np.arange(1, len(owners) + 1)[:, None] * 7
    return np.where(inside, owners[:, None], 0), np.where(inside, ids, 0)


def _pixels(codes, ids):
    return np.argwhere(codes > 0), codes[codes > 0], ids[codes > 0]


def _one(splitter, positions, codes, groups=None):
    return next(iter(splitter.split(positions, codes, groups)))


def _flooded(codes):
    """Fields by flooding, pixel by pixel: {frozenset of positions}."""
    left = {tuple(p) for p in np.argwhere(codes > 0)}
    fields = set()
    while left:
        front = [left.pop()]
        field = set(front)
        while front:
            row, column = front.pop()
            around = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            same = {p for p in around if codes[p] == codes[row, column]}
            left -= same
            field |= same
            front += same
        fields.add(frozenset(field))
    return fields


@settings(max_examples=60, deadline=None)
@given(rasters)
def test_fields_are_what_flooding_finds(codes):
    fields = connected_fields(codes)
    numbers = np.unique(fields[fields > 0])
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    np.testing.assert_array_equal(fields > 0, codes > 0)
    assert {frozenset(map(tuple, np.argwhere(fields == number).tolist())) for number in numbers} == _flooded(codes)


def test_codes_of_fields_may_be_large_and_a_raster_may_be_empty():
    assert connected_fields(np.array([[2_000_000_000, 0, 5]])).tolist() == [[2, 0, 1]]
    assert not connected_fields(np.zeros((3, 4), dtype=np.int32)).any()


@settings(max_examples=60, deadline=None)
@given(polygons(), st.floats(0.05, 0.95), st.sampled_from([None, 1, 4, 0.5]), st.integers(0, 99))
def test_no_group_is_on_both_sides_and_every_class_is(raster, share, size, seed):
    codes, ids = raster
    positions, members, groups = _pixels(codes, ids)
    splitter = GroupedPixels(groups=ids, train_share=share, train_size=size, random_state=seed)
    training, test = _one(splitter, positions, members)
    assert not set(groups[training]) & set(groups[test])
    assert set(members[training]) == set(members[test]) == set(members)
    assert len(np.unique(training)) == len(training)
    test_groups = set(groups[test])
    np.testing.assert_array_equal(test, [k for k, group in enumerate(groups) if group in test_groups])
    for code in np.unique(members):
        available = sum(1 for k, group in enumerate(groups) if members[k] == code and group not in test_groups)
        wanted = {None: available, 1: 1, 4: min(4, available), 0.5: max(1, round(available / 2))}[size]
        assert np.sum(members[training] == code) == wanted


@settings(max_examples=30, deadline=None)
@given(polygons(), st.integers(0, 99))
def test_more_draws_never_change_the_earlier_ones(raster, seed):
    codes, ids = raster
    positions, members, _ = _pixels(codes, ids)
    few, many = (
        list(GroupedPixels(n, groups=ids, train_size=3, random_state=seed).split(positions, members)) for n in (2, 5)
    )
    for a, b in zip(few, many[:2], strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


def test_draws_differ_from_each_other_and_between_seeds():
    ids = np.kron(np.arange(1, 101).reshape(10, 10), np.ones((3, 3), dtype=int))
    codes = 1 + ids % 3
    positions = np.argwhere(codes)
    draws = list(GroupedPixels(4, groups=ids).split(positions, codes.ravel()))
    draws += list(GroupedPixels(groups=ids, random_state=1).split(positions, codes.ravel()))
    assert len({training.tobytes() for training, _ in draws}) == 5


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_training_groups_hold_about_the_wanted_share_of_every_class(share):
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(1, 301), rng.integers(1, 40, 300)).reshape(1, -1)
    codes = 1 + ids % 4
    training, _ = _one(GroupedPixels(groups=ids, train_share=share), np.argwhere(codes), codes.ravel())
    for code in range(1, 5):
        assert np.sum(codes.ravel()[training] == code) / np.sum(codes == code) == pytest.approx(share, abs=0.03)


def test_many_classes_with_two_polygons_each_are_split_all_the_same():
    """Were all groups assigned at once, both sides would have every class in one of 2^60 assignments."""
    ids = np.arange(1, 121).reshape(2, 60)
    codes = np.tile(np.arange(1, 61), (2, 1))
    training, test = _one(GroupedPixels(groups=ids), np.argwhere(ids), codes.ravel())
    assert set(codes.ravel()[training]) == set(codes.ravel()[test]) == set(range(1, 61))


def test_tiles_that_hold_several_classes_stay_whole():
    rng = np.random.default_rng(2)
    ids = np.kron(np.arange(1, 26).reshape(5, 5), np.ones((8, 8), dtype=int))
    codes = rng.integers(1, 5, ids.shape)
    training, test = _one(GroupedPixels(groups=ids, train_share=0.6), np.argwhere(ids), codes.ravel())
    assert not set(ids.ravel()[training]) & set(ids.ravel()[test])
    assert len(training) + len(test) == ids.size
    assert len(training) / ids.size == pytest.approx(0.6, abs=0.1)


def test_pixels_in_no_group_take_no_part():
    ids = np.array([[0, 1, 1, 2, 2, 0]])
    training, test = _one(GroupedPixels(groups=ids), np.argwhere(ids >= 0), np.full(6, 5))
    assert sorted([training.tolist(), test.tolist()]) == [[1, 2], [3, 4]]


def test_groups_may_be_given_to_split_as_in_scikit_learn_and_may_be_numbered_from_0():
    rng = np.random.default_rng(1)
    X, y, groups = rng.normal(size=(90, 2)), np.tile([1, 2], 45), np.arange(90) // 6
    training, test = _one(GroupedPixels(), X, y, groups)
    assert not set(groups[training]) & set(groups[test])
    assert set(groups[training]) | set(groups[test]) == set(range(15))
    scores = cross_val_score(LogisticRegression(), X, y, groups=groups, cv=GroupedPixels(3))
    assert scores.shape == (3,)


def test_a_class_in_one_field_is_named_with_the_way_out():
    codes = np.array([[1, 1, 0, 11, 0, 20, 0, 20]])
    table = ClassTable.from_records([{"code": 1, "name": "oats"}, {"code": 11, "name": "rye"}, {"code": 20}])
    splitter = GroupedPixels(groups=connected_fields(codes))
    with pytest.raises(SplitError, match=r"^class oats \(code 1\), rye \(code 11\) lies in a single") as caught:
        split_labels(codes, table, splitter, window=1)
    assert "second place" in caught.value.remedy


def test_classes_that_no_assignment_of_mixed_groups_separates_are_named():
    """Classes 1 … 40 have two tiles each that all share class 99: few random assignments part all of them."""
    codes = np.concatenate([np.tile(np.arange(1, 41), 2), np.full(80, 99)])
    groups = np.tile(np.arange(80), 2)
    with pytest.raises(SplitError, match=r"^class \d+.* cannot be on both sides of a split into whole groups"):
        _one(GroupedPixels(), np.zeros((160, 2), dtype=int), codes, groups)


def test_a_class_outside_all_groups_is_named():
    ids = np.array([[1, 2, 0]])
    with pytest.raises(SplitError, match="class 7 has no pixel in any group"):
        _one(GroupedPixels(groups=ids), np.argwhere(ids >= 0), np.array([5, 5, 7]))


@pytest.mark.parametrize(
    ("groups", "given"),
    [(None, None), (None, np.arange(3)), (np.ones((2, 2)), None), (np.ones(5), None)],
    ids=["none", "too few", "small raster", "no raster"],
)
def test_groups_that_do_not_fit_the_pixels_are_refused(groups, given):
    with pytest.raises(SplitError, match="group"):
        _one(GroupedPixels(groups=groups), np.argwhere(np.ones((1, 5))), np.ones(5), given)


@pytest.mark.parametrize("share", [0, 1, -0.2, 3])
def test_a_share_beyond_reason_is_refused(share):
    with pytest.raises(SplitError, match="share of groups"):
        GroupedPixels(train_share=share)


def test_the_record_counts_groups_instead_of_listing_them():
    codes = np.kron(np.array([[1, 0, 1], [0, 0, 0], [2, 0, 2]]), np.ones((4, 4), dtype=int))
    fields = connected_fields(codes)
    split = split_labels(codes, ClassTable.from_codes([1, 2]), GroupedPixels(groups=codes * 5 + fields), window=9)
    assert json.loads(json.dumps(split.record)) == split.record
    assert split.record["groups"]["number"] == len(np.unique((codes * 5 + fields)[codes > 0]))
    expected = hashlib.sha256(b"".join(int(v).to_bytes(8, "little") for v in (codes * 5 + fields).flat)).hexdigest()
    assert split.record["groups"]["sha256"] == expected
    assert "polygons" in split.record["in_words"]
    assert GroupedPixels().describe()["groups"] is None


def test_polygons_that_touch_leak_and_the_figure_says_so():
    codes = np.ones((4, 8), dtype=int)
    ids = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 4, axis=0)
    split = split_labels(codes, ClassTable.from_codes([1]), GroupedPixels(groups=ids), window=3)
    fitted = split.mask("training") | split.mask("validation")
    assert split.record["leakage"] == leakage(fitted, split.mask("test"), 3) == 0.25
