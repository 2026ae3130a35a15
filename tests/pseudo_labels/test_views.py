"""Views of spectra, against numpy, and the discriminants on them, against scikit-learn and their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_ridge import KernelRidge

from hsiattn.preprocessing.noise import noise_covariance
from hsiattn.pseudo_labels.diffusion import EdgePreservingDiffusion
from hsiattn.pseudo_labels.views import VIEWS, VIEWS_FOR_FEW_LABELS, RegionViews, View

ALL_VIEWS = tuple(view for views in VIEWS.values() for view in views)
LINEAR_VIEWS = VIEWS["linear"]
ISOTROPIC_VIEWS = tuple(view for views in VIEWS_FOR_FEW_LABELS.values() for view in views if view.shrinkage)


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


def test_of_many_bands_twenty_components_are_kept(make_fields, make_area):
    views = RegionViews(make_area(make_fields(12, 12, bands=30).cube))
    assert views[View("components")].shape == (144, 20)


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


def test_views_of_neighbours_are_of_reflectance(views):
    for scale in (1, 5, 0.1):
        assert views[View("neighbours", scale)] is views[View("reflectance", scale)]


def test_views_have_names_of_their_own():
    assert str(View("shape")) == "shape, single pixels"
    assert str(View("reflectance", 5)) == "reflectance, window 5"
    assert str(View("components", 0.03)) == "components, diffusion 0.03"
    assert str(View("components", 5, "kernel")) == "kernel, components, window 5"
    assert str(ISOTROPIC_VIEWS[0]) == "reflectance, partly isotropic, single pixels"
    assert str(ISOTROPIC_VIEWS[-1]) == "kernel, shape, isotropic, diffusion 0.03"
    assert len({str(view) for view in (*ALL_VIEWS, *ISOTROPIC_VIEWS)}) == len(ALL_VIEWS) + len(ISOTROPIC_VIEWS) == 40


@pytest.mark.parametrize("scale", [1, 5, 0.1])
@pytest.mark.parametrize("kind", ["reflectance", "shape"])
def test_the_discriminant_is_scikit_learns_with_equal_priors(views, labels, kind, scale):
    """Where classes have equally many labels, the mean of their shrunk covariances is the same in both."""
    indices, targets = labels
    view = View(kind, scale)
    features = views[view].astype(np.float64)
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.25] * 4)
    analysis.fit(features[indices], targets)
    logits = views.discriminant(view, indices, targets).logits(views[view])
    assert logits.shape == (900, 4)
    np.testing.assert_allclose(softmax(logits, axis=1), analysis.predict_proba(features), atol=1e-3)
    np.testing.assert_array_equal(logits.argmax(axis=1), analysis.predict(features))


@pytest.mark.parametrize("view", [view for view in LINEAR_VIEWS if view.kind in ("components", "neighbours")], ids=str)
def test_the_other_discriminants_have_the_covariance_that_they_say(views, labels, area, view):
    """Log-likelihood ratios of Gaussians with one covariance, put together here from its definition."""
    indices, targets = labels
    features = views[view].astype(np.float64)
    means = np.stack([features[indices][targets == k].mean(axis=0) for k in range(4)])
    rest = features[indices] - means[targets]
    if view.kind == "components":
        covariance = rest.T @ rest / (len(rest) - 4)
        covariance = 0.7 * covariance + 0.3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    else:
        single = views[View("reflectance")].astype(np.float64)[indices]
        rest = single - np.stack([single[targets == k].mean(axis=0) for k in range(4)])[targets]
        covariance = rest.T @ rest / (len(rest) - 4)
        known = noise_covariance(views[View("reflectance")], area.side_neighbours, alike=0.5)
        size = np.trace(np.linalg.inv(known) @ covariance) / len(covariance)
        covariance = 0.5 * covariance + 0.5 * size * known
    inverse = np.linalg.inv(covariance)
    distance = np.einsum("nkb,bc,nkc->nk", features[:, None] - means, inverse, features[:, None] - means)
    logits = views.discriminant(view, indices, targets).logits(views[view])
    np.testing.assert_allclose(
        logits - logits[:, :1], -0.5 * (distance - distance[:, :1]), atol=1e-3 * np.abs(logits).max()
    )


def test_a_class_with_one_label_has_a_mean_but_says_nothing_of_scatter(views, labels):
    indices, targets = labels
    few = np.append(np.flatnonzero(targets < 3), np.flatnonzero(targets == 3)[0])
    others = np.flatnonzero(targets < 3)
    for view in (View("reflectance"), View("shape", 5)):
        with_it = views.discriminant(view, indices[few], targets[few])
        without = views.discriminant(view, indices[others], targets[others])
        np.testing.assert_allclose(with_it.weights[:3], without.weights, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("view", LINEAR_VIEWS, ids=str)
def test_where_every_class_has_one_label_neighbours_tell_how_spectra_scatter(views, area, fields, view):
    indices, targets = fields.label(1)
    discriminant = views.discriminant(view, indices, targets)
    scatter = noise_covariance(views[view], area.side_neighbours, alike=0.5)
    means = views[view][indices].astype(np.float64)
    np.testing.assert_allclose(discriminant.weights @ scatter, means, atol=1e-2 * np.abs(means).max())
    np.testing.assert_allclose(discriminant.bias, -0.5 * (discriminant.weights * means).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("form", ["quadratic", "kernel"])
@pytest.mark.parametrize("scale", [1, 5, 0.1])
def test_discriminants_that_are_not_linear_are_those_of_the_components(views, labels, form, scale):
    indices, targets = labels
    features = views[View("components", scale)]
    linear = views.discriminant(View("components", scale), indices, targets)
    means = np.stack([features[indices][targets == k].mean(axis=0) for k in range(4)])
    discriminant = views.discriminant(View("components", scale, form), indices, targets)
    assert discriminant.logits(features).shape == (900, 4)
    if form == "kernel":
        whitening = discriminant.whitening.astype(float)
        np.testing.assert_allclose(
            linear.weights.astype(float), means @ whitening @ whitening.T, atol=1e-2 * np.abs(linear.weights).max()
        )
    else:
        own = np.linalg.inv(discriminant.whitening[0].T @ discriminant.whitening[0])
        rest = features[indices][targets == 0] - means[0]
        shared = (own * (len(rest) - 1 + 20) - rest.T @ rest) / 20
        np.testing.assert_allclose(linear.weights @ shared, means, atol=1e-2 * np.abs(means).max())


@pytest.mark.parametrize("view", [view for view in ISOTROPIC_VIEWS if view.form == "linear"], ids=str)
def test_scatter_that_is_partly_round_lies_half_way_to_a_sphere_of_its_size(views, labels, view):
    indices, targets = labels
    features = views[view].astype(np.float64)
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.25] * 4)
    analysis.fit(features[indices], targets)
    scatter = analysis.covariance_
    half = 0.5 * scatter + 0.5 * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    means = np.stack([features[indices][targets == k].mean(axis=0) for k in range(4)])
    discriminant = views.discriminant(view, indices, targets)
    np.testing.assert_allclose(discriminant.weights @ half, means, atol=1e-3 * np.abs(means).max())


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("view", [view for view in ISOTROPIC_VIEWS if view.form == "kernel"], ids=str)
def test_round_kernels_measure_plain_distances_between_standardised_spectra(views, fields, view, count):
    """Kernel ridge regression by scikit-learn, every class of the same weight."""
    indices, targets = fields.label(count)
    features = views[view].astype(np.float64)
    width = np.median(pdist(features[indices], "sqeuclidean"))
    ridge = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / width).fit(features[indices], np.eye(4)[targets])
    logits = views.discriminant(view, indices, targets).logits(views[view])
    np.testing.assert_allclose(logits / 10, ridge.predict(features), atol=2e-3)
