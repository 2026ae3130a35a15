"""The threshold of unknown materials."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsiattn.open_set import OpenSet
from hsiattn.open_set.logit_scores import Energy


def of(scores, **record):
    return OpenSet.of_scores(Energy(), scores, record)


def test_the_threshold_accepts_the_share_of_known_pixels_that_was_asked_for():
    rng = np.random.default_rng(0)
    scores, more = rng.gamma(2.0, size=(2, 20_000))
    for accept in (0.5, 0.9, 0.95, 0.99):
        assert abs((more <= of(scores).threshold(accept)).mean() - accept) < 0.01


def test_few_scores_are_corrected_for_their_number():
    """With n scores the quantile is that of ⌈(n + 1) · accept⌉ / n: on the mean over draws, no less is accepted."""
    rng = np.random.default_rng(1)
    shares = [(rng.normal(size=2000) <= of(rng.normal(size=40)).threshold(0.9)).mean() for _ in range(400)]
    assert 0.9 <= np.mean(shares) < 0.93
    assert of(np.arange(10.0)).threshold(0.95) == 9.0  # there is no such quantile of ten


@pytest.mark.parametrize("accept", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_that_is_none_is_refused(accept):
    with pytest.raises(ValueError, match="between 0 and 1"):
        of(np.arange(10.0)).threshold(accept)


def test_many_pixels_are_scored_as_few_are():
    rng = np.random.default_rng(2)
    logits = torch.from_numpy(rng.normal(size=(40_000, 3)).astype(np.float32))
    other = torch.zeros(40_000, 1)
    assert torch.equal(of(np.arange(10.0)).score(other, logits, other), Energy().score(other, logits, other))


def test_it_comes_back_from_its_arrays_and_damaged_ones_are_refused():
    open_set = of(np.random.default_rng(3).normal(size=100), groups=7, in_words="left out")
    arrays, record = open_set.to_arrays(), open_set.to_dict()
    again = OpenSet.from_arrays(arrays, record)
    assert again.record == open_set.record
    assert again.threshold(0.8) == open_set.threshold(0.8)
    quantiles = arrays["quantiles"]
    for damaged in (
        {},
        {"quantiles": quantiles[:-1]},
        {"quantiles": quantiles[::-1].copy()},
        arrays | {"x": quantiles},
    ):
        with pytest.raises(ValueError, match="open set"):
            OpenSet.from_arrays(damaged, record)
    with pytest.raises(ValueError, match="not known"):
        OpenSet.from_arrays(arrays, record | {"detector": {"name": "?"}})
