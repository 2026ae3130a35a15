"""The method of pseudo-labels: how confident the network is made by them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from hsiattn.training.held_out import temperature_of_shares


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_the_temperature_makes_the_cross_entropy_to_the_pseudo_labels_least(scale):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(300, 4)) * 2
    shares = softmax(logits + rng.normal(size=logits.shape), axis=1)

    def cross_entropy(logarithm):
        return -(shares * log_softmax(scale * logits / np.exp(logarithm), axis=1)).sum()

    least = minimize_scalar(cross_entropy, bounds=np.log([0.05, 20.0]), method="bounded", options={"xatol": 1e-9})
    found = temperature_of_shares((scale * logits).astype(np.float32), shares.astype(np.float32))
    assert found == pytest.approx(np.exp(least.x), rel=1e-3)


def test_a_network_that_says_what_the_pseudo_labels_say_keeps_its_confidence_and_one_that_says_it_louder_does_not():
    logits = (2 * np.random.default_rng(0).normal(size=(200, 3))).astype(np.float32)
    shares = softmax(logits, axis=1)
    assert temperature_of_shares(logits, shares) == pytest.approx(1, abs=1e-3)
    assert temperature_of_shares(3 * logits, shares) == pytest.approx(3, abs=1e-2)
