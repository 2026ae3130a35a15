"""What is mixed from left-out pixels: the choice of views, their weights, and how much each class counts in it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import norm

from hsiattn.folds import folds_of_classes
from hsiattn.pseudo_labels.cross_validation import best_temperature
from hsiattn.pseudo_labels.stacking import (
    Trial,
    Trials,
    best_mixture,
    class_weights,
    estimated_priors,
    stacking_weights,
    try_views,
)
from hsiattn.pseudo_labels.views import VIEWS, RegionViews

WANTED = {"linear": 2, "quadratic": 1, "kernel": 0}


@pytest.fixture(scope="module")
def uneven(make_area):
    """Views of an area of which the classes have 0.8, 0.15 and 0.05, in stripes, and the classes of its pixels."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [32, 6, 2])[np.indices((40, 40))[1]]
    cube = rng.uniform(0.1, 0.6, (3, 10))[classes] + 0.05 * rng.normal(size=(40, 40, 10))
    return RegionViews(make_area(cube)), classes.ravel()


def _labelled(classes, counts):
    rng = np.random.default_rng(1)
    chosen = [rng.permutation(np.flatnonzero(classes == k))[:count] for k, count in enumerate(counts)]
    return np.concatenate(chosen), np.repeat(np.arange(len(counts)), counts)


@pytest.mark.parametrize("counts", [(10, 10, 10), (4, 1, 3)])
def test_every_view_is_tried_on_pixels_that_it_was_not_fitted_on_at_its_best_temperature(uneven, counts):
    views, classes = uneven
    labelled, targets = _labelled(classes, counts)
    tried = try_views(views, labelled, targets, WANTED, 7)
    assert [(trials.wanted, [trial.view for trial in trials.views]) for trials in tried] == [
        (2, list(VIEWS["linear"])),
        (1, list(VIEWS["quadratic"])),
    ]
    for trial in (tried[0].views[0], tried[0].views[-1], tried[1].views[1]):
        logits = {}
        for kept, left_out in folds_of_classes(targets, (7, 0)):
            discriminant = views.discriminant(trial.view, labelled[kept], targets[kept])
            logits |= zip(left_out.tolist(), discriminant.logits(views[trial.view][labelled[left_out]]), strict=True)
        order = sorted(logits)
        said = np.array([logits[pixel] for pixel in order]).astype(np.float64)
        assert trial.temperature == pytest.approx(best_temperature(said, targets[order]), rel=1e-6)
        expected = log_softmax(said / trial.temperature, axis=1)[np.arange(len(order)), targets[order]]
        np.testing.assert_allclose(trial.log_likelihoods, expected, atol=1e-6)


def test_classes_are_weighed_by_their_estimated_frequency_over_their_labels(uneven):
    """By the one view of every form that told left-out pixels best, all with an equal say."""
    views, classes = uneven
    labelled, targets = _labelled(classes, (9, 1, 4))
    tried = try_views(views, labelled, targets, WANTED, 0)
    shares = 0
    for trials in tried:
        best = max(trials.views, key=lambda trial: trial.log_likelihoods.sum())
        logits = views.discriminant(best.view, labelled, targets).logits(views[best.view]).astype(np.float64)
        shares = shares + softmax(logits / best.temperature, axis=1) / len(tried)
    expected = estimated_priors(shares) / [9, 1, 4]
    expected /= (9 * expected[0] + 4 * expected[2]) / 13  # mean 1 over pixels that are left out in turn
    np.testing.assert_allclose(class_weights(views, tried, labelled, targets), expected, rtol=1e-5)


@pytest.mark.parametrize("counts", [(10, 10, 10), (80, 15, 5), (5, 10, 40)])
def test_a_class_counts_as_it_does_in_the_area_however_many_labels_it_has(uneven, counts):
    views, classes = uneven
    labels = _labelled(classes, counts)
    weights = class_weights(views, try_views(views, *labels, WANTED, 0), *labels)
    assert weights[labels[1]].mean() == pytest.approx(1)
    shares = weights * counts / sum(counts)
    np.testing.assert_allclose(shares, (np.array([0.8, 0.15, 0.05]) + 0.02) / 1.06, atol=0.03)


def test_only_pixels_that_are_left_out_are_weighed(uneven):
    views, classes = uneven
    labels = _labelled(classes, (6, 6, 1))
    weights = class_weights(views, try_views(views, *labels, WANTED, 0), *labels)
    assert weights[[0, 1]].mean() == pytest.approx(1)
    labels = _labelled(classes, (1, 1, 1))
    np.testing.assert_array_equal(class_weights(views, try_views(views, *labels, WANTED, 0), *labels), 1)


def test_the_views_are_those_that_say_most_of_the_pixels_that_count_most():
    """Of two pixels, one view tells the first and another the second."""
    first, second, third = VIEWS["linear"][:3]
    tried = [
        Trials(1, (Trial(first, 2.0, np.log([0.9, 0.2])), Trial(second, 3.0, np.log([0.2, 0.9])))),
        Trials(1, (Trial(third, 1.0, np.log([0.5, 0.5])),)),
    ]
    for weights, chosen in (([5.0, 1.0], first), ([1.0, 5.0], second)):
        mixture = best_mixture(tried, np.array(weights))
        assert [part.view for part in mixture.parts] == [chosen, third]
        assert mixture.parts[0].weight > mixture.parts[1].weight
        assert sum(part.weight for part in mixture.parts) == pytest.approx(1)
    assert mixture.parts[0].temperature == 3


def test_the_probabilities_are_those_of_the_parts_by_their_weights(uneven):
    views, classes = uneven
    labels = _labelled(classes, (10, 10, 10))
    mixture = best_mixture(try_views(views, *labels, WANTED, 0), np.ones(30))
    assert len(mixture.parts) == 3
    expected = 0
    for view, weight, temperature in mixture.parts:
        logits = views.discriminant(view, *labels).logits(views[view]).astype(np.float64) / temperature
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected = expected + weight * scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mixture.probabilities(views, *labels), expected, atol=1e-5)


def test_stacking_weights_are_the_likeliest_with_a_pixel_for_every_expert():
    rng = np.random.default_rng(0)
    likelihoods, counts = rng.uniform(0.05, 1, (40, 3)) * [1, 0.6, 0.3], rng.integers(0, 4, 40)
    likelihoods[:5] = [0, 1e-4, 0]  # nobody is silenced by a pixel of which it was sure: at least a millionth

    def loss(free):
        weights = np.exp(free) / np.exp(free).sum()
        return -counts @ np.log(np.maximum(likelihoods, 1e-6) @ weights) - np.log(weights).sum()

    best = minimize(loss, np.zeros(3), tol=1e-12).x
    np.testing.assert_allclose(stacking_weights(likelihoods, counts), np.exp(best) / np.exp(best).sum(), atol=1e-4)


def test_experts_that_are_equally_good_weigh_the_same_as_do_all_where_nothing_was_left_out():
    np.testing.assert_allclose(stacking_weights(np.full((50, 4), 0.9), np.ones(50)), 0.25)
    np.testing.assert_allclose(stacking_weights(np.empty((0, 4)), np.empty(0)), 0.25)
    np.testing.assert_allclose(stacking_weights(np.array([[1.0, 0.0]] * 98), np.ones(98)), [0.99, 0.01], atol=1e-3)


def _likelihood(scores, means):
    return norm.pdf(scores[:, None], means)


def test_class_frequencies_are_found_from_overlapping_classes():
    """Simulated Gaussians with unequal frequencies; the likelihood of the frequencies is maximised here by scipy."""
    rng = np.random.default_rng(0)
    true, means = np.array([0.6, 0.3, 0.1]), np.array([-2.0, 0.0, 2.5])
    members = rng.choice(3, 20_000, p=true)
    shares = _likelihood(rng.normal(means[members]), means)
    shares /= shares.sum(axis=1, keepdims=True)
    found = estimated_priors(shares)
    assert found.sum() == pytest.approx(1)

    def cost(free):
        priors = np.exp(np.append(free, 0))
        priors /= priors.sum()
        return -np.log(shares @ priors).mean() - 0.02 * np.log(priors).sum()

    free = minimize(cost, np.zeros(2), tol=1e-10).x
    expected = np.exp(np.append(free, 0)) / np.exp(np.append(free, 0)).sum()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(found, true, atol=0.05)
    naive = shares.mean(axis=0)
    assert np.abs(found - true).max() < np.abs(naive - true).max() / 2


def test_class_frequencies_of_certain_pixels_are_counted_and_no_class_vanishes():
    members = np.repeat([0, 1], [900, 100])
    found = estimated_priors(np.eye(4)[members])
    np.testing.assert_allclose(found, (np.array([0.9, 0.1, 0, 0]) + 0.02) / 1.08)
    np.testing.assert_allclose(estimated_priors(np.full((50, 4), 0.25)), 0.25)
    np.testing.assert_allclose(estimated_priors(7 * np.eye(4)[members]), found)  # rows need not sum to 1
