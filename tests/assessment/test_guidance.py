"""Advice: said where it applies, silent elsewhere, and its distances against known distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr

from hsiattn.assessment.guidance import (
    advice,
    advise_on_confusions,
    advise_on_leakage,
    advise_on_samples,
    advise_on_validation,
    bayes_error_bounds,
    bhattacharyya_distances,
    jeffries_matusita,
)

NAMES = ("roof", "grass", "water")
APART = np.full((3, 3), 2.0)


def _normal_classes(distance: float, pixels: int, bands: int = 20, seed: int = 0) -> tuple[NDArray, NDArray]:
    """Two classes whose means lie `distance` standard deviations apart, under correlated bands of unequal scale."""
    rng = np.random.default_rng(seed)
    targets = np.repeat([0, 1], pixels)
    white = rng.normal(size=(2 * pixels, bands))
    white[targets == 1] += distance / math.sqrt(bands)
    mixing = rng.normal(size=(bands, bands)) / math.sqrt(bands) + np.eye(bands)
    return 5000 + (white @ mixing) * rng.uniform(1, 100, bands), targets


def test_enough_labels_need_no_advice() -> None:
    assert advise_on_samples({"roof": 10, "grass": 200}, bands=200) == []
    assert advise_on_samples({}, bands=200) == []


def test_classes_with_few_labels_are_named_with_what_they_lack() -> None:
    assert advise_on_samples({"roof": 12, "grass": 7, "water": 0}, bands=64) == [
        "too few training pixels for 64 bands: water has none and grass has 7; "
        "label at least 10 more of water and 3 more of grass"
    ]


def test_many_classes_with_few_labels_are_not_all_named() -> None:
    (sentence,) = advise_on_samples({f"c{k}": k for k in range(1, 9)}, bands=64)
    assert "c1 has 1, c2 has 2, c3 has 3 and 5 more classes have fewer than 10; label at least 10 of each" in sentence


def test_more_than_twenty_to_one_is_unbalanced() -> None:
    assert advise_on_samples({"roof": 10, "grass": 200, "water": 50}, bands=64) == []
    (sentence,) = advise_on_samples({"roof": 10, "grass": 201, "water": 50}, bands=64)
    assert sentence.startswith("training pixels are unbalanced: 201 of grass, 10 of roof; label more of roof")
    assert "--set training.max_per_class=200" in sentence


@pytest.mark.parametrize("leakage", [None, math.nan, 0.0])
def test_no_leakage_needs_no_advice(leakage: float | None) -> None:
    assert advise_on_leakage(leakage, window=9) == []


def test_leakage_is_said_with_the_buffer_that_ends_it() -> None:
    (sentence,) = advise_on_leakage(0.253, window=11)
    assert "25.3 % of the test pixels have a training pixel in their 11 × 11 window" in sentence
    assert "--buffer 5 or more" in sentence
    assert "less than 0.1 %" in advise_on_leakage(1e-5, window=None)[0]


@given(st.integers(1, 5000), st.floats(0, 1))
def test_a_validation_score_is_noise_where_five_points_more_or_less_may_be_true(pixels: int, accuracy: float) -> None:
    # solving |p - p0| ≤ z √(p (1 - p) / n) for p, which is what Wilson's interval means
    p0, z2 = round(accuracy * pixels) / pixels, 1.959964**2 / pixels
    roots = np.roots([1 + z2, -(2 * p0 + z2), p0**2])
    half = abs(roots[0] - roots[1]) / 2
    if abs(half - 0.05) > 1e-6:
        assert bool(advise_on_validation(pixels, accuracy)) == (half > 0.05)


def test_no_validation_needs_no_advice() -> None:
    assert advise_on_validation(0, 0.5) == []
    assert advise_on_validation(20, math.nan) == []
    assert "20 pixels" in advise_on_validation(20, 0.9)[0]


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


def test_confusion_of_classes_whose_spectra_lie_apart_is_remarkable() -> None:
    confusion = np.array([[170, 30, 0], [20, 180, 0], [0, 0, 200]])
    (sentence,) = advise_on_confusions(confusion, NAMES, APART)
    assert sentence.startswith("roof and grass are confused in 12.5 % of their test pixels, though")
    assert "labels may be wrong" in sentence


@pytest.mark.parametrize(
    ("confusion", "allowed"),
    [
        ([[195, 5, 0], [4, 196, 0], [0, 0, 200]], 0.0),  # nine pixels
        ([[9950, 50, 0], [40, 9960, 0], [0, 0, 200]], 0.0),  # a few odd ones among thousands
        ([[170, 30, 0], [20, 180, 0], [0, 0, 200]], 0.1),  # less than twice of what is allowed
        ([[70, 30, 0], [0, 20, 0], [0, 0, 200]], 0.07),  # twice as much, but that may be chance
        ([[170, 30, 0], [0, 0, 0], [0, 0, 200]], 0.0),  # a class without test pixels
    ],
)
def test_confusion_within_what_spectra_and_chance_allow_is_not_remarkable(
    confusion: list[list[int]], allowed: float
) -> None:
    separability = np.full((3, 3), 2 - 4 * allowed)
    assert advise_on_confusions(np.array(confusion), NAMES, separability) == []


def test_classes_that_look_alike_are_to_be_merged() -> None:
    confusion = np.array([[140, 60, 0], [50, 150, 0], [0, 30, 170]])
    separability = APART.copy()
    separability[0, 1] = separability[1, 0] = 0.8
    first, second = advise_on_confusions(confusion, NAMES, separability)
    assert "roof and grass are confused in 27.5 % of their test pixels, and look alike" in first
    assert "10–30 %" in first
    assert "merge them" in first
    assert "grass and water" in second
    confusion = np.array([[190, 10, 0], [9, 191, 0], [0, 0, 200]])
    assert advise_on_confusions(confusion, NAMES, separability) == []  # alike, but the window tells them apart


def test_without_distances_nothing_is_said_of_confusions() -> None:
    confusion = np.full((3, 3), 100)
    assert advise_on_confusions(confusion, NAMES, None) == []
    assert advise_on_confusions(confusion, NAMES, np.full((3, 3), np.nan)) == []
    with pytest.raises(ValueError, match="shape"):
        advise_on_confusions(confusion, NAMES, np.zeros((2, 2)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_chance_alone_rarely_gives_advice(seed: int) -> None:
    """Pixels that err as often as their spectra allow at most, in 66 pairs of classes."""
    rng = np.random.default_rng(seed)
    separability = rng.uniform(1.2, 2.0, (12, 12))
    separability = np.minimum(separability, separability.T)
    _, upper = bayes_error_bounds(separability)
    rates = upper / 11
    np.fill_diagonal(rates, 0)
    np.fill_diagonal(rates, 1 - rates.sum(axis=1))
    confusion = np.stack([rng.multinomial(100, row) for row in rates])
    assert advise_on_confusions(confusion, [str(k) for k in range(12)], separability) == []


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
    pairs = found[np.triu_indices(3, k=1)]
    _, allowed = bayes_error_bounds(jeffries_matusita(pairs))
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


def test_a_field_with_wrong_labels_is_found() -> None:
    """End to end: training labels are right, a third of the test pixels of one class carries another's name."""
    spectra, targets = _normal_classes(6.0, pixels=100)
    separability = jeffries_matusita(bhattacharyya_distances(spectra, targets, 2))
    right, wrong = np.array([[300, 2], [3, 297]]), np.array([[300, 2], [100, 200]])
    assert advise_on_confusions(right, ["oats", "wheat"], separability) == []
    (sentence,) = advise_on_confusions(wrong, ["oats", "wheat"], separability)
    assert "labels may be wrong" in sentence


def test_advice_comes_in_order_of_importance_and_five_at_most() -> None:
    confusion = np.array([[100, 60, 60], [60, 100, 60], [60, 60, 100]])
    everything = {
        "training": {"roof": 3, "grass": 500, "water": 20}, "bands": 200, "leakage": 0.4, "window": 7,
        "validation_pixels": 20, "validation_accuracy": 0.8, "confusion": confusion, "names": NAMES,
        "separability": APART,
    }  # fmt: skip
    sentences = advice(**everything)  # type: ignore[arg-type]
    starts = ("accuracy flatters", "too few", "training pixels are unbalanced", "roof and grass", "roof and water")
    assert len(sentences) == 5
    assert all(sentence.startswith(start) for sentence, start in zip(sentences, starts, strict=True))
    assert all("; " in sentence and "\n" not in sentence for sentence in sentences)
    some = advice(**{**everything, "leakage": 0.0, "confusion": None})  # type: ignore[arg-type]
    assert [sentence.split()[0] for sentence in some] == ["too", "training", "the"]
    assert advice() == []
