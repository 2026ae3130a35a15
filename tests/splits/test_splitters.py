"""Splits of labelled pixels, checked pixel by pixel and used as scikit-learn uses them."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from hsiattn.errors import SplitError
from hsiattn.splits import AllPixels, GroupedPixels, RandomPixels, SpatialBlocks


def _landscape(height=60, width=70, classes=3, field=7, seed=0):
    """Positions (N, 2) and codes (N,) of labelled pixels: each class in many square fields, a tenth unlabelled."""
    rng = np.random.default_rng(seed)
    fields = rng.integers(0, classes, (height // field + 1, width // field + 1))
    codes = 1 + np.kron(fields, np.ones((field, field), dtype=int))[:height, :width]
    codes[rng.random(codes.shape) < 0.1] = 0
    return np.argwhere(codes > 0), codes[codes > 0]


def _one(splitter, positions, codes):
    return next(iter(splitter.split(positions, codes)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("patch", [1, 3, 9])
def test_no_test_window_of_blocks_holds_a_training_pixel(patch, seed):
    positions, codes = _landscape()
    training, test = _one(SpatialBlocks(buffer=patch // 2, random_state=seed), positions, codes)
    rows, columns = positions[training].T
    for row, column in positions[test]:
        inside = (np.abs(rows - row) <= patch // 2) & (np.abs(columns - column) <= patch // 2)
        assert not inside.any()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.integers(0, 6), st.sampled_from([None, 0.3, 5, 20]), st.sampled_from([None, 8, 12]))
def test_blocks_keep_every_class_on_both_sides_and_no_pixel_twice(seed, buffer, size, block):
    positions, codes = _landscape(seed=seed % 5)
    training, test = _one(
        SpatialBlocks(block_size=block, buffer=buffer, train_size=size, random_state=seed), positions, codes
    )
    assert set(codes[training]) == set(codes[test]) == {1, 2, 3}
    assert np.intersect1d(training, test).size == 0
    assert len(np.unique(training)) == len(training)
    assert len(np.unique(test)) == len(test)
    distance = np.abs(positions[training][:, None] - positions[test][None]).max(axis=2)
    assert distance.min() > buffer
    if size == 20:
        assert np.bincount(codes[training]).max() <= 20


def test_blocks_hold_about_the_wanted_share_of_every_class():
    positions, codes = _landscape(120, 120)
    training, _ = _one(SpatialBlocks(block_size=12, buffer=0, train_share=0.3), positions, codes)
    for code in np.unique(codes):
        assert np.mean(codes[training] == code) == pytest.approx(np.mean(codes == code), abs=0.1)
        assert np.sum(codes[training] == code) / np.sum(codes == code) == pytest.approx(0.3, abs=0.1)


def test_training_pixels_of_blocks_do_not_depend_on_the_buffer():
    positions, codes = _landscape(100, 100)
    splits = [
        _one(SpatialBlocks(block_size=16, buffer=buffer, train_size=10), positions, codes) for buffer in (0, 2, 4)
    ]
    for training, _ in splits[1:]:
        np.testing.assert_array_equal(training, splits[0][0])
    tests = [set(test.tolist()) for _, test in splits]
    assert tests[2] < tests[1] < tests[0]


def test_without_a_buffer_no_test_pixel_is_dropped_from_the_test_blocks():
    positions, codes = _landscape()
    training, test = _one(SpatialBlocks(block_size=10, buffer=0), positions, codes)
    assert len(training) + len(test) == len(codes)


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: SpatialBlocks(buffer=2, train_size=8, **o),
        lambda **o: RandomPixels(train_size=8, **o),
        lambda **o: RandomPixels(train_size=0.1, **o),
    ],
    ids=["blocks", "counts", "shares"],
)
def test_draws_repeat_with_the_seed_and_differ_without(make):
    positions, codes = _landscape()
    first, second = (list(make(n_splits=3, random_state=4).split(positions, codes)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    drawn = {a[0].tobytes() for a in first} | {_one(make(random_state=5), positions, codes)[0].tobytes()}
    assert len(drawn) == 4
    np.testing.assert_array_equal(first[0][0], _one(make(random_state=4), positions, codes)[0])
    assert make(n_splits=3).get_n_splits(positions, codes) == 3


@given(st.integers(0, 1000), st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_random_pixels_takes_so_many_of_each_class_and_tests_on_all_others(seed, count):
    positions, codes = _landscape()
    training, test = _one(RandomPixels(train_size=count, random_state=seed), positions, codes)
    np.testing.assert_array_equal(np.bincount(codes[training])[1:], [count] * 3)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, test])), np.arange(len(codes)))


def test_random_pixels_takes_a_share_of_each_class_and_at_least_one_pixel():
    positions = np.argwhere(np.ones((15, 15)))
    codes = np.repeat([1, 2, 3], [200, 22, 3])
    training, _ = _one(RandomPixels(train_size=0.1), positions, codes)
    np.testing.assert_array_equal(np.bincount(codes[training])[1:], [20, 2, 1])


def test_all_pixels_trains_on_everything_or_on_so_many_per_class():
    positions, codes = _landscape()
    training, test = _one(AllPixels(), positions, codes)
    np.testing.assert_array_equal(training, np.arange(len(codes)))
    assert test.size == 0
    training, test = _one(AllPixels(train_size=4), positions, codes)
    np.testing.assert_array_equal(np.bincount(codes[training])[1:], [4, 4, 4])
    assert test.size == 0


@pytest.mark.parametrize("splitter", [RandomPixels(3, train_size=0.5), SpatialBlocks(3, buffer=0)])
def test_scikit_learn_cross_validates_with_a_splitter_on_positions(splitter):
    positions, codes = _landscape()
    scores = cross_val_score(LogisticRegression(max_iter=500), positions, codes, cv=splitter)
    assert scores.shape == (3,)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_scikit_learn_sees_the_spectra_of_the_very_pixels_that_a_splitter_chose():
    """With `split(positions)` given as pairs, the features may be spectra instead of positions."""
    positions, codes = _landscape()
    spectra = np.eye(4)[codes]
    pairs = list(RandomPixels(2, train_size=10).split(positions, codes))
    assert cross_val_score(clone(LogisticRegression()), spectra, codes, cv=pairs).tolist() == [1.0, 1.0]


def test_a_class_with_too_few_pixels_is_named_with_the_way_out():
    positions = np.argwhere(np.ones((4, 5)))
    codes = np.repeat([1, 11], [17, 3])
    with pytest.raises(SplitError, match=r"class 11 has 3 labelled pixels.*3 for training") as caught:
        _one(RandomPixels(train_size=3), positions, codes)
    assert "fewer" in caught.value.remedy


def test_a_class_in_one_place_is_named_with_the_way_out():
    codes = np.ones((60, 60), dtype=int)
    codes[30, 30] = 7
    with pytest.raises(SplitError, match="class 7 ") as caught:
        _one(SpatialBlocks(block_size=10, buffer=0), np.argwhere(codes > 0), codes.ravel())
    assert 'split="random"' in caught.value.remedy


def test_a_class_that_the_buffer_swallows_is_named_with_the_way_out():
    codes = np.ones((40, 40), dtype=int)
    codes[19:21, :] = 2
    with pytest.raises(SplitError, match=r"class 1, 2 keeps no test pixel outside the buffer of 39 pixels") as caught:
        _one(SpatialBlocks(block_size=8, buffer=39), np.argwhere(codes > 0), codes.ravel())
    assert "buffer=" in caught.value.remedy


@pytest.mark.parametrize("share", [0, 1, -0.2, 3])
def test_a_share_beyond_reason_is_refused(share):
    with pytest.raises(SplitError, match="share"):
        SpatialBlocks(train_share=share)


def test_a_splitter_describes_itself_for_the_record():
    described = SpatialBlocks(2, block_size=12, buffer=3, random_state=9).describe()
    assert described["method"] == "SpatialBlocks"
    assert (described["block_size"], described["buffer"], described["random_state"]) == (12, 3, 9)


def test_a_splitter_shows_its_parameters():
    assert repr(SpatialBlocks(block_size=16, buffer=2)) == (
        "SpatialBlocks(n_splits=1, block_size=16, buffer=2, train_share=0.5, train_size=None, random_state=0)"
    )
    assert repr(AllPixels(train_size=3)) == "AllPixels(train_size=3, random_state=0)"
    assert "groups=<array 60 × 50>" in repr(GroupedPixels(groups=np.zeros((60, 50))))
