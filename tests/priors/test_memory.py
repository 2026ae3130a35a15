"""Saliency of patterns within and between classes, against plain loops."""

import numpy as np
import pytest

from hsiattn.priors import Codebook, distinctness, memorise, occurrences, saliency

COUNTS = np.array([[8.0, 2.0, 0.0, 0.0], [1.0, 1.0, 3.0, 0.0], [0.0, 0.0, 5.0, 0.0]])


def test_occurrences_are_counted_one_by_one():
    rng = np.random.default_rng(0)
    patterns, shares = rng.integers(5, size=40), rng.dirichlet(np.ones(3), size=40)
    counted = np.zeros((3, 6))
    for pattern, of_classes in zip(patterns, shares, strict=True):
        for k in range(3):
            counted[k, pattern] += of_classes[k]
    np.testing.assert_allclose(occurrences(patterns, shares, 6), counted)


@pytest.mark.parametrize(("within", "between"), [(1.0, 1.0), (0.0, 1.0), (0.5, 2.0)])
def test_saliency_is_the_frequency_in_the_class_times_the_share_among_classes(within, between):
    found = saliency(COUNTS, within, between)
    classes, patterns = COUNTS.shape
    frequency = [[COUNTS[c, p] / sum(COUNTS[c]) for p in range(patterns)] for c in range(classes)]
    for c in range(classes):
        for p in range(patterns):
            over_classes = sum(frequency[other][p] for other in range(classes))
            if over_classes == 0:
                expected = 1 / classes
            elif frequency[c][p] == 0:
                expected = 0.0
            else:
                own, share = frequency[c][p] / max(frequency[c]), frequency[c][p] / over_classes
                expected = own**within * share**between
            assert found[c, p] == pytest.approx(expected)


def test_a_pattern_that_was_never_seen_says_nothing():
    np.testing.assert_array_equal(saliency(COUNTS)[:, 3], np.full(3, 1 / 3))


def test_a_class_that_looks_like_another_is_not_remembered():
    counts = np.array([[5.0, 5.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 9.0]])
    np.testing.assert_allclose(distinctness(counts), [0.25, 0.25, 1.0])  # half of what looks like it; chance is a third
    book = Codebook(np.eye(1, dtype=np.float32), np.arange(3, dtype=np.float32)[:, None])
    pixels = np.repeat(np.arange(3.0), [10, 10, 9])[:, None]
    shares = np.repeat(np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]), [20, 9], axis=0)
    memory = memorise(book, pixels, shares, least_distinctness=0.3)
    np.testing.assert_array_equal(memory.counts, counts)
    np.testing.assert_array_equal(memory.remembered, [False, False, True])


def test_a_class_without_a_pixel_is_not_remembered():
    assert distinctness(np.array([[2.0], [0.0]])).tolist() == [1.0, 0.0]
