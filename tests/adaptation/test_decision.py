"""Decisions from made-up evidence, and the figures of evidence by formula."""

import numpy as np
import pytest

from hsiattn.adaptation.decision import SOURCE, decide, paired
from hsiattn.adaptation.evidence import Evidence, coherence, information


def _evidence(**distances):
    return {name: Evidence(0.9, 0.5, 0.5, agreement=1.0, distance=distance) for name, distance in distances.items()}


def test_the_nearest_is_taken_if_it_is_clearly_nearer():
    assert decide(_evidence(source=4.0, radiometric=1.3, moments=1.5)).chosen == "radiometric"
    assert decide(_evidence(source=1.4, radiometric=1.35)).chosen == SOURCE


def test_methods_that_make_distributions_equal_must_be_nearer_by_half():
    assert decide(_evidence(source=9.0, radiometric=1.5, coral=1.0)).chosen == "radiometric"
    assert decide(_evidence(source=9.0, radiometric=3.0, coral=1.0)).chosen == "coral"


def test_one_that_learned_must_agree_with_its_start_and_say_more():
    known = _evidence(source=4.0, radiometric=1.0)
    alike = Evidence(0.95, 0.6, 0.6, agreement=0.95, start="radiometric")
    assert decide({**known, "self-training": alike}).chosen == "self-training"
    apart = Evidence(0.99, 0.9, 0.9, agreement=0.6, start="radiometric")
    assert decide({**known, "self-training": apart}).chosen == "radiometric"


def test_nothing_is_taken_where_nothing_is_known():
    assert decide({"source": Evidence(0.9, 0.5, 0.5), "coral": Evidence(0.9, 0.5, 0.5)}).chosen == SOURCE


def test_labels_overrule_distance_where_they_are_clear():
    evidence, groups = _evidence(source=4.0, radiometric=1.0), np.arange(20)
    right = {SOURCE: np.ones(20, bool), "radiometric": np.arange(20) % 2 == 0}
    found = decide(evidence, right, groups)
    assert (found.chosen, found.by) == (SOURCE, "labels")
    right = {SOURCE: np.arange(20) > 0, "radiometric": np.arange(20) < 19}
    assert decide(evidence, right, groups).chosen == "radiometric"


def test_pixels_of_one_group_count_once():
    own, other = np.array([True] * 9 + [False]), np.array([False] * 9 + [True])
    together, apart = np.array([0] * 9 + [1]), np.arange(10)
    assert paired(own, other, apart)[1] < paired(own, other, together)[1]
    mean, error = paired(own, other, apart)
    gained = own.astype(float) - other
    assert mean == pytest.approx(gained.mean())
    assert error == pytest.approx(gained.std(ddof=1) / np.sqrt(10), rel=1e-6)
    assert paired(own, other, np.zeros(10))[1] > abs(paired(own, other, np.zeros(10))[0])


def test_information_is_that_of_the_formula():
    shares = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    mean = shares.mean(axis=0)
    expected = (-(mean * np.log(mean)).sum() + (shares * np.log(shares)).sum(axis=1).mean()) / np.log(4)
    assert information(shares) == pytest.approx(expected)
    assert information(np.eye(3)) == pytest.approx(1, abs=1e-6)
    assert information(np.full((5, 3), 1 / 3)) == pytest.approx(0, abs=1e-6)


def test_coherence_is_that_of_a_loop_over_neighbours():
    rng = np.random.default_rng(2)
    classes, valid = rng.integers(0, 3, (6, 7)), rng.random((6, 7)) > 0.2
    same = pairs = 0
    for i, j in np.ndindex(6, 7):
        for a, b in ((i + 1, j), (i, j + 1)):
            if a < 6 and b < 7 and valid[i, j] and valid[a, b]:
                pairs += 1
                same += classes[i, j] == classes[a, b]
    chance = np.square(np.bincount(classes[valid]) / valid.sum()).sum()
    assert coherence([classes], [valid]) == pytest.approx((same / pairs - chance) / (1 - chance))
    assert coherence([np.zeros((4, 4), int)], [np.ones((4, 4), bool)]) == 0
