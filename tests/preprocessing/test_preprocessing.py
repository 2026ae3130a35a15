"""Preparations, checked against numpy and scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import linalg
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from hsiattn.errors import TrainingError
from hsiattn.preprocessing import (
    Preprocessing,
    PreprocessingSettings,
    RegionStatistics,
    covariance_within,
    fit_preprocessing,
)
from hsiattn.scenes import Radiometry

BANDS = np.array([0, 2, 3, 5, 8, 9])


@pytest.fixture
def spectra():
    """Reflectance (90, 6) of three classes, neighbouring bands correlated, as in a real scene."""
    rng = np.random.default_rng(0)
    means = rng.uniform(0.1, 0.6, (3, 6))
    return means[np.arange(90) % 3] + 0.05 * rng.normal(size=(90, 6)) @ rng.normal(size=(6, 6))


TARGETS = np.arange(90) % 3


def _fit(spectra, *, scene=None, **settings):
    return fit_preprocessing(PreprocessingSettings(**settings), BANDS, spectra, scene)[0]


def _apply(preprocessing, spectra, scale=1.0):
    """Scaled spectra (N, B) and components (N, C) of pixels (N, B)."""
    cube = spectra.T[:, :, None] * scale
    scaled, components = preprocessing.transform(
        cube, np.ones(cube.shape[1:], dtype=bool), Radiometry.divided_by(scale, len(cube))
    )
    return scaled[:, :, 0].T, components[:, :, 0].T


def test_standardised_spectra_are_those_of_scikit_learn(spectra):
    scaled, components = _apply(_fit(spectra), spectra)
    deviation = np.sqrt(len(spectra) / (len(spectra) - 1))  # the sample's, where scikit-learn takes the population's
    np.testing.assert_allclose(scaled * deviation, StandardScaler().fit_transform(spectra), atol=2e-5)
    assert components.shape == (90, 0)


def test_minmax_spectra_are_those_of_scikit_learn(spectra):
    scaled, _ = _apply(_fit(spectra, scaling="minmax"), spectra)
    np.testing.assert_allclose(scaled, MinMaxScaler().fit_transform(spectra), atol=2e-6)


def test_bands_can_be_components_alone_or_before_others(spectra):
    alone, with_others = (_fit(spectra, bands_as_components=True, principal_components=n) for n in (0, 2))
    scaled, components = _apply(alone, spectra)
    np.testing.assert_array_equal(components, scaled)
    _, others = _apply(_fit(spectra, principal_components=2), spectra)
    np.testing.assert_allclose(_apply(with_others, spectra)[1], np.hstack([scaled, others]), atol=1e-5)
    assert (alone.channels, with_others.channels) == (6, 8)


def test_bands_as_components_are_zero_where_nothing_was_measured(spectra):
    cube, valid = spectra.T.reshape(6, 9, 10).copy(), np.ones((9, 10), dtype=bool)
    valid[2, 3], cube[:, 2, 3] = False, np.nan
    preprocessing = _fit(spectra, bands_as_components=True)
    for read in (preprocessing, Preprocessing.from_arrays(preprocessing.to_arrays())):
        scaled, components = read.transform(cube, valid)
        np.testing.assert_array_equal(components, scaled)
        assert not components[:, 2, 3].any()
        assert np.isfinite(components).all()


@pytest.mark.parametrize("transform", ["none", "unit-length"])
def test_gain_and_offset_of_each_band_give_what_reflectance_gives(spectra, transform):
    preprocessing, _ = fit_preprocessing(
        PreprocessingSettings(principal_components=3, spectral_transform=transform),
        BANDS, spectra, centres=np.linspace(450, 900, 6),
    )  # fmt: skip
    radiometry = Radiometry(np.linspace(1e-4, 3e-4, 6), np.linspace(-0.1, 0.2, 6))
    reflectance = spectra.T[:, None, :]
    stored = (reflectance - radiometry.offset[:, None, None]) / radiometry.gain[:, None, None]
    valid = np.ones((1, 90), dtype=bool)
    for mine, expected in zip(
        preprocessing.transform(stored, valid, radiometry), preprocessing.transform(reflectance, valid), strict=True
    ):
        np.testing.assert_allclose(mine, expected, atol=1e-4)


@pytest.mark.parametrize("scaling", ["standardize", "minmax"])
@pytest.mark.parametrize("count", [1, 4, 6])
def test_components_are_the_whitened_principal_components_of_reflectance(spectra, scaling, count):
    _, components = _apply(_fit(spectra, scaling=scaling, principal_components=count), spectra)
    expected = PCA(count, whiten=True, svd_solver="full").fit_transform(spectra)
    signs = np.sign((components * expected).sum(axis=0))
    np.testing.assert_allclose(components * signs, expected, atol=2e-3)
    np.testing.assert_allclose(np.cov(components, rowvar=False), np.eye(count).squeeze(), atol=1e-3)


def test_signs_of_components_do_not_depend_on_the_order_of_pixels(spectra):
    order = np.random.default_rng(1).permutation(90)
    first, second = (_fit(s, principal_components=4) for s in (spectra, spectra[order]))
    np.testing.assert_allclose(first.projection, second.projection, rtol=1e-3, atol=1e-4)


def test_rescaled_components_run_from_0_to_1(spectra):
    _, components = _apply(_fit(spectra, principal_components=4, rescale_components=True), spectra)
    np.testing.assert_allclose(components.min(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(components.max(axis=0), 1, atol=1e-5)
    _, whitened = _apply(_fit(spectra, principal_components=4), spectra)
    np.testing.assert_allclose(components, MinMaxScaler().fit_transform(whitened), atol=1e-4)


def _shrunk_covariance(spectra):
    """Mean over the classes of the Ledoit-Wolf covariance of standardised spectra, in the units of the spectra."""
    parts = []
    for k in range(3):
        scaler = StandardScaler().fit(spectra[k == TARGETS])
        covariance, _ = ledoit_wolf(scaler.transform(spectra[k == TARGETS]))
        parts.append(scaler.scale_[:, None] * covariance * scaler.scale_)
    return np.mean(parts, axis=0)  # equal priors: every class has 30 pixels


def test_scatter_within_classes_is_the_mean_of_their_shrunk_covariances(spectra):
    np.testing.assert_allclose(covariance_within(spectra, TARGETS), _shrunk_covariance(spectra), rtol=1e-6, atol=1e-8)


def test_a_class_of_one_pixel_says_nothing_of_the_scatter(spectra):
    lonely = np.concatenate([spectra, [spectra[0] + 0.2]])
    np.testing.assert_array_equal(covariance_within(lonely, np.append(TARGETS, 3)), covariance_within(spectra, TARGETS))


def test_single_pixels_of_every_class_have_no_scatter(spectra):
    with pytest.raises(TrainingError, match="single training pixel"):
        covariance_within(spectra[:3], TARGETS[:3])


def test_spectra_without_noise_have_a_scatter_that_can_be_inverted(spectra):
    assert np.isfinite(np.linalg.cholesky(covariance_within(spectra[:3][TARGETS], TARGETS))).all()


@pytest.mark.parametrize("scaling", ["standardize", "minmax"])
def test_a_scene_in_pieces_gives_what_the_scene_in_one_piece_gives(spectra, scaling):
    scene = np.random.default_rng(3).normal(0.3, 0.1, (1000, 6))
    settings = {
        "scaling": scaling, "principal_components": 3, "rescale_components": True, "fit_on": "scene"
    }  # fmt: skip
    pieces = _fit(spectra, scene=lambda: iter(np.array_split(scene, [1, 400, 401])), **settings)
    whole = _fit(spectra, scene=lambda: [scene], **settings)
    for name, array in whole.to_arrays().items():
        np.testing.assert_allclose(pieces.to_arrays()[name], array, rtol=1e-5, atol=1e-5)
    _, components = _apply(pieces, scene)
    np.testing.assert_allclose(components.min(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(components.max(axis=0), 1, atol=1e-4)


def test_moments_keep_their_digits_far_from_zero(spectra):
    """A sum of squares would lose the variance of 1e-4 beside a mean of 1e5."""
    scaled, _ = _apply_float64(_fit(spectra + 1e5), spectra + 1e5)
    np.testing.assert_allclose(np.std(scaled, axis=0, ddof=1), 1, rtol=1e-2)


def _apply_float64(preprocessing, spectra):
    """As the transform does, but in float64, because float32 itself cannot hold such spectra."""
    exact = (spectra - spectra.mean(axis=0)) * preprocessing.gain.astype(np.float64)
    return exact, None


@pytest.mark.parametrize("scene", [False, True])
def test_constant_bands_are_left_out_and_told(spectra, scene):
    spectra[:, [1, 4]] = 0.25
    whole = np.random.default_rng(0).normal(size=(50, 6))
    settings = PreprocessingSettings(principal_components=2, fit_on="scene" if scene else "training")
    preprocessing, dropped = fit_preprocessing(settings, BANDS, spectra, lambda: [whole])
    assert dropped == [2, 8]
    np.testing.assert_array_equal(preprocessing.bands, [0, 3, 5, 9])
    assert preprocessing.projection.shape == (2, 4)


def test_constant_spectra_are_refused(spectra):
    with pytest.raises(TrainingError, match="constant"):
        _fit(np.full_like(spectra, 0.3))


def test_more_components_than_pixels_allow_are_refused(spectra):
    with pytest.raises(TrainingError, match="5 principal components cannot be fitted on 5 spectra"):
        _fit(spectra[:5], principal_components=5)


def test_missing_pixels_become_zero_without_a_warning(spectra):
    preprocessing = _fit(spectra, principal_components=3)
    cube = spectra.T.reshape(6, 9, 10).astype(np.float32)
    valid = np.ones((9, 10), dtype=bool)
    for place, value in (((0, 0), np.nan), ((3, 4), np.inf), ((8, 9), -np.inf), ((5, 5), -3.4e38)):
        cube[(slice(None), *place)], valid[place] = value, False
    scaled, components = preprocessing.transform(cube, valid)
    assert not scaled[:, ~valid].any()
    assert not components[:, ~valid].any()
    kept, _ = preprocessing.transform(spectra.T.reshape(6, 9, 10), np.ones((9, 10), dtype=bool))
    np.testing.assert_array_equal(scaled[:, valid], kept[:, valid])


def test_stored_values_are_not_changed(spectra):
    cube = spectra.T.reshape(6, 9, 10).astype(np.float32)
    before = cube.copy()
    _fit(spectra).transform(cube, np.zeros((9, 10), dtype=bool))
    np.testing.assert_array_equal(cube, before)


def test_the_scale_of_stored_values_does_not_matter(spectra):
    preprocessing = _fit(spectra, principal_components=3)
    for plain, scaled in zip(_apply(preprocessing, spectra), _apply(preprocessing, spectra, 10_000.0), strict=True):
        np.testing.assert_allclose(scaled, plain, atol=1e-4)


def test_a_preparation_survives_its_arrays(spectra):
    preprocessing = _fit(spectra, principal_components=3)
    arrays = {name: array.copy() for name, array in preprocessing.to_arrays().items()}
    twin = Preprocessing.from_arrays(arrays)
    for mine, other in zip(_apply(preprocessing, spectra), _apply(twin, spectra), strict=True):
        np.testing.assert_array_equal(mine, other)
    with pytest.raises(KeyError):
        Preprocessing.from_arrays({name: array for name, array in arrays.items() if name != "gain"})


@pytest.mark.parametrize("wrong", [{"scaling": "log"}, {"principal_components": -1}, {"pca": 3}])
def test_unknown_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        PreprocessingSettings(**wrong)


# -- spectral transforms ----------------------------------------------------------------------------------------------


def test_without_a_spectral_transform_there_are_no_centres_and_with_one_they_are_kept(spectra):
    plain, transformed = (_fit(spectra, spectral_transform=name) for name in ("none", "unit-length"))
    assert "centres" not in plain.to_arrays()
    assert (plain.transform_name, transformed.transform_name) == ("none", "unit-length")
    np.testing.assert_array_equal(transformed.to_arrays()["centres"], BANDS)  # numbers, where no centres are given
    twin = Preprocessing.from_arrays(transformed.to_arrays(), "unit-length")
    for mine, other in zip(_apply(transformed, spectra), _apply(twin, spectra), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_scaling_follows_the_transform(spectra):
    unit = spectra / np.linalg.norm(spectra, axis=1, keepdims=True)
    scaled, _ = _apply(_fit(spectra, spectral_transform="unit-length", scaling="minmax"), spectra)
    np.testing.assert_allclose(scaled, MinMaxScaler().fit_transform(unit), atol=1e-5)
    scaled, _ = _apply(_fit(spectra, spectral_transform="unit-length", scaling="minmax"), 3 * spectra, 10_000.0)
    np.testing.assert_allclose(scaled, MinMaxScaler().fit_transform(unit), atol=1e-5)


def test_bands_that_hardly_vary_once_transformed_are_scaled_by_a_tenth_of_the_median_at_least(spectra):
    """The ends of a spectrum are on its continuum: always 1, and 0 when scaled."""
    preprocessing = _fit(spectra, spectral_transform="continuum-removal")
    assert len(preprocessing.bands) == 6
    scaled, _ = _apply(preprocessing, spectra)
    np.testing.assert_array_equal(scaled[:, [0, -1]], 0)
    deviations = scaled.std(axis=0, ddof=1) / preprocessing.gain
    np.testing.assert_allclose(preprocessing.gain, 1 / np.maximum(deviations, np.median(deviations) / 10), rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "centres"),
    [("first-derivative", [500.0] * 6), ("second-derivative", [400.0, 410, 700, 710, 1000, 1010])],
)
def test_bands_that_have_no_derivative_are_refused(spectra, name, centres):
    centres = np.array(centres)
    with pytest.raises(TrainingError, match=f"nothing varies over the training pixels after {name}"):
        fit_preprocessing(PreprocessingSettings(spectral_transform=name), BANDS, spectra, centres=centres)


def test_constant_bands_take_no_part_in_a_transform(spectra):
    spectra[:, [1, 4]] = 0.25
    settings = PreprocessingSettings(spectral_transform="unit-length", principal_components=2)
    preprocessing, dropped = fit_preprocessing(settings, BANDS, spectra)
    assert dropped == [2, 8]
    rest = np.delete(spectra, [1, 4], axis=1)
    expected, _ = fit_preprocessing(settings, BANDS[[0, 2, 3, 5]], rest)
    for mine, other in zip(_apply(preprocessing, rest), _apply(expected, rest), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_fitting_does_not_change_the_spectra(spectra):
    before = spectra.copy()
    _fit(spectra, spectral_transform="absorbance", principal_components=2)
    np.testing.assert_array_equal(spectra, before)


# -- noise components --------------------------------------------------------------------------------------------------


@pytest.fixture
def region_statistics():
    """Moments of spectra whose signal has two directions, and of noise of which bands have unlike shares."""
    rng = np.random.default_rng(6)
    directions = rng.normal(size=(2, 6)) * [[0.3], [0.1]]
    noise = np.diag(np.linspace(0.001, 0.003, 6))
    return RegionStatistics(rng.uniform(0.1, 0.6, 6), directions.T @ directions + noise, noise)


def _seen(region_statistics):
    """As the fit asks for them: with what it makes of spectra, here nothing but the choice of bands that vary."""

    def converted(convert):
        kept = convert(np.arange(6.0)[None])[0].astype(int)
        inner = np.ix_(kept, kept)
        return RegionStatistics(
            region_statistics.mean[kept], region_statistics.covariance[inner], region_statistics.noise[inner]
        )

    return converted


def _fit_noise(spectra, region_statistics, count, **settings):
    settings = PreprocessingSettings(noise_components=count, **settings)
    return fit_preprocessing(settings, BANDS, spectra, region_statistics=_seen(region_statistics))[0]


@pytest.mark.parametrize("scaling", ["standardize", "minmax"])
@pytest.mark.parametrize("count", [1, 4, 6])
def test_noise_components_are_those_of_the_generalised_eigenproblem_compressed(
    spectra, region_statistics, count, scaling
):
    """Per unit of noise, a component's deviation d becomes d / (1 + d / 4)."""
    distinct = region_statistics.covariance + np.diag(np.geomspace(0.001, 0.05, 6))
    preprocessing = _fit_noise(spectra, replace(region_statistics, covariance=distinct), count, scaling=scaling)
    _, components = _apply(preprocessing, spectra)
    values, vectors = linalg.eigh(distinct, region_statistics.noise)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    expected = (spectra - region_statistics.mean) @ vectors / (1 + np.sqrt(values) / 4)
    signs = np.sign((components * expected).sum(axis=0))
    np.testing.assert_allclose(components * signs, expected, atol=1e-3 * np.abs(expected).max())


def test_no_noise_component_has_a_deviation_above_four_and_weak_ones_keep_their_scale(spectra, region_statistics):
    preprocessing = _fit_noise(spectra, region_statistics, 6)
    axes = preprocessing.projection.astype(np.float64) * preprocessing.gain
    deviation = np.sqrt(np.diag(axes @ region_statistics.covariance @ axes.T))
    assert (np.diff(deviation) < 1e-4).all()
    assert 2 < deviation[0] < 4
    np.testing.assert_allclose(deviation[2:], 1 / 1.25, rtol=1e-3)  # nothing but noise: deviation 1
    mean = _apply(preprocessing, region_statistics.mean[None])[1]
    np.testing.assert_allclose(mean, 0, atol=1e-3)


def test_noise_components_do_not_depend_on_the_labels(spectra, region_statistics):
    one, other = (
        _fit_noise(values, region_statistics, 3) for values in (spectra, spectra[:45].repeat(2, axis=0) + 0.01)
    )
    for mine, theirs in zip(_apply(one, spectra), _apply(other, spectra), strict=True):
        assert mine.shape == theirs.shape
    np.testing.assert_allclose(_apply(one, spectra)[1], _apply(other, spectra)[1], atol=1e-3)


def test_bands_principal_and_noise_components_stand_one_after_the_other(spectra, region_statistics):
    kinds = ({"bands_as_components": True}, {"principal_components": 2}, {})
    counts = (0, 0, 3)
    single = [
        _apply(_fit_noise(spectra, region_statistics, n, **kind), spectra)[1]
        for kind, n in zip(kinds, counts, strict=True)
    ]
    together = _fit_noise(spectra, region_statistics, 3, bands_as_components=True, principal_components=2)
    np.testing.assert_allclose(_apply(together, spectra)[1], np.concatenate(single, axis=1), atol=1e-4)


def test_bands_that_do_not_vary_at_the_labels_take_no_part_in_noise_components(spectra, region_statistics):
    spectra[:, [1, 4]] = 0.25
    preprocessing = _fit_noise(spectra, region_statistics, 4)
    kept = np.array([0, 2, 3, 5])
    rest = RegionStatistics(
        region_statistics.mean[kept],
        region_statistics.covariance[np.ix_(kept, kept)],
        region_statistics.noise[np.ix_(kept, kept)],
    )
    settings = PreprocessingSettings(noise_components=4)
    expected, _ = fit_preprocessing(settings, BANDS[kept], spectra[:, kept], region_statistics=lambda convert: rest)
    np.testing.assert_allclose(preprocessing.projection, expected.projection, rtol=1e-5)
    assert _fit_noise(spectra, region_statistics, 5).channels == 4  # no more than there are bands


def test_noise_components_without_surroundings_are_a_mistake_of_the_programmer(spectra):
    with pytest.raises(ValueError, match="around the labels"):
        _fit(spectra, noise_components=2)


@pytest.mark.parametrize("noise", [0.0, 1e-30])
def test_surroundings_without_noise_give_finite_components(spectra, region_statistics, noise):
    silent = RegionStatistics(region_statistics.mean, region_statistics.covariance, noise * np.eye(6))
    _, components = _apply(_fit_noise(spectra, silent, 6), spectra)
    assert np.isfinite(components).all()
