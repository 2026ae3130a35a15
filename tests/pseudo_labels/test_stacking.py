"""Stacking of views by left-out pixels, against the posterior that scipy maximises and the limits that it has."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from hsiattn.folds import grouped_folds
from hsiattn.pseudo_labels.cross_validation import Trial, left_out_pixels, try_view
from hsiattn.pseudo_labels.stacking import prior_weights, stack, stacking_weights
from hsiattn.pseudo_labels.views import ENCODED, VIEWS, RegionViews, View

SINGLE, WINDOW, WIDE = View("reflectance"), View("reflectance", 5), View("components", 0.01)
PRIOR_GROUPS = 2


def _likelihoods(pixels=40, seed=0):
    likelihoods = np.random.default_rng(seed).uniform(0.05, 1, (pixels, 3)) * [1, 0.6, 0.4]
    likelihoods[:4] = [1e-5, 0.3, 0.9]  # one is very wrong about a few, which counts as a thousandth
    return likelihoods


def _posterior_maximum(likelihoods, prior, groups):
    """Weights of the largest mean log-likelihood × groups + log of the Dirichlet density, on the simplex."""

    def loss(free):
        weights = softmax(free)
        mixed = np.maximum(likelihoods, 1e-3) @ weights
        return -groups * np.log(mixed).mean() - PRIOR_GROUPS * prior @ np.log(weights)

    return softmax(minimize(loss, np.log(prior), tol=1e-13).x)


PRIOR = np.array([0.5, 0.3, 0.2])


@pytest.mark.parametrize("groups", [1, 5, 12, 200])
def test_weights_are_the_maximum_of_the_posterior_with_a_dirichlet_prior(groups):
    weights = stacking_weights(_likelihoods(), PRIOR, groups)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, _posterior_maximum(_likelihoods(), PRIOR, groups), atol=2e-3)


def test_many_groups_give_the_maximum_of_the_likelihood_and_few_leave_the_prior_as_it_is():
    likelihoods = _likelihoods()
    moved = []
    for groups in (0, 1e-6, 2, 20, 200, 1e7):
        weights = stacking_weights(likelihoods, PRIOR, groups)
        moved.append(np.abs(weights - PRIOR).sum())
    assert moved[0] == pytest.approx(0, abs=1e-12)
    assert moved == sorted(moved)

    def loss(free):
        return -np.log(np.maximum(likelihoods, 1e-3) @ softmax(free)).mean()

    best = softmax(minimize(loss, np.zeros(3), tol=1e-13).x)
    np.testing.assert_allclose(weights, best, atol=5e-3)


def test_ten_pixels_for_one_in_the_same_number_of_groups_change_nothing():
    likelihoods = _likelihoods()
    once, ten_times = (stacking_weights(np.repeat(likelihoods, count, axis=0), PRIOR, 6) for count in (1, 10))
    np.testing.assert_allclose(ten_times, once, atol=1e-12)


def test_views_that_are_equally_likely_keep_their_prior():
    np.testing.assert_allclose(stacking_weights(np.full((50, 3), 0.9), PRIOR, 50), PRIOR)


def test_one_mistake_that_a_view_was_sure_of_costs_no_more_than_a_thousandth_of_likelihood():
    likelihoods = np.tile([0.9, 0.5], (30, 1))
    likelihoods[0, 0] = 0
    floored = likelihoods.copy()
    floored[0, 0] = 1e-3
    prior = np.array([0.5, 0.5])
    np.testing.assert_array_equal(stacking_weights(likelihoods, prior, 30), stacking_weights(floored, prior, 30))


def test_the_prior_trusts_single_pixels_with_two_thirds_and_alike_within_both_kinds():
    weights = prior_weights(VIEWS)
    single = np.array([view.scale == 1 for view in VIEWS])
    assert weights.sum() == pytest.approx(1)
    assert weights[single].sum() == pytest.approx(2 / 3)
    assert len(set(weights[single])) == len(set(weights[~single])) == 1
    np.testing.assert_allclose(prior_weights([SINGLE, View("shape")]), 0.5)
    np.testing.assert_allclose(prior_weights([WINDOW, WIDE]), 0.5)


def test_the_prior_trusts_the_views_of_an_encoder_with_half_and_divides_it_as_the_other_half():
    views = (*VIEWS, *ENCODED)
    weights = prior_weights(views)
    encoded = np.array([view.kind == "encoded" for view in views])
    np.testing.assert_allclose(weights[~encoded], prior_weights(VIEWS) / 2)
    np.testing.assert_allclose(weights[encoded], prior_weights(ENCODED) / 2)


def _trial(view, likelihoods, temperature=1.0):
    """A trial of two classes in which the true class is 0."""
    shares = np.asarray(likelihoods, float)
    return Trial(view, temperature, np.column_stack([shares, 1 - shares]))


def test_where_nothing_was_left_out_the_mixture_is_the_prior():
    views = VIEWS[:6]
    trials = [Trial(view, 1.0, np.empty((0, 2))) for view in views]
    mixture = stack(trials, np.empty(0, np.int64), 0)
    np.testing.assert_allclose([part.weight for part in mixture.parts], prior_weights(views))
    assert [part.view for part in mixture.parts] == list(views)


def test_windows_that_tell_left_out_groups_better_need_many_groups_to_be_believed():
    trials = [_trial(SINGLE, [0.6] * 20), _trial(WINDOW, [0.9] * 20, 3.0)]
    targets = np.zeros(20, np.int64)
    weights = [{part.view: part.weight for part in stack(trials, targets, groups).parts} for groups in (2, 10, 1000)]
    assert weights[0][WINDOW] < 0.5 < weights[2][WINDOW]
    assert weights[0][WINDOW] < weights[1][WINDOW] < weights[2][WINDOW]
    assert {part.view: part.temperature for part in stack(trials, targets, 10).parts} == {SINGLE: 1.0, WINDOW: 3.0}


def test_views_of_less_than_a_two_hundredth_are_left_out_and_the_others_make_up_for_them():
    trials = [_trial(SINGLE, [0.99] * 50), _trial(View("shape"), [0.98] * 50), _trial(WINDOW, [0.01] * 50)]
    mixture = stack(trials, np.zeros(50, np.int64), 5000)
    assert [part.view for part in mixture.parts] == [SINGLE, View("shape")]
    assert sum(part.weight for part in mixture.parts) == pytest.approx(1)


def test_the_mixture_is_the_mean_of_its_parts_by_their_weights(make_fields, make_area):
    fields = make_fields(18, 18, noise=0.15)
    views, (labelled, targets) = RegionViews(make_area(fields.cube)), fields.label(10)
    folds = grouped_folds(targets, np.arange(30), 0)
    pixels = left_out_pixels(folds)
    trials = [try_view(views, view, labelled, targets, folds) for view in (SINGLE, WINDOW, WIDE)]
    mixture = stack(trials, targets[pixels], 30)
    assert len(mixture.parts) == 3
    expected, left_out = 0, 0
    for (view, weight, temperature), trial in zip(mixture.parts, trials, strict=True):
        logits = views.discriminant(view, labelled, targets).logits(views[view]).astype(np.float64)
        expected = expected + weight * softmax(logits / temperature, axis=1)
        left_out = left_out + weight * trial.probabilities
    np.testing.assert_allclose(mixture.probabilities(views, labelled, targets), expected, atol=1e-5)
    np.testing.assert_allclose(mixture.of_left_out(trials), left_out, atol=1e-12)
