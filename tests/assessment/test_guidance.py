"""Advice: said where it applies, silent elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.assessment.guidance import (
    advise_on_confusions,
    advise_on_cross_validation,
    advise_on_leakage,
    advise_on_samples,
    advise_on_validation,
)
from hsiattn.assessment.separability import bayes_error_bounds, bhattacharyya_distances, jeffries_matusita

NAMES = ("roof", "grass", "water")
APART = np.full((3, 3), 2.0)


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
    assert "fewer of the others with training.max_per_class=200" in sentence


@pytest.mark.parametrize("leakage", [None, math.nan, 0.0])
def test_no_leakage_needs_no_advice(leakage: float | None) -> None:
    assert advise_on_leakage(leakage, window=9) == []


def test_leakage_is_said_with_the_buffer_that_ends_it() -> None:
    (sentence,) = advise_on_leakage(0.253, window=11)
    assert "25.3 % of the test pixels have a training pixel in their 11 × 11 window" in sentence
    assert "buffer=5 or more" in sentence
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


def test_without_a_test_cross_validation_is_all_that_is_known() -> None:
    (sentence,) = advise_on_cross_validation(60, 0.95, tested=False)
    assert "95.0 % (86.3–98.3 %) of 60 training pixels are right in cross-validation" in sentence
    assert sentence.endswith('hold pixels out with split="blocks"')


def test_with_a_test_cross_validation_matters_where_it_chooses_by_chance() -> None:
    (sentence,) = advise_on_cross_validation(20, 0.5, tested=True)
    assert "50.0 % of 20 training pixels may as well be 29.9–70.1 %" in sentence
    for pixels, accuracy in ((1000, 0.9), (60, 1.0), (60, 0.9)):
        assert advise_on_cross_validation(pixels, accuracy, tested=True) == []


@pytest.mark.parametrize(("groups", "accuracy"), [(24, 0.9), (40, 0.8), (60, 0.6)])
def test_polygons_in_the_number_that_people_draw_are_not_told_that_they_are_few(groups: int, accuracy: float) -> None:
    assert advise_on_cross_validation(20 * groups, accuracy, groups=groups, tested=True) == []


def test_pixels_of_a_polygon_that_were_left_out_together_are_one_trial() -> None:
    (sentence,) = advise_on_cross_validation(200, 0.5, groups=20, tested=True)
    assert "50.0 % of 200 training pixels in 20 polygons may as well be 29.9–70.1 %; label more places" in sentence
    (untested,) = advise_on_cross_validation(600, 0.9, groups=60, tested=False)
    assert "90.0 % (79.9–95.3 %) of 600 training pixels in 60 polygons are right" in untested
    assert "optimistic" not in untested
    (in_part,) = advise_on_cross_validation(50, 0.5, groups=5, tested=True)  # z / (2 √(n + z²)) around one half
    assert "in 5 polygons may as well be 17.0–83.0 %" in in_part
    single = advise_on_cross_validation(20, 0.5, tested=True)
    assert advise_on_cross_validation(20, 0.5, groups=20, tested=True) == single


@pytest.mark.parametrize("tested", [True, False])
def test_no_cross_validation_needs_no_advice(tested: bool) -> None:
    assert advise_on_cross_validation(0, 0.9, tested=tested) == []
    assert advise_on_cross_validation(3, math.nan, tested=tested) == []


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


def test_a_field_with_wrong_labels_is_found() -> None:
    """End to end: training labels are right, a third of the test pixels of one class carries another's name."""
    targets = np.repeat([0, 1], 100)
    spectra = np.random.default_rng(0).normal(5000, 100, (200, 20)) + 150 * targets[:, None]
    separability = jeffries_matusita(bhattacharyya_distances(spectra, targets, 2))
    right, wrong = np.array([[300, 2], [3, 297]]), np.array([[300, 2], [100, 200]])
    assert advise_on_confusions(right, ["oats", "wheat"], separability) == []
    (sentence,) = advise_on_confusions(wrong, ["oats", "wheat"], separability)
    assert "labels may be wrong" in sentence
