"""Views of spectra, against numpy, and the classifiers on them, against scikit-learn and their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC

from hsiattn.preprocessing.noise import noise_covariance
from hsiattn.pseudo_labels.diffusion import EdgePreservingDiffusion
from hsiattn.pseudo_labels.views import ENCODED, REFERENCES, VIEWS, RegionViews, View, affordable_views

GAUSSIAN = [view for view in VIEWS if view.form in ("linear", "quadratic", "kernel") and view.shrinkage != 1]
LINEAR = [view for view in GAUSSIAN if view.form == "linear"]


@pytest.fixture(scope="module")
def fields(make_fields):
    return make_fields(classes=4, bands=14, noise=0.1)


@pytest.fixture(scope="module")
def area(make_area, fields):
    return make_area(fields.cube)


@pytest.fixture(scope="module")
def views(area):
    return RegionViews(area)


@pytest.fixture(scope="module")
def labels(fields):
    return fields.label(12)


def _standardised(spectra):
    return (spectra - spectra.mean(axis=0)) / spectra.std(axis=0)


def test_bands_are_standardised_over_the_area_and_shape_forgets_brightness(views, area, make_area):
    spectra = area.spectra.astype(float)
    np.testing.assert_allclose(views[View("reflectance")], _standardised(spectra), atol=1e-4)
    shape = _standardised(spectra / np.linalg.norm(spectra, axis=1, keepdims=True))
    np.testing.assert_allclose(views[View("shape")], shape, atol=1e-4)
    light = np.random.default_rng(0).uniform(0.5, 2, (len(area), 1))
    shaded = RegionViews(make_area((spectra * light).reshape(30, 30, 14)))
    np.testing.assert_allclose(shaded[View("shape")], shape, atol=1e-4)


def test_components_have_unit_noise_and_the_first_stands_out_of_it_most(views, area):
    components = views[View("components")].astype(float)
    assert components.shape == (900, 14)
    noise = noise_covariance(components, area.side_neighbours)
    np.testing.assert_allclose(noise, np.eye(14), atol=1e-3)
    ratio = components.var(axis=0, ddof=1)
    assert (np.diff(ratio) < 1e-3).all()
    assert ratio[0] > 1.2


def test_of_many_bands_forty_components_are_kept(make_fields, make_area):
    views = RegionViews(make_area(make_fields(12, 12, bands=50).cube))
    assert views[View("components")].shape == (144, 40)


def test_views_of_a_scale_above_one_are_window_means_and_below_one_diffusion(views, area):
    for kind in ("reflectance", "shape", "components"):
        single = views[View(kind)]
        mean = np.stack([
            single[(np.abs(area.positions - place) <= 2).all(axis=1)].mean(axis=0) for place in area.positions
        ])  # fmt: skip
        np.testing.assert_allclose(views[View(kind, 5)], mean, atol=1e-4)
        guide = views[View("components")][:, :10]
        spread = EdgePreservingDiffusion(area.neighbours, guide).spread(single, 0.1)
        np.testing.assert_allclose(views[View(kind, 0.1)], spread, atol=1e-4)


def test_an_encoder_adds_views_of_its_features_scaled_and_spread_as_others_are(area, views, labels):
    def encode(spectra):
        return np.hstack([spectra[:, :3] ** 2, np.zeros((len(spectra), 1), np.float32)])

    encoded = RegionViews(area, encode)
    expected = _standardised(area.spectra[:, :3].astype(float) ** 2)
    single = encoded[View("encoded")]
    np.testing.assert_allclose(single[:, :3], expected, atol=1e-3)
    assert not single[:, 3].any()
    np.testing.assert_array_equal(encoded[View("encoded", 0.1)], encoded.diffusion.spread(single, 0.1))
    for view in ENCODED:
        assert np.isfinite(encoded.discriminant(view, *labels).logits(encoded[view])).all()
    np.testing.assert_array_equal(encoded[View("components", 0.1)], views[View("components", 0.1)])


def test_views_have_names_of_their_own():
    assert str(View("shape")) == "shape, single pixels"
    assert str(View("reflectance", 5)) == "reflectance, window 5"
    assert str(View("components", 0.003)) == "components, diffusion 0.003"
    assert str(View("components", 0.1, "kernel", 0.3)) == "kernel, components, diffusion 0.1"
    assert str(View("reflectance", shrinkage=0.5)) == "reflectance, partly isotropic, single pixels"
    assert str(View("reflectance", form="kernel", shrinkage=1)) == "kernel, reflectance, isotropic, single pixels"
    assert str(View("encoded")) == "encoded, single pixels"
    assert len({str(view) for view in (*VIEWS, *ENCODED)}) == len(VIEWS) + len(ENCODED)


def test_the_references_are_candidates_and_the_support_vector_machine_is_one_up_to_2000_pixels():
    assert set(REFERENCES.values()) < set(VIEWS)
    assert affordable_views(2) == affordable_views(2000) == VIEWS
    assert set(VIEWS) - set(affordable_views(2001)) == {REFERENCES["svm"]}


@pytest.mark.parametrize("view", [View("reflectance"), View("reflectance", 5), View("shape")], ids=str)
def test_the_discriminant_is_scikit_learns_with_equal_priors(views, labels, view):
    """Where classes have equally many labels, the mean of their shrunk covariances is the same in both."""
    indices, targets = labels
    features = views[view].astype(np.float64)
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.25] * 4)
    analysis.fit(features[indices], targets)
    logits = views.discriminant(view, indices, targets).logits(views[view])
    assert logits.shape == (900, 4)
    np.testing.assert_allclose(softmax(logits, axis=1), analysis.predict_proba(features), atol=1e-3)
    np.testing.assert_array_equal(logits.argmax(axis=1), analysis.predict(features))


@pytest.mark.usefixtures("full_forests")
def test_the_forest_and_the_support_vector_machine_are_scikit_learns_on_scaled_bands(views, labels):
    indices, targets = labels
    features = views[View("reflectance")]
    forest = RandomForestClassifier(100, class_weight="balanced", random_state=0)
    forest.fit(features[indices].astype(np.float64), targets)
    logits = views.discriminant(REFERENCES["random-forest"], indices, targets).logits(features)
    np.testing.assert_allclose(np.exp(logits), np.maximum(forest.predict_proba(features), 1e-3), atol=1e-6)
    machine = SVC(C=100.0, gamma="scale", class_weight="balanced").fit(features[indices].astype(np.float64), targets)
    logits = views.discriminant(REFERENCES["svm"], indices, targets).logits(features)
    np.testing.assert_allclose(logits, machine.decision_function(features), atol=1e-4)


@pytest.mark.parametrize("view", [view for view in LINEAR if view.kind == "components" or view.shrinkage], ids=str)
def test_the_other_linear_ones_have_the_covariance_that_they_say(views, labels, view):
    """Log-likelihood ratios of Gaussians with one covariance, put together here from its definition."""
    indices, targets = labels
    features = views[view].astype(np.float64)
    means = np.stack([features[indices][targets == k].mean(axis=0) for k in range(4)])
    rest = features[indices] - means[targets]
    if view.shrinkage is None:
        analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(features[indices], targets)
        covariance = analysis.covariance_
    else:
        covariance = rest.T @ rest / (len(rest) - 4)
        isotropic = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        covariance = (1 - view.shrinkage) * covariance + view.shrinkage * isotropic
    logits = views.discriminant(view, indices, targets).logits(views[view])
    differences = features[:, None] - means
    distance = np.einsum("nkb,bc,nkc->nk", differences, np.linalg.inv(covariance), differences)
    np.testing.assert_allclose(
        logits - logits[:, :1], -0.5 * (distance - distance[:, :1]), atol=1e-3 * np.abs(logits).max()
    )


@pytest.mark.parametrize("scale", [1, 0.1, 0.003])
def test_quadratic_ones_and_kernels_on_components_shrink_the_pooled_covariance_by_three_tenths(views, labels, scale):
    indices, targets = labels
    features = views[View("components", scale)].astype(np.float64)[indices]
    means = np.stack([features[targets == k].mean(axis=0) for k in range(4)])
    rest = features - means[targets]
    pooled = rest.T @ rest / (len(rest) - 4)
    pooled = 0.7 * pooled + 0.3 * np.trace(pooled) / len(pooled) * np.eye(len(pooled))
    kernel = views.discriminant(View("components", scale, "kernel", 0.3), indices, targets)
    whitening = kernel.whitening.astype(float)
    np.testing.assert_allclose(whitening @ whitening.T @ pooled, np.eye(len(pooled)), atol=1e-3)
    quadratic = views.discriminant(View("components", scale, "quadratic", 0.3), indices, targets)
    for k in range(4):
        own = np.linalg.inv(quadratic.whitening[k].T @ quadratic.whitening[k])
        expected = (rest[targets == k].T @ rest[targets == k] + 20 * pooled) / (12 - 1 + 20)
        np.testing.assert_allclose(own, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("count", [1, 12])
def test_isotropic_kernels_measure_plain_distances_between_standardised_spectra(views, fields, count):
    """Kernel ridge regression by scikit-learn, every class of the same weight."""
    indices, targets = fields.label(count)
    view = View("reflectance", form="kernel", shrinkage=1)
    features = views[view].astype(np.float64)
    width = np.median(pdist(features[indices], "sqeuclidean"))
    ridge = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / width).fit(features[indices], np.eye(4)[targets])
    logits = views.discriminant(view, indices, targets).logits(views[view])
    np.testing.assert_allclose(logits / 10, ridge.predict(features), atol=2e-3)


def test_a_class_with_one_label_has_a_mean_but_says_nothing_of_scatter(views, labels):
    indices, targets = labels
    few = np.append(np.flatnonzero(targets < 3), np.flatnonzero(targets == 3)[0])
    others = np.flatnonzero(targets < 3)
    for view in (View("reflectance"), View("shape", 5)):
        with_it = views.discriminant(view, indices[few], targets[few])
        without = views.discriminant(view, indices[others], targets[others])
        np.testing.assert_allclose(with_it.weights[:3], without.weights, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("view", LINEAR, ids=str)
def test_where_every_class_has_one_label_neighbours_tell_how_spectra_scatter(views, area, fields, view):
    indices, targets = fields.label(1)
    discriminant = views.discriminant(view, indices, targets)
    scatter = noise_covariance(views[view], area.side_neighbours, alike=0.5)
    means = views[view][indices].astype(np.float64)
    np.testing.assert_allclose(discriminant.weights @ scatter, means, atol=1e-2 * np.abs(means).max())
    np.testing.assert_allclose(discriminant.bias, -0.5 * (discriminant.weights * means).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_constant_bands_make_no_view_fail(make_fields, make_area, view, count):
    fields = make_fields(12, 12, side=4, bands=8)
    cube = fields.cube.copy()
    cube[..., 3], cube[..., 6] = 0.4, 0
    views, labels = RegionViews(make_area(cube)), fields.label(count)
    logits = views.discriminant(view, *labels).logits(views[view])
    assert logits.shape == (144, 3)
    assert np.isfinite(logits).all()
