"""What is predicted of left-out groups, fold by fold, and what is made of it, against loops and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import entropy, multinomial

from hsiattn.folds import grouped_folds
from hsiattn.pseudo_labels.cross_validation import best_temperature, left_out_pixels, log_likelihoods, try_view
from hsiattn.pseudo_labels.views import RegionViews, View


@pytest.fixture(scope="module")
def fields(make_fields):
    return make_fields(18, 18, noise=0.2)


@pytest.fixture(scope="module")
def views(make_area, fields):
    return RegionViews(make_area(fields.cube))


@pytest.mark.parametrize(
    "view",
    [View("reflectance"), View("components", 0.1, "quadratic", 0.3), View("reflectance", form="forest")],
    ids=str,
)
def test_every_left_out_pixel_is_predicted_by_a_fit_that_has_not_seen_its_group(views, fields, view):
    labelled, targets = fields.label(8)
    groups = np.arange(24) // 2  # of two pixels each, never of two classes
    folds = grouped_folds(targets, groups, 3)
    trial = try_view(views, view, labelled, targets, folds)
    logits = {}
    for _, left_out in folds:
        seen = ~np.isin(groups, groups[left_out])
        discriminant = views.discriminant(view, labelled[seen], targets[seen])
        logits |= zip(left_out.tolist(), discriminant.logits(views[view][labelled[left_out]]), strict=True)
    pixels = left_out_pixels(folds)
    assert sorted(pixels) == sorted(logits) == list(range(24))
    found = np.array([logits[pixel] for pixel in pixels]).astype(np.float64)
    assert trial.view == view
    assert trial.temperature == pytest.approx(best_temperature(found, targets[pixels]), rel=1e-6)
    np.testing.assert_allclose(trial.probabilities, softmax(found / trial.temperature, axis=1), atol=1e-6)


def test_without_folds_there_is_no_left_out_pixel_but_a_trial_of_temperature_1(views, fields):
    labelled, targets = fields.label(1)
    trial = try_view(views, View("reflectance"), labelled, targets, [])
    assert trial.probabilities.shape == (0, 3)
    assert trial.temperature == 1
    assert left_out_pixels([]).tolist() == []


def _logits(count=200, scale=1.0):
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 4, count)
    return scale * (rng.normal(size=(count, 4)) + 1.5 * np.eye(4)[targets]), targets


def test_log_likelihoods_are_those_of_a_multinomial_distribution():
    logits, targets = _logits()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = multinomial.logpmf(np.eye(4)[targets], 1, shares)
    np.testing.assert_allclose(log_likelihoods(logits, targets), expected, atol=1e-9)


@pytest.mark.parametrize("scale", [0.5, 1.0, 30.0, 500.0])
def test_the_temperature_is_the_likeliest_one(scale):
    logits, targets = _logits(scale=scale)

    def loss(logarithm):
        shares = softmax(logits / np.exp(logarithm), axis=1)
        return entropy(np.eye(4)[targets], shares, axis=1).sum()  # relative to certainty

    expected = np.exp(minimize_scalar(loss, bounds=np.log([0.3, 1000.0]), method="bounded", options={"xatol": 1e-9}).x)
    assert best_temperature(logits, targets) == pytest.approx(expected, rel=1e-4)


def test_the_temperature_stays_from_three_tenths_to_a_thousand():
    _, targets = _logits()
    assert best_temperature(9.0 * np.eye(4)[targets], targets) == pytest.approx(0.3)
    assert best_temperature(-9.0 * np.eye(4)[targets], targets) == pytest.approx(1000)
    assert best_temperature(np.empty((0, 4)), np.empty(0, np.int64)) == 1
