"""Tallies against Python's counter."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.assessment.tally import Tally

numbers = st.sampled_from([0, 1, 2, 7, 70_000, 2**31 - 1])
parts = st.lists(st.lists(st.tuples(numbers, numbers, numbers), max_size=20), max_size=4)


@given(parts=parts, width=st.integers(1, 3))
def test_combinations_are_counted_and_weights_added(parts: list[list[tuple[int, ...]]], width: int) -> None:
    tally, expected, sums = Tally(width), Counter(), defaultdict(float)
    for part in parts:
        keys = np.array([row[:width] for row in part], np.int64).reshape(-1, width).T
        weights = 0.5 + np.arange(keys.shape[1])
        tally.add(keys, weights)
        for key, weight in zip(map(tuple, keys.T.tolist()), weights.tolist(), strict=True):
            expected[key] += 1
            sums[key] += weight
    found = [tuple(key) for key in tally.keys.T.tolist()]
    assert found == sorted(expected)
    assert dict(zip(found, tally.counts.tolist(), strict=True)) == dict(expected)
    assert dict(zip(found, tally.sums.tolist(), strict=True)) == pytest.approx(dict(sums))


def test_what_is_taken_away_is_gone() -> None:
    whole, part = Tally(2), Tally(2)
    whole.add(np.array([[1, 1, 2], [5, 5, 6]]))
    part.add(np.array([[1, 2], [5, 6]]))
    rest = whole.less(part)
    assert (rest.keys.tolist(), rest.counts.tolist()) == ([[1], [5]], [1])


def test_numbers_that_become_one_are_counted_together() -> None:
    tally = Tally(2)
    tally.add(np.array([[1, 2, 3], [9, 9, 9]]))
    tally.renumber(0, {1: 4, 2: 4, 3: 0})
    assert (tally.keys.tolist(), tally.counts.tolist()) == ([[0, 4], [9, 9]], [1, 2])
