"""How a memory is weighed against a network, and how much of it a small loss buys."""

import numpy as np
import pytest
from scipy.special import log_softmax

from hsiattn.priors import Fusion, choose_fusion, expected_loss, fused, steadfast
from hsiattn.priors.weight import DOUBTS, WEIGHTS

ALL = np.ones(4, bool)


@pytest.fixture
def network():
    return log_softmax(2 * np.random.default_rng(0).normal(size=(300, 4)), axis=1)


@pytest.fixture
def prior():
    return np.random.default_rng(1).dirichlet(np.full(4, 0.3), size=300)


def test_probabilities_are_the_normalised_product_of_powers(network, prior):
    found = np.exp(fused(network, prior, ALL, Fusion(0.3, 0.0)))
    product = np.exp(network) ** 0.7 * prior**0.3
    np.testing.assert_allclose(found, product / product.sum(axis=1, keepdims=True), atol=1e-9)


def test_without_weight_they_are_those_of_the_network(network, prior):
    np.testing.assert_allclose(fused(network, prior, ALL, Fusion(0.0, 0.5)), network, atol=1e-12)


def test_doubt_leaves_the_order_of_the_networks_classes_as_it_is(network):
    nothing = np.full(network.shape, 0.25)
    together = fused(network, nothing, ALL, Fusion(0.9, 0.3))
    np.testing.assert_array_equal(together.argsort(axis=1), network.argsort(axis=1))
    np.testing.assert_allclose(np.exp(together).sum(axis=1), 1)


def test_a_class_outside_the_memory_keeps_what_the_network_gives_it(network):
    inside = np.array([True, True, True, False])
    agreeing = np.exp(network) * inside
    agreeing /= agreeing.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fused(network, agreeing, inside, Fusion(0.8, 0.0)), network, atol=1e-9)


def test_what_a_memory_that_is_right_costs_is_what_it_costs_by_calibrated_probabilities():
    rng = np.random.default_rng(2)
    network = log_softmax(rng.normal(size=(40_000, 3)), axis=1)
    truth = (rng.random(len(network))[:, None] > np.exp(network).cumsum(axis=1)).sum(axis=1).clip(max=2)
    other = log_softmax(network + rng.normal(size=network.shape), axis=1)
    measured = (network.argmax(axis=1) == truth).mean() - (other.argmax(axis=1) == truth).mean()
    assert expected_loss(network, other) == pytest.approx(measured, abs=0.01)


def test_steadfast_pixels_withstand_whatever_a_network_insists_on(prior):
    fusion = Fusion(0.7, 0.1)
    withstood = np.ones(len(prior), bool)
    for insisted_on in range(4):
        network = np.log(np.where(np.arange(4) == insisted_on, 1.0, 1e-12))[None].repeat(len(prior), axis=0)
        withstood &= fused(network, prior, ALL, fusion).argmax(axis=1) == prior.argmax(axis=1)
    assert 0.1 < withstood.mean() < 0.99
    assert steadfast(prior, ALL, fusion) == pytest.approx(withstood.mean())


def test_the_chosen_weight_is_affordable_and_no_other_stands_against_more(network, prior):
    agreeing = 0.7 * np.exp(network) + 0.3 * prior
    chosen = choose_fusion(network, agreeing, ALL, most_loss=0.02)
    assert expected_loss(network, fused(network, agreeing, ALL, chosen)) <= 0.02
    for weight in WEIGHTS:
        for doubt in DOUBTS:
            fusion = Fusion(float(weight), doubt)
            if expected_loss(network, fused(network, agreeing, ALL, fusion)) <= 0.02:
                assert steadfast(agreeing, ALL, fusion) <= steadfast(agreeing, ALL, chosen)


def test_a_memory_that_contradicts_a_sure_network_has_no_say():
    network = np.log(np.tile([0.98, 0.02], (50, 1)))
    opposite = np.tile([1e-9, 1.0], (50, 1))
    chosen = choose_fusion(network, opposite, np.ones(2, bool), most_loss=0.005)
    assert fused(network, opposite, np.ones(2, bool), chosen).argmax(axis=1).max() == 0
    assert steadfast(opposite, np.ones(2, bool), chosen) == 0
