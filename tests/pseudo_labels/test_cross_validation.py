"""What is made of the logits of left-out pixels, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import entropy, multinomial

from hsiattn.pseudo_labels.cross_validation import best_temperature, left_out_targets, log_likelihoods


def test_the_targets_of_pixels_left_out_are_those_of_classes_with_two_or_more():
    np.testing.assert_array_equal(left_out_targets(np.array([1, 3, 0, 3, 2, 2, 3])), [3, 3, 2, 2, 3])
    assert len(left_out_targets(np.array([2, 0, 1]))) == 0


def _logits(count=200, scale=1.0):
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 4, count)
    return scale * (rng.normal(size=(count, 4)) + 1.5 * np.eye(4)[targets]), targets


def test_log_likelihoods_are_those_of_a_multinomial_distribution():
    logits, targets = _logits()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = multinomial.logpmf(np.eye(4)[targets], 1, shares)
    np.testing.assert_allclose(log_likelihoods(logits, targets), expected, atol=1e-9)


@pytest.mark.parametrize("scale", [0.5, 1.0, 30.0])
def test_the_temperature_is_the_likeliest_one(scale):
    logits, targets = _logits(scale=scale)

    def loss(logarithm):
        shares = np.exp(logits / np.exp(logarithm))
        shares /= shares.sum(axis=1, keepdims=True)
        return entropy(np.eye(4)[targets], shares, axis=1).sum()  # relative to certainty

    expected = np.exp(minimize_scalar(loss, bounds=np.log([0.3, 100.0]), method="bounded", options={"xatol": 1e-9}).x)
    assert best_temperature(logits, targets) == pytest.approx(expected, rel=1e-4)


def test_the_temperature_stays_from_three_tenths_to_a_hundred():
    _, targets = _logits()
    assert best_temperature(9.0 * np.eye(4)[targets], targets) == 0.3
    assert best_temperature(-9.0 * np.eye(4)[targets], targets) == 100
    assert best_temperature(np.empty((0, 4)), np.empty(0, np.int64)) == 1
