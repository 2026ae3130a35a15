"""Noise of neighbours and the components that stand out of it, against known noise and scipy."""

import numpy as np
import pytest
from scipy import linalg

from hsiattn.preprocessing.noise import noise_components, noise_covariance


def _pairs(height, width):
    numbers = np.arange(height * width).reshape(height, width)
    across = np.column_stack([numbers[:, :-1].ravel(), numbers[:, 1:].ravel()])
    return np.concatenate([across, np.column_stack([numbers[:-1].ravel(), numbers[1:].ravel()])])


def _noise(count, bands, seed=0):
    """Noise (count, bands) and its true covariance, neighbouring bands correlated."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(bands) + 0.5 * np.eye(bands, k=1) + np.diag(np.linspace(0, 1, bands))
    return rng.normal(size=(count, bands)) @ mixing, mixing.T @ mixing


def test_noise_that_was_added_to_a_constant_scene_is_found_again():
    noise, true = _noise(80 * 90, 4)
    found = noise_covariance(noise.astype(np.float32) + np.float32(5), _pairs(80, 90))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, true, atol=0.05 * np.trace(true))


def test_it_is_half_the_second_moment_of_the_differences():
    spectra, _ = _noise(30, 3)
    pairs = _pairs(5, 6)
    expected = sum(np.outer(d, d) for d in (spectra[i] - spectra[j] for i, j in pairs)) / len(pairs) / 2
    np.testing.assert_allclose(noise_covariance(spectra, pairs), expected, rtol=1e-12)


def _fields(height, width, side, bands):
    rows, columns = np.indices((height, width))
    field = rows // side * (-(-width // side)) + columns // side
    means = 20 * np.random.default_rng(9).normal(size=(field.max() + 1, bands))
    return means[field].reshape(-1, bands)


def _shape(covariance):
    return covariance / np.trace(covariance)


def test_borders_of_fields_hardly_count_where_only_alike_pairs_do():
    noise, true = _noise(80 * 90, 10)
    spectra, pairs = noise + _fields(80, 90, 8, 10), _pairs(80, 90)
    everything, alike = noise_covariance(spectra, pairs), noise_covariance(spectra, pairs, alike=0.5)
    assert np.trace(everything) > 5 * np.trace(true)
    errors = [np.abs(_shape(found) - _shape(true)).max() for found in (everything, alike)]
    assert errors[1] < errors[0] / 4
    assert np.trace(true) / 2 < np.trace(alike) < np.trace(true)  # the pairs that differ least differ less


def test_the_share_of_pairs_that_counts_does_not_change_the_shape_of_noise_without_borders():
    noise, true = _noise(80 * 90, 4)
    for share in (0.3, 0.7, 1.0):
        np.testing.assert_allclose(
            _shape(noise_covariance(noise, _pairs(80, 90), alike=share)), _shape(true), atol=0.03
        )


def test_without_pairs_and_without_differences_there_is_no_noise():
    spectra = np.ones((6, 3), np.float32)
    for share in (1.0, 0.5):
        none = noise_covariance(spectra, np.empty((0, 2), np.int64), alike=share)
        np.testing.assert_array_equal(none, np.zeros((3, 3)))
        np.testing.assert_array_equal(noise_covariance(spectra, _pairs(2, 3), alike=share), np.zeros((3, 3)))


@pytest.fixture
def covariances():
    """Covariance of spectra and of their noise, 7 bands."""
    rng = np.random.default_rng(2)
    _, noise = _noise(2, 7)
    signal = rng.normal(size=(7, 7)) * np.geomspace(10, 0.3, 7)[:, None]
    return signal.T @ signal + noise, noise


@pytest.mark.parametrize("count", [1, 3, 7])
def test_scores_have_uncorrelated_noise_of_unit_variance_and_fall_in_signal_to_noise(covariances, count):
    total, noise = covariances
    axes = noise_components(total, noise, count)
    assert axes.shape == (count, 7)
    np.testing.assert_allclose(axes @ noise @ axes.T, np.eye(count), atol=1e-4)
    scores = axes @ total @ axes.T
    np.testing.assert_allclose(scores, np.diag(np.diag(scores)), atol=1e-4 * scores.max())
    assert (np.diff(np.diag(scores)) <= 0).all()


def test_components_solve_the_generalised_eigenproblem(covariances):
    total, noise = covariances
    axes = noise_components(total, noise, 7)
    values, vectors = linalg.eig(np.linalg.solve(noise, total))  # the general solver, not the symmetric one
    order = np.argsort(values.real)[::-1]
    np.testing.assert_allclose(np.diag(axes @ total @ axes.T), values.real[order], rtol=1e-4)
    for axis, vector in zip(axes, vectors.real.T[order], strict=True):
        assert abs(axis @ vector) / np.linalg.norm(axis) / np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_the_first_component_has_the_highest_signal_to_noise_ratio_of_all_directions(covariances):
    total, noise = covariances
    best = noise_components(total, noise, 1)[0]
    directions = np.random.default_rng(0).normal(size=(5000, 7))
    ratio = np.einsum("nb,bc,nc->n", directions, total, directions) / np.einsum(
        "nb,bc,nc->n", directions, noise, directions
    )
    assert ratio.max() <= best @ total @ best


def test_signs_are_fixed_by_the_largest_entry(covariances):
    axes = noise_components(*covariances, 7)
    assert (axes[np.arange(7), np.abs(axes).argmax(axis=1)] > 0).all()


def test_bands_without_noise_and_scenes_without_noise_have_finite_components(covariances):
    total, noise = covariances
    silent = noise.copy()
    silent[2], silent[:, 2] = 0, 0
    axes = noise_components(total, silent, 7)
    assert np.isfinite(axes).all()
    assert np.abs(axes[0]).argmax() == 2  # nothing stands out of no noise as much
    assert np.isfinite(noise_components(total, 0 * noise, 7)).all()
    assert np.isfinite(noise_components(0 * total, 0 * noise, 7)).all()


def test_of_fewer_bands_than_components_there_are_as_many_as_bands():
    assert noise_components(np.array([[2.0]]), np.array([[0.5]]), 20) == pytest.approx(np.sqrt(2), rel=1e-5)
