"""Distances of classes against known distributions, and the errors that they allow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from hsiattn.assessment.separability import (
    bayes_error_bounds,
    bhattacharyya_distances,
    jeffries_matusita,
    pairs,
)


def _normal_classes(distance: float, pixels: int, bands: int = 20, seed: int = 0) -> tuple[NDArray, NDArray]:
    """Two classes whose means lie `distance` standard deviations apart, under correlated bands of unequal scale."""
    rng = np.random.default_rng(seed)
    targets = np.repeat([0, 1], pixels)
    white = rng.normal(size=(2 * pixels, bands))
    white[targets == 1] += distance / math.sqrt(bands)
    mixing = rng.normal(size=(bands, bands)) / math.sqrt(bands) + np.eye(bands)
    return 5000 + (white @ mixing) * rng.uniform(1, 100, bands), targets


def test_the_bounds_hold_the_error_of_normal_classes() -> None:
    distances = np.linspace(0, 6, 50)
    lower, upper = bayes_error_bounds(jeffries_matusita(distances**2 / 8))
    error = ndtr(-distances / 2)
    assert (lower <= error + 1e-12).all()
    assert (error <= upper + 1e-12).all()
    assert jeffries_matusita([0.0, np.inf]).tolist() == [0, 2]


def test_the_bounds_are_those_of_the_bhattacharyya_distance() -> None:
    b = np.array([0.01, 0.5, 3.0])
    lower, upper = bayes_error_bounds(jeffries_matusita(b))
    np.testing.assert_allclose(lower, (1 - np.sqrt(1 - np.exp(-2 * b))) / 2)
    np.testing.assert_allclose(upper, np.exp(-b) / 2)


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0, 3.5])
def test_many_pixels_give_the_distance_of_normal_classes_or_somewhat_less(distance: float) -> None:
    found = [bhattacharyya_distances(*_normal_classes(distance, 500, seed=k), 2) for k in range(5)]
    truth = distance**2 / 8
    assert 0.8 * truth - 0.02 <= np.mean([table[0, 1] for table in found]) <= 1.05 * truth + 0.02
    np.testing.assert_array_equal(found[0], found[0].T)


def test_noise_in_many_bands_does_not_tell_classes_apart() -> None:
    """In 200 bands a discriminant of 20 pixels is perfect on those 20, and on no others."""
    found = [bhattacharyya_distances(*_normal_classes(0.0, 10, bands=200, seed=k), 2)[0, 1] for k in range(20)]
    assert np.mean(found) < 0.1


def test_ten_pixels_do_tell_clear_classes_apart() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], 10)
    slopes = np.stack([np.linspace(100, top, 200) for top in (300, 500, 700)])
    spectra = slopes[targets] * rng.normal(1, 0.03, (30, 1)) + rng.normal(0, 5, (30, 200))
    found = bhattacharyya_distances(spectra, targets, 3)
    apart = found[np.triu_indices(3, k=1)]
    _, allowed = bayes_error_bounds(jeffries_matusita(apart))
    assert (allowed < 0.1).all()
    assert np.isfinite(found).all()


def test_one_odd_pixel_does_not_change_the_distance_much() -> None:
    spectra, targets = _normal_classes(3.0, pixels=100)
    before = bhattacharyya_distances(spectra, targets, 2)[0, 1]
    spectra[7] *= 10
    after = bhattacharyya_distances(spectra, targets, 2)[0, 1]
    assert after == pytest.approx(before, rel=0.35)


def test_distances_do_not_depend_on_units_or_offset() -> None:
    spectra, targets = _normal_classes(2.0, pixels=50)
    found = bhattacharyya_distances(spectra, targets, 2)
    np.testing.assert_allclose(bhattacharyya_distances(1e-4 * spectra - 0.3, targets, 2), found, atol=1e-9)


def test_classes_with_too_few_pixels_have_no_distance() -> None:
    spectra, targets = _normal_classes(2.0, pixels=20)
    targets = np.concatenate([targets, [2, 2]])
    spectra = np.concatenate([spectra, spectra[:2]])
    found = bhattacharyya_distances(spectra, targets, 4)
    assert np.isfinite(found[:2, :2]).all()
    assert np.isnan(found[2:, :2]).all()
    assert np.diagonal(found).tolist() == [0, 0, 0, 0]
    assert np.isnan(bhattacharyya_distances(np.empty((0, 5)), np.empty(0, int), 2)[0, 1])


def test_spectra_without_scatter_are_as_far_apart_as_their_number_can_show() -> None:
    spectra = np.repeat([[1.0, 5.0, 3.0], [2.0, 5.0, 1.0]], 4, axis=0)
    found = bhattacharyya_distances(spectra, np.repeat([0, 1], 4), 2)[0, 1]
    assert ndtr(2 * math.sqrt(found)) == pytest.approx(1 - 1 / 32)
    assert bhattacharyya_distances(np.ones((8, 3)), np.repeat([0, 1], 4), 2)[0, 1] == 0


@pytest.mark.parametrize(
    ("spectra", "targets"),
    [(np.ones((4, 2)), [0, 1]), (np.ones(4), [0] * 4), (np.full((4, 2), np.nan), [0] * 4), (np.ones((2, 2)), [0, 2])],
)
def test_spectra_that_do_not_fit_are_refused(spectra: NDArray, targets: list[int]) -> None:
    with pytest.raises(ValueError, match=r"spectra|targets"):
        bhattacharyya_distances(spectra, targets, 2)


def test_pairs_are_those_above_the_diagonal() -> None:
    assert list(pairs(4)) == list(zip(*np.triu_indices(4, k=1), strict=True))
    assert list(pairs(1)) == []
