"""What is said first of a map that is worse than it looks, and what is said of the choice of classifiers."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from hsiattn.assessment.caveats import (
    describe_choice,
    warn_of_better,
    warn_of_chance,
    warn_of_disagreement,
    warn_of_overconfidence,
    warn_of_unlike_pixels,
)

RIVALS = {"svm": 0.47, "lda": 0.56, "random-forest": 0.51}


def test_the_choice_is_told_with_every_rival_and_the_best_first() -> None:
    text = describe_choice("default", 0.57, RIVALS, chance=0.31, pixels=540, groups=54, agreement=0.9)
    assert text == (
        "on 54 left-out polygons (540 pixels): mixture of default 57 %, lda 56 %, random-forest 51 %, svm 47 % (most "
        "frequent class alone: 31 %); the network follows the mixture on 90 % of unlabelled pixels"
    )


def test_a_classifier_that_is_taken_alone_is_named_and_no_mixture_is() -> None:
    text = describe_choice(
        "default", 0.56, RIVALS, chance=0.31, pixels=54, groups=54, taken_alone="lda", agreement=0.95
    )
    assert text.startswith("on 54 left-out pixels: lda 56 %")
    assert "lda was clearly better than the mixture of default and is followed alone" in text
    assert text.endswith("the network follows lda on 95 % of unlabelled pixels")


def test_single_pixels_are_no_polygons_though_two_of_them_touch() -> None:
    assert describe_choice("default", 1.0, {}, chance=0.1, pixels=80, groups=79).startswith("on 80 left-out pixels: ")


def test_where_nothing_is_left_out_nothing_tells_how_good_the_choice_is() -> None:
    text = describe_choice("default", None, {}, chance=None, pixels=0, groups=0, agreement=0.9)
    assert text == "no group of labels could be left out, so nothing tells how good default's choice of classifiers is"


@pytest.mark.parametrize("right", range(1, 31))
def test_the_most_frequent_class_is_warned_of_unless_the_best_is_above_it_with_its_interval(right: int) -> None:
    lower = binomtest(right, 30).proportion_ci(method="wilson").low
    told = warn_of_chance({"worst": 0.0, "best": right / 30}, 0.4, pixels=3000, groups=30)
    assert bool(told) == (lower <= 0.4)
    assert all("best is right in" in sentence and "30 left-out polygons (3000 pixels)" in sentence for sentence in told)


def test_pixels_of_a_few_polygons_do_not_count_one_by_one() -> None:
    assert warn_of_chance({"lda": 0.5}, 0.3, pixels=300, groups=300) == []
    assert len(warn_of_chance({"lda": 0.5}, 0.3, pixels=300, groups=6)) == 1


def test_a_better_classifier_is_named_with_its_lead() -> None:
    (sentence,) = warn_of_better(0.5, RIVALS, pixels=540, groups=54)
    assert sentence.startswith("lda is 6 points better than what was built: 56 % against 50 %")
    assert 'take recipe="lda"' in sentence


@pytest.mark.parametrize(("accuracy", "groups"), [(0.55, 540), (0.60, 540), (0.5, 10)])
def test_a_lead_of_two_points_or_of_one_group_is_none(accuracy: float, groups: int) -> None:
    assert warn_of_better(accuracy, RIVALS, pixels=540, groups=groups) == []


def test_confidence_is_warned_of_beyond_ten_points_and_beyond_the_interval() -> None:
    assert len(warn_of_overconfidence(0.9, 0.5, pixels=500, groups=50)) == 1
    assert warn_of_overconfidence(0.59, 0.5, pixels=50_000, groups=50_000) == []
    assert warn_of_overconfidence(0.7, 0.5, pixels=500, groups=5) == []


def test_unlike_pixels_and_a_network_of_its_own_mind_are_warned_of_where_there_are_many() -> None:
    assert warn_of_unlike_pixels(None) == warn_of_unlike_pixels(0.1) == []
    assert warn_of_unlike_pixels(0.3)[0].startswith("30 % of the scene")
    assert warn_of_disagreement(0.85, 20) == []
    assert "than 20 epochs" in warn_of_disagreement(0.5, 20)[0]


def test_every_warning_has_a_remedy() -> None:
    sentences = [
        *warn_of_chance({"lda": 0.3}, 0.3, pixels=9, groups=9),
        *warn_of_better(0.1, RIVALS, pixels=99, groups=99),
        *warn_of_overconfidence(0.9, 0.1, pixels=99, groups=99),
        *warn_of_unlike_pixels(0.5),
        *warn_of_disagreement(0.1, 9),
    ]
    assert len(sentences) == 5
    assert all("; " in sentence and "\n" not in sentence and not sentence.endswith(".") for sentence in sentences)
