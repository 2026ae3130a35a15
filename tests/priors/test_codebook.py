"""Patterns of pixels: the nearest of a codebook, which k-means finds."""

import numpy as np
import pytest

from hsiattn.priors import Codebook, fit_codebook, leading_axes


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    middles = 6.0 * rng.normal(size=(4, 5))
    return (middles[rng.integers(4, size=200)] + rng.normal(size=(200, 5))).astype(np.float32)


def test_the_pattern_of_a_pixel_is_the_nearest_one(pixels):
    rng = np.random.default_rng(1)
    book = Codebook(rng.normal(size=(3, 5)).astype(np.float32), rng.normal(size=(7, 3)).astype(np.float32))
    found = book.patterns_of(pixels)
    for pixel, pattern in zip(pixels[:50], found[:50], strict=True):
        place = book.projection.astype(float) @ pixel
        distances = [np.linalg.norm(place - centre) for centre in book.centres]
        assert pattern == int(np.argmin(distances))


def test_k_means_puts_each_pattern_in_the_middle_of_its_pixels(pixels):
    book = fit_codebook(pixels, np.eye(5), patterns=4, seed=0)
    found = book.patterns_of(pixels)
    for pattern in range(4):
        np.testing.assert_allclose(book.centres[pattern], pixels[found == pattern].mean(axis=0), atol=1e-4)


def test_the_same_seed_gives_the_same_codebook(pixels):
    first, again = (fit_codebook(pixels, np.eye(5), patterns=9, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.centres, again.centres)


def test_there_are_no_more_patterns_than_different_pixels():
    assert len(fit_codebook(np.repeat(np.eye(3), 4, axis=0), np.eye(3), patterns=20, seed=0)) == 3


def test_leading_axes_are_those_of_a_singular_value_decomposition(pixels):
    _, _, vectors = np.linalg.svd(pixels - pixels.mean(axis=0))
    for ours, theirs in zip(leading_axes(pixels, 2), vectors, strict=False):
        assert abs(ours @ theirs) == pytest.approx(1, abs=1e-5)


def test_pixels_without_any_difference_have_one_pattern():
    same = np.ones((6, 3), np.float32)
    assert len(fit_codebook(same, leading_axes(same, 2), patterns=5, seed=0)) == 1


def test_all_but_outliers_are_within_reach_of_a_pattern(pixels):
    book = fit_codebook(pixels, np.eye(5), patterns=4, seed=0)
    squares = np.square(pixels[:, None] - book.centres).sum(axis=2).min(axis=1)
    assert book.reach == pytest.approx(25 * np.quantile(squares, 0.99), rel=1e-3)
    assert (squares <= book.reach).all()
