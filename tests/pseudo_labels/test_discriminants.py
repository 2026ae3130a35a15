"""Classifiers against scikit-learn, scipy and formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.svm import SVC

from hsiattn.pseudo_labels.discriminants import (
    ForestDiscriminant,
    KernelDiscriminant,
    LinearDiscriminant,
    QuadraticDiscriminant,
    SupportVectorDiscriminant,
)

GAUSSIAN = [LinearDiscriminant, QuadraticDiscriminant, KernelDiscriminant]
ALL = [*GAUSSIAN, ForestDiscriminant, SupportVectorDiscriminant]


def _data(per_class=(40, 40, 40), features=5, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(len(per_class), features, features))
    targets = np.repeat(np.arange(len(per_class)), per_class)
    values = np.stack([mixing[k] @ rng.normal(size=features) for k in targets]) + 2 * np.eye(features)[targets]
    within = values - np.stack([values[targets == k].mean(axis=0) for k in range(len(per_class))])[targets]
    return values, targets, within.T @ within / len(values)


def test_linear_and_quadratic_logits_are_log_densities_of_gaussians_up_to_what_classes_share():
    values, targets, covariance = _data((40, 12, 1))
    for cls in (LinearDiscriminant, QuadraticDiscriminant):
        densities = []
        for k in range(3):
            rest = values[targets == k] - (mean := values[targets == k].mean(axis=0))
            own = (rest.T @ rest + 20 * covariance) / (len(rest) + 19)
            used = covariance if cls is LinearDiscriminant else own
            densities.append(multivariate_normal(mean, used).logpdf(values))
        logits = cls.fit(values, targets, covariance).logits(values.astype(np.float32))
        np.testing.assert_allclose(
            log_softmax(logits, axis=1), log_softmax(np.stack(densities, axis=1), axis=1), atol=1e-3
        )


def test_with_many_labels_the_quadratic_one_is_scikit_learns():
    values, targets, covariance = _data((4000, 4000, 4000))
    analysis = QuadraticDiscriminantAnalysis(priors=[1 / 3] * 3).fit(values, targets)
    logits = QuadraticDiscriminant.fit(values, targets, covariance).logits(values.astype(np.float32))
    assert (logits.argmax(axis=1) == analysis.predict(values)).mean() > 0.995


def test_kernels_are_a_ridge_regression_in_whitened_features_where_classes_weigh_the_same():
    values, targets, covariance = _data((30, 10, 4))
    white = values @ np.linalg.inv(np.linalg.cholesky(covariance)).T
    squared = ((white[:, None] - white) ** 2).sum(axis=-1)
    width = np.median(squared[np.triu_indices(len(white), 1)])
    kernel = RBF(np.sqrt(width / 2))(white)
    pixel_weights = len(targets) / (3 * np.bincount(targets)[targets])
    # Minimises sum over pixels of weight · error² + 0.1 · norm², written as weighted normal equations.
    system = pixel_weights[:, None] * kernel + 0.1 * np.eye(len(kernel))
    weights = np.linalg.solve(system, pixel_weights[:, None] * np.eye(3)[targets])
    discriminant = KernelDiscriminant.fit(values, targets, covariance)
    assert discriminant.width == pytest.approx(width, rel=1e-5)
    np.testing.assert_allclose(discriminant.logits(values.astype(np.float32)), 10 * kernel @ weights, atol=1e-3)


def test_kernels_stand_on_an_even_part_of_many_labels():
    values, targets, covariance = _data((3000, 500, 7), features=3)
    discriminant = KernelDiscriminant.fit(values, targets, covariance)
    assert 1490 <= len(discriminant.centres) <= 1500
    assert (discriminant.logits(values.astype(np.float32)).argmax(axis=1) == targets).mean() > 0.6
    far = discriminant.logits(np.full((2, 3), 1e4, np.float32))
    np.testing.assert_array_equal(far, 0)


@pytest.mark.parametrize("cls", GAUSSIAN)
def test_a_scale_that_features_and_covariance_share_changes_nothing(cls):
    values, targets, covariance = _data()
    plain, scaled = (
        cls.fit(values * scale, targets, covariance * scale**2).logits((values * scale).astype(np.float32))
        for scale in (1.0, 64.0)
    )
    np.testing.assert_allclose(log_softmax(plain, axis=1), log_softmax(scaled, axis=1), atol=1e-2)


@pytest.mark.parametrize("cls", ALL)
def test_many_pixels_are_judged_as_each_by_itself(cls):
    values, targets, covariance = _data()
    many = np.random.default_rng(1).normal(size=(9000, 5)).astype(np.float32)
    discriminant = cls.fit(values, targets, covariance)
    np.testing.assert_allclose(
        discriminant.logits(many)[[0, 4095, 4096, 8999]], discriminant.logits(many[[0, 4095, 4096, 8999]]), atol=1e-3
    )


@pytest.mark.parametrize("cls", GAUSSIAN)
def test_pixels_that_are_all_alike_are_no_error(cls):
    values, targets = np.ones((6, 3)), np.array([0, 0, 1, 1, 2, 2])
    logits = cls.fit(values, targets, 1e-9 * np.eye(3)).logits(values.astype(np.float32))
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(np.ptp(logits, axis=1), 0, atol=1e-3)


@pytest.mark.parametrize("per_class", [(30, 10, 4), (20, 5)])
def test_the_support_vector_machine_is_scikit_learns_and_has_a_logit_for_each_of_two_classes(per_class):
    values, targets, covariance = _data(per_class)
    machine = SVC(C=100.0, gamma=1 / (5 * values.var()), class_weight="balanced").fit(values, targets)
    logits = SupportVectorDiscriminant.fit(values, targets, covariance).logits(values.astype(np.float32))
    assert logits.shape == (len(values), len(per_class))
    np.testing.assert_array_equal(logits.argmax(axis=1), machine.predict(values))
    decided = machine.decision_function(values)
    decided = np.column_stack([-decided, decided]) if len(per_class) == 2 else decided
    np.testing.assert_allclose(logits, decided, atol=1e-3)


@pytest.mark.usefixtures("full_forests")
def test_the_forest_gives_logarithms_of_scikit_learns_probabilities_none_of_them_below_a_thousandth():
    values, targets, covariance = _data((30, 10, 4))
    forest = RandomForestClassifier(100, class_weight="balanced", random_state=0).fit(values, targets)
    others = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32)
    logits = ForestDiscriminant.fit(values, targets, covariance).logits(others)
    shares = forest.predict_proba(others)
    assert shares.min() == 0
    np.testing.assert_allclose(np.exp(logits), np.maximum(shares, 1e-3), atol=1e-6)


@pytest.mark.parametrize("cls", [ForestDiscriminant, SupportVectorDiscriminant])
def test_a_class_of_one_pixel_counts_as_much_as_one_of_many_and_raises_no_warning(cls, recwarn):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(60, 3)), [[0.0, 0.0, 6.0]]])
    targets = np.array([0] * 60 + [1])
    logits = cls.fit(values, targets, np.eye(3)).logits(np.float32([[0, 0, 6.2], [0, 0, 0]]))
    assert logits.argmax(axis=1).tolist() == [1, 0]
    cls.fit(values[-4:], np.arange(4), np.eye(3))
    assert not recwarn


@pytest.mark.parametrize("cls", [ForestDiscriminant, SupportVectorDiscriminant])
def test_estimators_of_scikit_learn_stand_pixels_that_are_all_alike(cls):
    values, targets = np.ones((6, 3)), np.array([0, 0, 1, 1, 2, 2])
    assert np.isfinite(cls.fit(values, targets, np.eye(3)).logits(values.astype(np.float32))).all()
