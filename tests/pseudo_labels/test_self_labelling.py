"""Classifiers that label unlabelled pixels for themselves: which pixels, how many of each class, and what comes out."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.pseudo_labels import PseudoLabelSettings, labelling, pseudo_label
from hsiattn.pseudo_labels.self_labelling import most_certain, self_labelled
from hsiattn.pseudo_labels.stacking import Mixture, Part
from hsiattn.pseudo_labels.views import RegionViews, View


@pytest.fixture(autouse=True)
def _few_views(monkeypatch):
    """Three views of what there are: more would only take longer."""
    some = (View("reflectance"), View("reflectance", 5), View("components", 0.1, "quadratic", 0.3))
    monkeypatch.setattr(labelling, "affordable_views", lambda labelled: some)


@pytest.fixture(scope="module")
def fields(make_fields):
    return make_fields(15, 15, noise=0.6, side=5)


@pytest.fixture(scope="module")
def area(make_area, fields):
    return make_area(fields.cube)


def test_no_class_gets_more_pixels_than_another_may_and_all_are_the_most_certain_of_theirs():
    probabilities = np.random.default_rng(0).dirichlet([0.3, 0.3, 2.0], 400)
    pixels, classes = most_certain(probabilities, 7, threshold=0.5)
    for k in range(3):
        confident = [
            (-row.max(), number) for number, row in enumerate(probabilities) if row.argmax() == k and row.max() >= 0.5
        ]
        expected = sorted(number for _, number in sorted(confident)[:7])
        assert pixels[classes == k].tolist() == expected


def test_a_round_is_the_geometric_mean_of_the_mixture_before_and_after(fields, area):
    labelled, targets = fields.label(4)
    views = RegionViews(area)
    mixture = Mixture((Part(View("reflectance"), 1.0, 2.0),))
    shares = mixture.probabilities(views, labelled, targets)
    shares[labelled] = np.eye(shares.shape[1])[targets]
    found, added = self_labelled(mixture, views, shares, labelled, targets, rounds=1, taken=5)
    assert len(added) == 1
    assert max(added[0]) == 5

    spread = views.diffusion.spread(np.maximum(shares, 1e-4), 0.3)
    others = np.setdiff1d(np.arange(len(area)), labelled)
    more = [(k, j) for k in range(shares.shape[1]) for j in others if spread[j].argmax() == k]
    assert len(more) == len(others)
    best = [j for k in range(shares.shape[1]) for j in _best(spread / spread.sum(1)[:, None], others, k, 5)]
    classes = spread[best].argmax(axis=1)
    again = mixture.probabilities(views, np.r_[labelled, best], np.r_[targets, classes])
    product = np.sqrt(np.maximum(shares, 1e-4) * np.maximum(again, 1e-4))
    expected = product / product.sum(axis=1)[:, None]
    np.testing.assert_allclose(found[others], expected[others], rtol=2e-3, atol=2e-4)
    np.testing.assert_array_equal(found[labelled], np.eye(shares.shape[1])[targets])


def _best(shares, others, k, most):
    own = [j for j in others if shares[j].argmax() == k]
    return sorted(own, key=lambda j: -shares[j, k])[:most]


def test_rounds_are_recorded_and_only_where_there_are_some(fields, area):
    labelled, targets = fields.label(4)
    plain = pseudo_label(area, labelled, targets, PseudoLabelSettings(rounds=0, taken=3))
    assert "self_labelled" not in plain.record
    rounds = pseudo_label(area, labelled, targets, PseudoLabelSettings(rounds=2, taken=6))
    assert np.shape(rounds.record["self_labelled"]) == (2, targets.max() + 1)
    assert np.max(rounds.record["self_labelled"]) <= 6
    truth = fields.classes.ravel()
    right = [(labels.probabilities.argmax(axis=1) == truth).mean() for labels in (plain, rounds)]
    assert right[1] >= right[0] - 0.01


def test_a_region_that_is_labelled_throughout_has_nothing_to_choose(fields, area):
    labelled, targets = np.arange(len(area)), fields.classes.ravel()
    views = RegionViews(area)
    mixture = Mixture((Part(View("reflectance"), 1.0, 1.0),))
    shares = np.eye(targets.max() + 1)[targets]
    found, added = self_labelled(mixture, views, shares, labelled, targets, rounds=2, taken=3)
    assert added == []
    np.testing.assert_array_equal(found, shares)
