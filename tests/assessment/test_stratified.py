"""Stratified estimates against published worked examples, a loop over pixels, and populations that are known."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.assessment import metrics
from hsiattn.assessment.intervals import wilson_interval
from hsiattn.assessment.stratified import StratifiedCounts

# Stehman 2014, Table 2: ten pixels of each of four strata, map class, reference class.
STEHMAN_STRATUM = np.repeat([0, 1, 2, 3], 10)
STEHMAN_MAP = np.array(["ABCD".index(c) for c in "AAAAAAABBBABBBBBBBBBBBCCCCCCBBDDDDDDDDDD"])
STEHMAN_REFERENCE = np.array(["ABCD".index(c) for c in "AAAAACBABCABBBBBAABBCCCCCDDBBADDDDDDDCCB"])
STEHMAN_SIZES = [40_000, 30_000, 20_000, 10_000]

# Olofsson et al. 2014, Table 8: rows are the map here as there; deforestation, gain, stable forest, stable non-forest.
OLOFSSON = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
OLOFSSON_SIZES = np.array([200_000, 150_000, 3_200_000, 6_450_000])


@pytest.fixture
def stehman() -> StratifiedCounts:
    return StratifiedCounts.of_pixels(STEHMAN_SIZES, STEHMAN_STRATUM, STEHMAN_REFERENCE, STEHMAN_MAP, 4)


def test_the_example_of_stehman_2014(stehman: StratifiedCounts) -> None:
    assert stehman.overall_accuracy.value == pytest.approx(0.63)
    assert stehman.overall_accuracy.error == pytest.approx(0.0847, abs=5e-5)
    assert np.round(stehman.overall_accuracy.interval(), 3).tolist() == [0.464, 0.796]
    np.testing.assert_allclose(stehman.shares.value, [0.35, 0.34, 0.20, 0.11])
    np.testing.assert_allclose(stehman.shares.error, [0.0823, 0.0759, 0.0643, 0.0307], atol=5e-5)
    np.testing.assert_allclose(stehman.users_accuracy.value, [0.742, 0.574, 0.500, 0.700], atol=5e-4)
    np.testing.assert_allclose(stehman.users_accuracy.error, [0.1646, 0.1248, 0.2152, 0.1527], atol=1e-4)
    np.testing.assert_allclose(stehman.producers_accuracy.value, [0.657, 0.794, 0.300, 0.636], atol=5e-4)
    np.testing.assert_allclose(stehman.producers_accuracy.error, [0.1477, 0.1166, 0.1504, 0.1623], atol=1e-4)
    assert stehman.cells[2, 1] == pytest.approx(0.08)


def test_the_example_of_olofsson_2014() -> None:
    counts = StratifiedCounts.of_map_classes(OLOFSSON_SIZES, OLOFSSON.T)
    z = 1.96

    def printed(ratio: object) -> list[list[float]]:
        return [np.round(ratio.value, 2).tolist(), np.round(z * ratio.error, 2).tolist()]  # type: ignore[attr-defined]

    assert printed(counts.overall_accuracy) == [0.95, 0.02]
    assert printed(counts.users_accuracy) == [[0.88, 0.73, 0.93, 0.96], [0.07, 0.10, 0.04, 0.02]]
    assert printed(counts.producers_accuracy)[0] == [0.75, 0.85, 0.93, 0.96]
    hectares = OLOFSSON_SIZES.sum() * 0.09  # pixels of Landsat
    assert counts.shares.value[0] * hectares == pytest.approx(21_158, abs=1)
    assert z * counts.shares.error[0] * hectares == pytest.approx(6_158, abs=2)


def test_figures_of_strata_that_are_map_classes_are_those_of_olofsson_2013_by_their_own_formulas() -> None:
    """Equations 5 to 7 of Olofsson et al. 2014, which do without the finite population correction."""
    counts = StratifiedCounts.of_map_classes(1e12 * OLOFSSON_SIZES, OLOFSSON.T)
    n, weight = OLOFSSON.sum(axis=1), OLOFSSON_SIZES / OLOFSSON_SIZES.sum()
    right = np.diag(OLOFSSON)
    users = right / n
    overall = np.sqrt(np.sum(weight**2 * users * (1 - users) / (n - 1)))
    assert counts.overall_accuracy.error == pytest.approx(overall)
    np.testing.assert_allclose(counts.users_accuracy.error, np.sqrt(users * (1 - users) / (n - 1)))
    shares = OLOFSSON / n[:, None]
    area = (weight[:, None] * shares).sum(axis=0)
    np.testing.assert_allclose(
        counts.shares.error, np.sqrt((weight[:, None] ** 2 * shares * (1 - shares) / (n - 1)[:, None]).sum(axis=0))
    )
    producers = weight * users / area
    for j in range(4):
        others = [i for i in range(4) if i != j]
        first = weight[j] ** 2 * (1 - producers[j]) ** 2 * users[j] * (1 - users[j]) / (n[j] - 1)
        second = sum(weight[i] ** 2 * shares[i, j] * (1 - shares[i, j]) / (n[i] - 1) for i in others)
        expected = np.sqrt(first + producers[j] ** 2 * second) / area[j]
        assert counts.producers_accuracy.error[j] == pytest.approx(expected)


def test_every_figure_is_that_of_weighted_pixels_and_its_error_that_of_residuals(stehman: StratifiedCounts) -> None:
    """Brute force: each figure as a function of weighted pixels, and its variance by numerical derivatives."""
    n_h = np.bincount(STEHMAN_STRATUM)
    base = (np.array(STEHMAN_SIZES) / n_h)[STEHMAN_STRATUM] / sum(STEHMAN_SIZES)

    def table(weights: np.ndarray) -> np.ndarray:
        cells = np.zeros((4, 4))
        np.add.at(cells, (STEHMAN_REFERENCE, STEHMAN_MAP), weights)
        return cells

    for name, measure in (
        ("overall_accuracy", metrics.overall_accuracy),
        ("average_accuracy", metrics.average_accuracy),
        ("kappa", metrics.kappa),
        ("f1", metrics.f1_score),
        ("iou", metrics.intersection_over_union),
        ("users_accuracy", metrics.users_accuracy),
        ("producers_accuracy", metrics.producers_accuracy),
        ("shares", lambda cells: cells.sum(axis=-1) / cells.sum()),
    ):
        found = getattr(stehman, name)
        np.testing.assert_allclose(found.value, measure(table(base)))
        slopes = []
        for pixel in range(len(base)):
            step = np.zeros(len(base))
            step[pixel] = 1e-6
            slopes.append((measure(table(base + step)) - measure(table(base - step))) / 2e-6)
        variance = 0.0
        for h in range(4):
            scores = np.array(slopes)[h == STEHMAN_STRATUM] * STEHMAN_SIZES[h] / sum(STEHMAN_SIZES)
            variance = variance + scores.var(axis=0, ddof=1) / n_h[h]
        np.testing.assert_allclose(found.error, np.sqrt(variance), rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ["overall_accuracy", "kappa", "average_accuracy"])
def test_any_figure_of_a_matrix_can_be_estimated(stehman: StratifiedCounts, name: str) -> None:
    found, known = stehman.estimated(getattr(metrics, name)), getattr(stehman, name)
    assert found.value == pytest.approx(known.value)
    assert found.error == pytest.approx(known.error, rel=1e-5)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """A population that is known, of which samples are drawn again and again: no bias, and coverage near 95 %."""
    rng = np.random.default_rng(3)
    size, n_classes, sampled = 60_000, 3, np.array([400, 350, 300, 250])
    stratum = rng.choice(4, size, p=[0.5, 0.3, 0.15, 0.05])
    truth = np.array([rng.choice(n_classes, size, p=p) for p in ([0.8, 0.15, 0.05], [0.2, 0.7, 0.1])])
    truth = np.where(stratum < 2, truth[0], truth[1])
    mapped = np.where(rng.random(size) < 0.75, truth, rng.integers(0, n_classes, size))
    mapped[rng.random(size) < 0.02] = -1  # unclassified
    sizes = np.bincount(stratum)
    cells = np.zeros((n_classes, n_classes + 1))
    np.add.at(cells, (truth, mapped), 1)
    known = {
        "overall_accuracy": metrics.overall_accuracy(cells[:, :-1], cells[:, -1]),
        "shares": cells.sum(axis=1) / size,
        "producers_accuracy": metrics.producers_accuracy(cells[:, :-1], cells[:, -1]),
        "users_accuracy": metrics.users_accuracy(cells[:, :-1]),
        "f1": metrics.f1_score(cells[:, :-1], cells[:, -1]),
        "kappa": metrics.kappa(cells[:, :-1], cells[:, -1]),
        "average_accuracy": metrics.average_accuracy(cells[:, :-1], cells[:, -1]),
    }
    places = [np.flatnonzero(stratum == h) for h in range(4)]
    values, hits = {name: [] for name in known}, {name: [] for name in known}
    for _ in range(600):
        drawn = np.concatenate([rng.choice(p, n, replace=False) for p, n in zip(places, sampled, strict=True)])
        counts = StratifiedCounts.of_pixels(sizes, stratum[drawn], truth[drawn], mapped[drawn], n_classes)
        for name, expected in known.items():
            ratio = getattr(counts, name)
            lower, upper = ratio.interval()
            values[name].append(ratio.value)
            hits[name].append((lower <= expected) & (expected <= upper))
    for name, expected in known.items():
        np.testing.assert_allclose(np.mean(values[name], axis=0), expected, atol=0.01, err_msg=name)
        coverage = np.mean(hits[name], axis=0)
        assert np.all(np.abs(coverage - 0.95) < 0.03), (name, coverage)


def test_a_sample_of_every_pixel_has_no_error() -> None:
    counts = StratifiedCounts.of_pixels([3, 2], [0, 0, 0, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 1, 1], 2)
    assert counts.overall_accuracy.value == pytest.approx(0.8)
    assert counts.overall_accuracy.error == 0
    assert np.allclose(counts.overall_accuracy.interval(), 0.8)
    assert np.allclose(counts.users_accuracy.interval(), counts.users_accuracy.value)


def test_the_finite_population_correction_counts_where_more_than_a_twentieth_is_sampled() -> None:
    def error(size: int) -> float:
        counts = StratifiedCounts.of_pixels([size], [0] * 100, [0] * 100, [0] * 80 + [1] * 20, 2)
        return float(counts.overall_accuracy.error)

    plain = np.sqrt(0.8 * 0.2 / 99)
    assert error(2_000) == pytest.approx(plain)
    assert error(400) == pytest.approx(plain * np.sqrt(1 - 100 / 400))


def test_all_right_is_no_proof_of_a_perfect_map() -> None:
    counts = StratifiedCounts.of_map_classes([10_000, 20_000], np.diag([30, 60]))
    assert counts.overall_accuracy.error == 0
    gaps = 1 - np.array(wilson_interval([30, 60], [30, 60])[0])
    assert counts.overall_accuracy.interval()[0] == pytest.approx(1 - np.hypot(gaps[0] / 3, gaps[1] * 2 / 3))
    assert counts.overall_accuracy.interval()[1] == 1
    lower, upper = counts.shares.interval()
    np.testing.assert_allclose(1 / 3 - lower[0], gaps[0] / 3)  # nothing of class 0 was seen in the other stratum
    assert ((lower < counts.shares.value) & (counts.shares.value < upper)).all()
    assert np.allclose(counts.users_accuracy.interval(), wilson_interval([30, 60], [30, 60]))


@pytest.mark.parametrize("seed", range(5))
def test_all_right_is_seen_in_spite_of_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stratum, classes = rng.integers(0, 3, 100), rng.integers(0, 3, 100)
    counts = StratifiedCounts.of_pixels([9_431, 5_127, 1_777], stratum, classes, classes, 3)
    for ratio in (counts.overall_accuracy, counts.users_accuracy, counts.producers_accuracy, counts.f1):
        assert (ratio.value == 1).all()
        assert (ratio.error == 0).all()
        assert (ratio.interval()[0] < 0.99).all()


def test_strata_without_sample_are_left_out_and_those_with_one_pixel_borrow_a_variance() -> None:
    counts = StratifiedCounts.of_pixels([600, 300, 100], [0] * 10 + [1], [0] * 8 + [1] * 3, [0] * 10 + [1], 2)
    assert counts.unsampled.tolist() == [False, False, True]
    assert counts.single.tolist() == [False, True, False]
    assert counts.covered == pytest.approx(0.9)
    assert counts.overall_accuracy.value == pytest.approx((600 * 0.8 + 300) / 900)
    assert counts.overall_accuracy.error > np.sqrt((2 / 3) ** 2 * (1 - 10 / 600) * 0.16 * 10 / 9 / 10)


def test_one_pixel_alone_tells_no_error() -> None:
    counts = StratifiedCounts.of_pixels([10], [0], [0], [0], 1)
    assert counts.overall_accuracy.value == 1
    assert np.isnan(counts.overall_accuracy.error)
    assert np.isnan(counts.kappa.value)


def test_classes_that_nobody_saw_have_no_accuracy() -> None:
    counts = StratifiedCounts.of_pixels([50], [0] * 5, [0] * 5, [0] * 5, 2)
    assert np.isnan(counts.producers_accuracy.value[1])
    assert np.isnan(counts.users_accuracy.value[1])
    assert counts.shares.value.tolist() == [1, 0]
    assert counts.shares.interval()[1][1] > 0.2  # five pixels prove little


def test_nothing_sampled_is_not_defined() -> None:
    counts = StratifiedCounts.of_map_classes([10, 10], np.zeros((2, 2), int))
    assert np.isnan(counts.overall_accuracy.value)
    assert np.isnan(counts.average_accuracy.value)
    assert counts.covered == 0


def test_more_sampled_pixels_than_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="more sampled pixels"):
        StratifiedCounts.of_pixels([1], [0, 0], [0, 0], [0, 0], 1)
