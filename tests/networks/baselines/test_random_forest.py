"""Random forest: probabilities are scikit-learn's, pixel by pixel."""

import numpy as np
import pytest
import torch

from hsiattn.errors import RecipeError
from hsiattn.networks import RandomForest, create_network
from hsiattn.networks.baselines import random_forest


def test_probabilities_are_those_of_the_estimator(make_pixels, estimators):
    network = RandomForest(12, 3, 4, 9, trees=30)
    network.fit(*make_pixels(80, 4))
    spectra, patches, valid, _ = make_pixels(200, 4, seed=2)
    expected = estimators[0].predict_proba(spectra.numpy())
    assert (expected == 0).any()
    np.testing.assert_allclose(network(spectra, patches, valid).exp().numpy(), expected.clip(1e-4), atol=1e-5)


def test_leaves_may_hold_pixels_of_several_classes(make_pixels, estimators):
    """Pixels with the same spectrum, which no tree can part."""
    spectra, patches, valid, targets = make_pixels(60, 3)
    spectra = spectra.round()
    spectra[1:30:3] = spectra[0]
    network = RandomForest(12, 3, 3, 9, trees=5)
    network.fit(spectra, patches, valid, targets)
    shares = network.shares.numpy()
    assert ((shares > 0).sum(axis=1) > 1).any()
    expected = estimators[0].predict_proba(spectra.numpy())
    np.testing.assert_allclose(network(spectra, patches, valid).exp().numpy(), expected.clip(1e-4), atol=1e-5)


def test_a_value_at_a_threshold_goes_the_same_way_as_in_scikit_learn(estimators):
    """Thresholds lie halfway between values, in float64; here these are neighbours in float32."""
    low = np.nextafter(np.float32(1000), np.float32(2000))
    high = np.nextafter(low, np.float32(2000))
    assert np.float32((np.float64(low) + np.float64(high)) / 2) == high  # rounded as usual, it would part nothing
    spectra = torch.tensor([[low], [high]] * 10)
    empty = torch.empty(20, 0, 1, 1)
    network = RandomForest(1, 0, 2, 1, trees=8)
    network.fit(spectra, empty, None, torch.arange(20) % 2)
    predicted = network(spectra, empty).argmax(dim=1).numpy()
    np.testing.assert_array_equal(predicted, estimators[0].predict(spectra.numpy()))
    np.testing.assert_array_equal(predicted, np.arange(20) % 2)


def test_every_node_is_reached_once_and_leaves_lead_nowhere(make_pixels, estimators):
    network = RandomForest(12, 3, 4, 9, trees=7)
    network.fit(*make_pixels(80, 4))
    nodes = sum(tree.tree_.node_count for tree in estimators[0].estimators_)
    child = network.child.numpy()
    inner = child != np.arange(nodes)
    assert len(child) == nodes == int(network.levels.sum())
    reached = np.concatenate([np.arange(7), child[inner], child[inner] + 1])
    np.testing.assert_array_equal(np.sort(reached), np.arange(nodes))
    assert len(network.levels) == 1 + max(tree.get_depth() for tree in estimators[0].estimators_)


def test_pixels_are_taken_in_parts(make_pixels, monkeypatch):
    network = RandomForest(12, 3, 4, 9, trees=9)
    network.fit(*make_pixels(40, 4))
    spectra, patches, valid, _ = make_pixels(101, 4, seed=3)
    whole = network(spectra, patches, valid)
    monkeypatch.setattr(random_forest, "_PLACES", 100)
    torch.testing.assert_close(network(spectra, patches, valid), whole)


def test_the_seed_decides_the_trees(make_pixels):
    networks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        networks.append(RandomForest(12, 3, 4, 9, trees=5))
        networks[-1].fit(*make_pixels(40, 4))
    assert networks[0].state_dict().keys() == networks[1].state_dict().keys()
    one, two = (network.threshold for network in networks)
    assert not torch.equal(one, two)


def test_a_forest_without_trees_is_refused():
    with pytest.raises(RecipeError, match="trees must be positive"):
        create_network("random-forest", bands=4, channels=4, classes=2, patch_size=5, trees=0)
