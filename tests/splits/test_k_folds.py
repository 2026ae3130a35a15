"""Folds of blocks and polygons, checked pixel by pixel, and all splitters in scikit-learn's own tools."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, cross_validate

from hsiattn.classes import ClassTable
from hsiattn.errors import SplitError
from hsiattn.splits import (
    AllPixels,
    DrawnPolygons,
    GroupedPixels,
    PolygonKFold,
    RandomPixels,
    SpatialBlocks,
    SpatialKFold,
    connected_fields,
    split_labels,
)


@pytest.fixture(scope="module")
def labels():
    """Codes (H, W) of three classes in many square fields, a tenth unlabelled."""
    rng = np.random.default_rng(3)
    codes = np.kron(rng.integers(1, 4, (9, 9)), np.ones((7, 7), int))
    codes[rng.random(codes.shape) < 0.1] = 0
    return codes


@pytest.fixture(scope="module")
def pixels(labels):
    """Spectra (N, 20), codes (N,) and positions (N, 2)."""
    y = labels[labels > 0]
    return np.random.default_rng(0).normal(y[:, None], 0.5, (len(y), 20)), y, np.argwhere(labels)


FOREST = RandomForestClassifier(8, random_state=0)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 6), st.integers(0, 3), st.sampled_from([None, 5, 8]), st.integers(0, 50))
def test_each_pixel_is_tested_once_and_training_keeps_its_distance(labels, n_splits, buffer, block_size, seed):
    positions, y = np.argwhere(labels), labels[labels > 0]
    splitter = SpatialKFold(n_splits, buffer=buffer, block_size=block_size, random_state=seed)
    folds = list(splitter.split(positions, y))
    assert len(folds) == splitter.get_n_splits() == n_splits
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(y)))
    for training, test in folds:
        near = cdist(positions[training], positions[test], "chebyshev").min(axis=1)
        assert near.min() > buffer
        rest = np.setdiff1d(np.arange(len(y)), test)
        distance = cdist(positions[rest], positions[test], "chebyshev").min(axis=1)
        np.testing.assert_array_equal(training, rest[distance > buffer])  # no pixel is dropped for nothing
        assert set(y[training]) == {1, 2, 3}


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 6), st.integers(0, 50))
def test_folds_of_polygons_divide_none_and_test_each_pixel_once(labels, n_splits, seed):
    fields = connected_fields(labels)
    positions, y, ids = np.argwhere(labels), labels[labels > 0], fields[labels > 0]
    by_raster = list(PolygonKFold(n_splits, groups=fields, random_state=seed).split(positions, y))
    by_ids = list(PolygonKFold(n_splits, random_state=seed).split(positions, y, groups=ids))
    for (training, test), (training_too, test_too) in zip(by_raster, by_ids, strict=True):
        assert not set(ids[training]) & set(ids[test])
        assert len(training) + len(test) == len(y)
        assert set(y[training]) == {1, 2, 3}
        np.testing.assert_array_equal(training, training_too)
        np.testing.assert_array_equal(test, test_too)
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in by_ids])), np.arange(len(y)))


def test_pixels_in_no_polygon_take_no_part(labels):
    fields = np.where(connected_fields(labels) % 3, connected_fields(labels), 0)
    positions, y = np.argwhere(labels), labels[labels > 0]
    tested = np.concatenate([test for _, test in PolygonKFold(3, groups=fields).split(positions, y)])
    np.testing.assert_array_equal(np.sort(tested), np.flatnonzero(fields[labels > 0]))


def test_folds_repeat_with_the_seed_and_differ_without(pixels):
    X, y, positions = pixels
    first, again, other = (
        [test.tobytes() for _, test in SpatialKFold(3, buffer=1, random_state=seed).split(X, y, positions)]
        for seed in (0, 0, 1)
    )
    assert first == again != other


PLACED = [
    SpatialBlocks(3, buffer=2),
    SpatialKFold(3, buffer=2),
    RandomPixels(3, train_size=20),
    DrawnPolygons(3, buffer=2),
]


@pytest.mark.parametrize("splitter", PLACED, ids=repr)
def test_cross_val_score_takes_positions_as_groups(splitter, pixels):
    X, y, positions = pixels
    scores = cross_val_score(RandomForestClassifier(8, random_state=0), X, y, groups=positions, cv=splitter)
    by_hand = [
        clone(FOREST).fit(X[training], y[training]).score(X[test], y[test])
        for training, test in splitter.split(positions, y)
    ]
    np.testing.assert_array_equal(scores, by_hand)


@pytest.mark.parametrize("splitter", [GroupedPixels(3), PolygonKFold(3)], ids=repr)
def test_cross_val_score_takes_polygons_as_groups(splitter, pixels, labels):
    X, y, _ = pixels
    ids = connected_fields(labels)[labels > 0]
    named = np.array([f"field {number}" for number in ids])
    for groups in (ids, named, pd.Series(named)):
        assert cross_val_score(FOREST, X, y, groups=groups, cv=splitter).shape == (3,)


@pytest.mark.parametrize("splitter", [*PLACED[:2], PolygonKFold(3)], ids=repr)
def test_all_of_scikit_learns_tools_take_a_splitter(splitter, pixels, labels):
    X, y, positions = pixels
    groups = connected_fields(labels)[labels > 0] if isinstance(splitter, PolygonKFold) else positions
    scores = cross_validate(FOREST, pd.DataFrame(X), y, groups=groups, cv=splitter, return_estimator=True)
    assert len(scores["estimator"]) == 3
    search = GridSearchCV(FOREST, {"max_depth": [1, 4]}, cv=splitter).fit(X, y, groups=groups)
    assert search.n_splits_ == 3
    if not isinstance(splitter, PolygonKFold | SpatialKFold):
        return
    assert np.mean(cross_val_predict(FOREST, X, y, groups=groups, cv=splitter) == y) > 0.6  # each pixel tested once


def test_classes_may_be_texts_and_errors_name_them(pixels):
    X, y, positions = pixels
    names = np.array(["", "crop", "soil", "wood"])[y]
    for one, other in zip(
        SpatialKFold(3, buffer=1).split(X, names, positions), SpatialKFold(3, buffer=1).split(X, y, positions),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(one[1], other[1])
    names[0] = "moss"
    with pytest.raises(SplitError, match="class moss lies in a single block"):
        next(SpatialKFold(3).split(X, names, positions))


def test_without_places_splitters_say_what_to_give(pixels):
    X, y, _ = pixels
    with pytest.raises(SplitError, match=r"nothing says where.*\(3\d+, 20\).*groups= \(N, 2\), as np.argwhere"):
        next(SpatialBlocks().split(X, y))
    with pytest.raises(SplitError, match=r"give SpatialKFold row and column"):
        next(SpatialKFold().split(X, y, groups=y))
    with pytest.raises(SplitError, match=r"or its polygon id"):
        next(PolygonKFold().split(X, y))
    with pytest.raises(SplitError, match="no rows and columns"):
        next(SpatialBlocks().split(X[:, :2], y))
    assert next(RandomPixels(train_size=3).split(X, y))[0].shape == (9,)
    assert next(AllPixels().split(X, y))[0].shape == y.shape
    with pytest.raises(SplitError, match="shape"):
        next(RandomPixels().split(X, y[:, None]))


def test_folds_that_cannot_be_made_say_why(labels):
    positions, y = np.argwhere(labels), labels[labels > 0]
    with pytest.raises(SplitError, match="1 folds"):
        SpatialKFold(1)
    with pytest.raises(SplitError, match=r"training of each of 3 folds.*smaller buffer="):
        next(SpatialKFold(3, buffer=80).split(positions, y))
    with pytest.raises(SplitError, match=r"no polygon .* each of 5 folds"):
        next(PolygonKFold(5).split(positions, y, groups=(positions[:, 0] > 30) + 1))
    with pytest.raises(SplitError, match="class 3 lies in a single polygon"):
        next(PolygonKFold(2).split(positions, y, groups=np.where(y == 3, 99, positions[:, 0])))


@pytest.mark.parametrize("splitter", [SpatialKFold(3, buffer=2), PolygonKFold(3)], ids=repr)
def test_the_classifier_takes_the_first_of_the_folds(splitter, labels):
    if isinstance(splitter, PolygonKFold):
        splitter.groups = connected_fields(labels)
    split = split_labels(labels, ClassTable.from_codes([1, 2, 3]), splitter, window=5)
    _, test = next(splitter.split(np.argwhere(labels), labels[labels > 0]))
    np.testing.assert_array_equal(split.roles[labels > 0] == 3, np.isin(np.arange(np.count_nonzero(labels)), test))
    assert split.record["method"] == type(splitter).__name__


def test_a_splitter_shows_its_parameters():
    assert repr(SpatialKFold(4, buffer=1)) == "SpatialKFold(n_splits=4, block_size=None, buffer=1, random_state=0)"
    assert repr(PolygonKFold()) == "PolygonKFold(n_splits=5, groups=None, random_state=0)"
