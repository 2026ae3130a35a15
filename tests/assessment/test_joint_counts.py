"""Counting pairs of codes window by window gives what counting them all at once gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from hsiattn.assessment.joint_counts import JointCounts, TooManyCodesError

CODES = {"few": [0, 1, 2, 7], "16 bits": [0, 3, 255, 256, 40_000, 65_535], "large": [0, 1, 2**20, 2**31 - 1]}
TYPES = {"few": np.uint8, "16 bits": np.uint16, "large": np.int32}


@settings(deadline=None)
@given(
    reference=st.sampled_from(sorted(CODES)),
    mapped=st.sampled_from(sorted(CODES)),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 200), max_size=4),
    labelled=st.sampled_from([0.0, 0.1, 0.9]),
)
def test_windows_add_up_to_the_whole(reference, mapped, seed, cuts, labelled):
    rng = np.random.default_rng(seed)
    truth = rng.choice(CODES[reference], 200).astype(TYPES[reference])
    truth[rng.random(200) >= labelled] = 0
    found = rng.choice(CODES[mapped], 200).astype(TYPES[mapped])
    counts = JointCounts()
    for part in zip(np.split(truth, sorted(cuts)), np.split(found, sorted(cuts)), strict=True):
        counts.add(*part)
    codes = sorted({*CODES[reference], *CODES[mapped]})
    known = truth > 0
    expected = (
        confusion_matrix(truth[known], found[known], labels=codes) if known.any() else np.zeros((len(codes),) * 2)
    )
    ours = np.zeros_like(expected)
    ours[np.ix_(np.searchsorted(codes, counts.reference), np.searchsorted(codes, counts.mapped))] = counts.counts
    np.testing.assert_array_equal(ours, expected)
    assert counts.counts.sum(axis=1).all()
    assert counts.counts.sum(axis=0).all()


@pytest.mark.parametrize("side", [1, 3, 2**16 + 1])
def test_more_pixels_than_are_counted_at_once(side):
    truth, found = np.full((2, side), 1, np.uint8), np.full((2, side), 255, np.uint8)
    counts = JointCounts()
    counts.add(truth, found)
    assert (counts.reference.tolist(), counts.mapped.tolist(), counts.counts.tolist()) == ([1], [255], [[2 * side]])


def test_measurements_are_refused_before_a_table_is_made_for_them():
    values = np.arange(10**6, dtype=np.int32)
    counts = JointCounts(most=10)
    with pytest.raises(TooManyCodesError):
        counts.add(values, values)
    for code in range(1, 11):
        counts.add(np.array([code]), np.array([0]))
    with pytest.raises(TooManyCodesError):
        counts.add(np.array([11]), np.array([0]))
