"""Tests of significance against enumerations of their null distributions, published tables and SciPy."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from hsiattn.assessment.significance import (
    PairedTest,
    cliques,
    friedman_ranks,
    holm,
    mcnemar,
    mean_interval,
    nemenyi_critical_difference,
    wilcoxon_signed_rank,
)

# Table 6 of Demsar 2006: area under the curve of C4.5 with no, m, cf, and both parameters tuned, on 14 data sets. In
# the last row but one the table prints 0.975 twice and ranks the first above the second.
DEMSAR = [
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
]  # fmt: skip


def _maps(only_a: int, only_b: int, both: int = 5, neither: int = 3) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    sizes = [only_a, only_b, both, neither]
    return np.repeat([True, False, True, False], sizes), np.repeat([False, True, True, False], sizes)


@given(only_a=st.integers(0, 24), only_b=st.integers(0, 24))
def test_few_discordant_pixels_are_counted_out(only_a: int, only_b: int) -> None:
    pairs = only_a + only_b
    if not 0 < pairs < 25:
        return
    tail = sum(comb(pairs, k) for k in range(min(only_a, only_b) + 1)) / 2**pairs
    test = mcnemar(*_maps(only_a, only_b))
    assert test.p_value == pytest.approx(min(1.0, 2 * tail))
    assert test.pairs == pairs


def test_many_discordant_pixels_are_compared_with_chi_squared() -> None:
    test = mcnemar(*_maps(121, 59))
    assert test.statistic == pytest.approx((62 - 1) ** 2 / 180)
    assert test.p_value == pytest.approx(stats.chi2.sf(61**2 / 180, 1))
    assert mcnemar(*_maps(25, 25)).p_value == 1


def test_maps_with_the_same_errors_do_not_differ() -> None:
    assert mcnemar([True, False, True], [True, False, True]) == PairedTest(0.0, 1.0, 0)


def test_mcnemar_does_not_ask_which_map_comes_first() -> None:
    for counts in ((3, 9), (30, 50)):
        a, b = _maps(*counts)
        assert mcnemar(a, b) == mcnemar(b, a)


def test_maps_of_different_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        mcnemar([True, False], [True])


@settings(max_examples=50)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=10))
def test_few_signed_ranks_are_counted_out_with_ties_and_zeros(differences: list[int]) -> None:
    values = np.array([value for value in differences if value])
    test = wilcoxon_signed_rank(differences)
    assert test.pairs == len(values)
    if not len(values):
        assert test.p_value == 1
        return
    ranks = stats.rankdata(np.abs(values))
    observed = min(ranks[values > 0].sum(), ranks[values < 0].sum())
    sums = [np.dot(signs, ranks) for signs in itertools.product((0, 1), repeat=len(ranks))]
    assert test.statistic == observed
    assert test.p_value == pytest.approx(min(1.0, 2 * np.mean(np.array(sums) <= observed)))


@pytest.mark.parametrize("pairs", [5, 20, 50])
def test_without_ties_the_exact_p_value_is_that_of_scipy(pairs: int) -> None:
    differences = np.random.default_rng(pairs).normal(0.2, 1, pairs)
    expected = stats.wilcoxon(differences, method="exact")
    test = wilcoxon_signed_rank(differences)
    assert (test.statistic, test.p_value) == pytest.approx((expected.statistic, expected.pvalue))


def test_many_pairs_take_the_normal_approximation_corrected_for_ties() -> None:
    differences = np.random.default_rng(2).integers(-8, 11, 200)
    differences = differences[differences != 0]
    ranks = stats.rankdata(np.abs(differences))
    smaller = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    # a rank counts or not, with equal chance: a variance of rank² / 4 each, for shared ranks as well
    z = (smaller - ranks.sum() / 2) / np.sqrt((ranks**2).sum() / 4)
    test = wilcoxon_signed_rank([*differences, 0, 0])
    assert (test.statistic, test.p_value) == pytest.approx((smaller, 2 * stats.norm.cdf(z)))
    assert test.pairs == len(differences)


def test_rounding_errors_neither_break_ties_nor_make_a_difference() -> None:
    accuracies = np.array([[0.9, 0.8], [0.8, 0.7], [0.3, 0.1 + 0.2], [0.7, 0.8]])
    assert len({*np.abs(accuracies[:, 0] - accuracies[:, 1])}) > 2
    assert wilcoxon_signed_rank(accuracies[:, 0] - accuracies[:, 1]) == wilcoxon_signed_rank([1, 1, 0, -1])


def test_five_seeds_that_agree_cannot_be_significant() -> None:
    assert wilcoxon_signed_rank([1, 2, 3, 4, 5]).p_value == 2 / 32


@pytest.mark.parametrize("differences", [[[1.0]], [np.nan, 1.0], [np.inf]])
def test_differences_that_are_no_numbers_are_refused(differences: object) -> None:
    with pytest.raises(ValueError, match="finite"):
        wilcoxon_signed_rank(differences)  # type: ignore[arg-type]


def test_holm_rejects_as_the_steps_of_his_paper_do() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.sampled_from([0.01, 0.05, 0.3]))
def test_adjusted_p_values_are_those_of_the_step_down_procedure(p_values: list[float], level: float) -> None:
    rejected, remaining = set(), len(p_values)
    for index in np.argsort(p_values, kind="stable"):
        if p_values[index] * remaining > level:
            break
        rejected.add(int(index))
        remaining -= 1
    adjusted = holm(p_values)
    assert {int(k) for k in np.flatnonzero(adjusted <= level)} == rejected
    assert (adjusted >= p_values).all()


def test_a_probability_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match="0 … 1"):
        holm([0.5, 1.5])
    with pytest.raises(ValueError, match="0 … 1"):
        holm([np.nan])


def test_mean_ranks_and_groups_are_those_of_demsar() -> None:
    test = friedman_ranks(DEMSAR)
    assert test.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    uncorrected = 12 * 14 / (4 * 5) * (np.sum(test.mean_ranks**2) - 4 * 5**2 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    assert test.statistic >= uncorrected  # ties leave less scatter
    distance = nemenyi_critical_difference(4, 14, alpha=0.1)
    assert distance == pytest.approx(1.12, abs=0.005)
    order = np.argsort(test.mean_ranks, kind="stable")
    assert order.tolist() == [3, 1, 2, 0]
    # at 0.10 tuning m, alone or with cf, is better than no tuning; the others are not told apart
    assert cliques(test.mean_ranks, distance) == [(0, 2), (2, 3)]


@settings(max_examples=50)
@given(st.integers(3, 6), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_friedman_is_that_of_scipy(methods: int, runs: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 6, (runs, methods))
    test = friedman_ranks(scores)
    assert test.mean_ranks.sum() == pytest.approx(methods * (methods + 1) / 2)
    if (scores == scores[:, :1]).all():
        assert (test.statistic, test.p_value) == (0, 1)
        return
    expected = stats.friedmanchisquare(*scores.T)
    assert (test.statistic, test.p_value) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.parametrize("scores", [[[1.0], [2.0]], [1.0, 2.0], [[1.0, np.nan]], np.empty((0, 3))])
def test_scores_that_cannot_be_ranked_are_refused(scores: object) -> None:
    with pytest.raises(ValueError, match="scores"):
        friedman_ranks(scores)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alpha", "table"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_critical_values_are_those_of_demsars_table(alpha: float, table: list[float]) -> None:
    runs = 30
    for methods, value in enumerate(table, start=2):
        expected = value * np.sqrt(methods * (methods + 1) / (6 * runs))
        assert nemenyi_critical_difference(methods, runs, alpha) == pytest.approx(expected, rel=4e-4)


@pytest.mark.parametrize(("methods", "runs", "alpha"), [(1, 5, 0.05), (3, 0, 0.05), (3, 5, 0.0), (3, 5, 1.0)])
def test_a_critical_difference_of_nothing_is_refused(methods: int, runs: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="needed"):
        nemenyi_critical_difference(methods, runs, alpha)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 20))
def test_cliques_are_the_longest_runs_of_methods_not_told_apart(ranks: list[int], distance: int) -> None:
    ordered = sorted(ranks)
    alike = [
        (first, last)
        for first in range(len(ordered))
        for last in range(first + 1, len(ordered))
        if ordered[last] - ordered[first] < distance
    ]
    longest = [
        (first, last) for first, last in alike if not any(
            (a, b) != (first, last) and a <= first and last <= b for a, b in alike
        )
    ]  # fmt: skip
    assert cliques(ranks, distance) == longest


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.sampled_from([0.8, 0.95]))
def test_the_interval_of_a_mean_is_that_of_scipy(values: list[float], confidence: float) -> None:
    interval = mean_interval(values, confidence)
    scale = stats.sem(values)
    if scale > 0:
        expected = stats.t.interval(confidence, len(values) - 1, np.mean(values), scale)
        assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-9)
    assert interval.low <= interval.mean <= interval.high
    assert interval.sd == pytest.approx(np.std(values, ddof=1))


def test_a_single_value_has_a_mean_and_no_interval() -> None:
    mean, *others = mean_interval([3.0])
    assert mean == 3
    assert np.isnan(others).all()
    with pytest.raises(ValueError, match="one or more"):
        mean_interval([])
