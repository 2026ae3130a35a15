"""Tests of significance for the comparison of methods.

Two maps of the same test pixels are compared by McNemar's test, or by changing the signs of whole polygons; two methods
over several scenes, splits and seeds by Wilcoxon's signed ranks; several such p-values at once after Holm; many methods
over many runs by Friedman's ranks and Nemenyi's critical difference. All tests are two-sided. They assume independent
pairs. Neighbouring test pixels are not independent, and neither are splits of one scene, so a p-value is a lower bound
of the true one.

Distributions and ranks are SciPy's. Own code is what it lacks: exact signed ranks with ties, Holm's correction, and
Friedman's test for two methods.

Sources: McNemar 1947, Psychometrika 12, 153-157; Wilcoxon 1945, Biometrics Bulletin 1, 80-83; Holm 1979, Scandinavian
Journal of Statistics 6, 65-70; Friedman 1937, JASA 32, 675-701; Demsar 2006, Statistical comparisons of classifiers
over multiple data sets, JMLR 7, 1-30.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

_FEWEST_FOR_CHI_SQUARED = 25
_MOST_FOR_EXACT_RANKS = 50
_LARGEST_EXACT_SUM = 2**22
_SAME = 1e-10  # differences this close, as a share of the largest, differ by rounding alone


@dataclass(frozen=True)
class PairedTest:
    """Result of a paired test of two methods.

    Attributes
    ----------
    statistic : float
        McNemar's chi-squared with continuity correction, or the smaller of Wilcoxon's two rank sums.
    p_value : float
        Probability, 0 … 1, of a difference at least as large if the methods are equally good; two-sided.
    pairs : int
        Number of informative pairs: test pixels that exactly one method has right, or differences that are not zero.
    """

    statistic: float
    p_value: float
    pairs: int


class FriedmanTest(NamedTuple):
    """Result of Friedman's test of M methods.

    Attributes
    ----------
    mean_ranks
        float64 (M,): mean rank of every method, 1 the best, M the worst.
    statistic
        Friedman's chi-squared with M - 1 degrees of freedom, corrected for ties.
    p_value
        Probability, 0 … 1, of ranks at least as different if all methods are equally good.
    """

    mean_ranks: NDArray[np.float64]
    statistic: float
    p_value: float


class MeanInterval(NamedTuple):
    """Mean of a sample, its standard deviation (n - 1), and the bounds of the confidence interval of the mean."""

    mean: float
    sd: float
    low: float
    high: float


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> PairedTest:
    """Compare two maps by the test pixels that one has right and the other wrong (McNemar 1947).

    Parameters
    ----------
    right_a, right_b
        bool, same shape: whether each map has each test pixel right.

    Returns
    -------
    PairedTest
        Below 25 discordant pixels the p-value is that of the binomial distribution, else that of chi-squared with one
        degree of freedom and continuity correction (Edwards 1948). Without a discordant pixel it is 1.

    Raises
    ------
    ValueError
        The shapes differ.

    Examples
    --------
    >>> mcnemar([True, True, True, True, False], [False, False, False, True, False])
    PairedTest(statistic=1.3333333333333333, p_value=0.25, pairs=3)
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"the methods were tested on pixels of the shapes {a.shape} and {b.shape}")
    return mcnemar_counts(int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a)))[0]


def mcnemar_counts(only_a: int, only_b: int) -> tuple[PairedTest, str]:
    """McNemar's test from the numbers of pixels that one map alone has right, and its name in words; see `mcnemar`.

    Examples
    --------
    >>> mcnemar_counts(3, 0)
    (PairedTest(statistic=1.3333333333333333, p_value=0.25, pairs=3), "McNemar's test over pixels, exact")
    """
    pairs = only_a + only_b
    if not pairs:
        return PairedTest(0.0, 1.0, 0), "McNemar's test over pixels, exact"
    statistic = max(abs(only_a - only_b) - 1, 0) ** 2 / pairs
    if pairs < _FEWEST_FOR_CHI_SQUARED:
        exact = float(stats.binomtest(only_a, pairs).pvalue)
        return PairedTest(statistic, exact, pairs), "McNemar's test over pixels, exact"
    approximate = float(stats.chi2.sf(statistic, 1))
    return PairedTest(statistic, approximate, pairs), "McNemar's test over pixels, with continuity correction"


def sign_flips(differences: ArrayLike) -> tuple[PairedTest, str]:
    """Test whether one map has more pixels right than another, with whole polygons as what varies.

    If both maps are equally good, each difference has either sign with the same chance (Fisher 1935, The Design of
    Experiments, section 21). Differences of 1 and -1, of polygons of one pixel, give McNemar's test.

    Parameters
    ----------
    differences
        int (N,): of every polygon, pixels that the first map alone has right less those of the second.

    Returns
    -------
    PairedTest
        The statistic is the sum, squared, over the sum of squares. Up to 50 differences the p-value is exact, over all
        signs; beyond, and where the differences are very large, it is that of chi-squared with one degree of freedom
        (Yang, Sun & Hardin 2010, Biometrical Journal 52, 638-652). Without a difference it is 1.
    str
        Name of the test in words.

    Examples
    --------
    >>> test, name = sign_flips([4, 2, 1, 0])
    >>> test.p_value, name
    (0.25, 'signs of whole polygons changed, exact')
    """
    values = np.asarray(differences, dtype=np.int64)
    values = values[values != 0]
    sizes, total = np.abs(values), int(values.sum())
    if not values.size:
        return PairedTest(0.0, 1.0, 0), "signs of whole polygons changed, exact"
    statistic = total**2 / float((sizes.astype(np.float64) ** 2).sum())
    largest = int(sizes.sum())
    if values.size > _MOST_FOR_EXACT_RANKS or largest > _LARGEST_EXACT_SUM:
        p_value = float(stats.chi2.sf(statistic, 1))
        return PairedTest(statistic, p_value, values.size), "signs of whole polygons changed, chi-squared"
    # the sum is 2 P - Σ|d| with P that of the positive ones: as low as -|sum|, and by symmetry as high
    share = _share_of_sums(sizes, (largest - abs(total)) // 2)
    return PairedTest(statistic, min(2 * share, 1.0), values.size), "signs of whole polygons changed, exact"


def wilcoxon_signed_rank(differences: ArrayLike) -> PairedTest:
    """Test whether paired differences lie around zero (Wilcoxon 1945).

    Parameters
    ----------
    differences
        (N,): score of one method minus that of the other, one per run. Zeros are dropped; differences that agree to
        ten digits of the largest are ties, since quotients such as accuracies carry rounding errors.

    Returns
    -------
    PairedTest
        Up to 50 pairs the p-value is exact, over all signs of the ranks at hand, ties included; beyond it is that of
        the normal approximation, corrected for ties. Without a difference it is 1.

    Raises
    ------
    ValueError
        Not one-dimensional, or not finite.

    Examples
    --------
    >>> wilcoxon_signed_rank([1.2, 0.4, 0.0, 2.2, 0.9])
    PairedTest(statistic=0.0, p_value=0.125, pairs=4)
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"differences must be finite numbers in one dimension, not of shape {values.shape}")
    largest = np.abs(values).max(initial=0.0)
    if largest > 0:
        values = np.round(values / largest / _SAME)
    values = values[values != 0]
    if not values.size:
        return PairedTest(0.0, 1.0, 0)
    if values.size > _MOST_FOR_EXACT_RANKS:
        test = stats.wilcoxon(values, correction=False, method="approx")
        return PairedTest(float(test.statistic), float(test.pvalue), values.size)
    ranks = stats.rankdata(np.abs(values))
    statistic = float(min(ranks[values > 0].sum(), ranks[values < 0].sum()))
    return PairedTest(statistic, min(2 * _share_of_rank_sums(ranks, statistic), 1.0), values.size)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values of several tests for their number (Holm 1979, step-down).

    Parameters
    ----------
    p_values
        (M,), 0 … 1.

    Returns
    -------
    ndarray of float64, shape (M,)
        Adjusted p-values in the order given; those below a level are jointly significant at that level.

    Raises
    ------
    ValueError
        Not one-dimensional, or outside 0 … 1.

    Examples
    --------
    >>> holm([0.25, 0.125, 0.5]).tolist()
    [0.5, 0.375, 0.5]
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p-values must lie in 0 … 1, in one dimension")
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def friedman_ranks(scores: ArrayLike) -> FriedmanTest:
    """Rank methods within every run and test whether their mean ranks differ (Friedman 1937; Demsar 2006).

    Parameters
    ----------
    scores
        (N, M): score of every method (column) in every run (row), higher is better. Equal scores share their ranks.

    Returns
    -------
    FriedmanTest
        The p-value is that of chi-squared, which holds for about ten runs and five methods or more and is cautious
        below. It is 1 where every run ties all methods.

    Raises
    ------
    ValueError
        Fewer than two methods, no run, or scores that are not finite.

    Examples
    --------
    >>> friedman_ranks([[0.9, 0.8, 0.7], [0.8, 0.9, 0.6], [0.9, 0.7, 0.7]]).mean_ranks.round(2).tolist()
    [1.33, 1.83, 2.83]
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError(f"scores must be finite, of one run and two methods at least, not of shape {table.shape}")
    runs, methods = table.shape
    ranks = stats.rankdata(-table, axis=1)
    mean_ranks = ranks.mean(axis=0)
    middle = (methods + 1) / 2
    between, scatter = runs * ((mean_ranks - middle) ** 2).sum(), ((ranks - middle) ** 2).sum()
    if scatter == 0:
        return FriedmanTest(mean_ranks, 0.0, 1.0)
    statistic = float(between * runs * (methods - 1) / scatter)
    return FriedmanTest(mean_ranks, statistic, float(stats.chi2.sf(statistic, methods - 1)))


def nemenyi_critical_difference(methods: int, runs: int, alpha: float = 0.05) -> float:
    """Smallest significant difference between two mean ranks of many methods (Demsar 2006, section 3.2.2).

    CD = q · √(M (M + 1) / 6N), where q is the quantile of the studentised range of M groups and infinitely many degrees
    of freedom, over √2.

    Parameters
    ----------
    methods
        M, 2 or more.
    runs
        N, 1 or more.
    alpha
        Probability that any two of equally good methods seem to differ, between 0 and 1.

    Raises
    ------
    ValueError
        A number outside its range.

    Examples
    --------
    >>> round(nemenyi_critical_difference(methods=4, runs=14), 2)
    1.25
    """
    if methods < 2 or runs < 1 or not 0 < alpha < 1:
        raise ValueError(f"two methods, one run and a level within 0 … 1 are needed, not {methods}, {runs}, {alpha}")
    quantile = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * runs)))


def cliques(mean_ranks: ArrayLike, critical_difference: float) -> list[tuple[int, int]]:
    """Groups of methods that do not differ significantly: the bars of a critical-difference diagram.

    Parameters
    ----------
    mean_ranks
        (M,), in any order.
    critical_difference
        Methods whose mean ranks differ by less do not differ significantly.

    Returns
    -------
    list of (first, last)
        Places in the order of `np.argsort(mean_ranks, kind="stable")`, both included, last > first. Groups may overlap;
        none lies within another (Demsar 2006, figure 1).

    Examples
    --------
    >>> cliques([3.4, 1.0, 1.6, 2.4], critical_difference=1.1)
    [(0, 1), (1, 2), (2, 3)]
    """
    ordered = np.sort(np.asarray(mean_ranks, dtype=np.float64))
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ordered):
        last = int(np.flatnonzero(ordered - rank < critical_difference).max(initial=first))
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> MeanInterval:
    """Mean of a figure over runs, with the interval of Student's t.

    Parameters
    ----------
    values
        (N,), one per run.
    confidence
        Coverage, between 0 and 1.

    Returns
    -------
    MeanInterval
        Deviation and bounds are NaN for a single value.

    Raises
    ------
    ValueError
        No value, or not one-dimensional.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0]).mean
    2.0
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not sample.size:
        raise ValueError(f"values must be one or more numbers in one dimension, not of shape {sample.shape}")
    mean = float(sample.mean())
    if sample.size == 1:
        return MeanInterval(mean, np.nan, np.nan, np.nan)
    sd = float(sample.std(ddof=1))
    half = float(stats.t.ppf(0.5 + confidence / 2, sample.size - 1)) * sd / np.sqrt(sample.size)
    return MeanInterval(mean, sd, float(mean - half), float(mean + half))


def _share_of_rank_sums(ranks: NDArray[np.float64], most: float) -> float:
    """Share of the 2^n choices of signs whose positive ranks sum to at most `most`."""
    return _share_of_sums(np.rint(2 * ranks).astype(np.int64), int(np.rint(2 * most)))  # whole, for shared ranks too


def _share_of_sums(numbers: NDArray[np.int64], most: int) -> float:
    """Share of the 2^n choices of whole numbers above 0 whose sum is at most `most`."""
    share = np.zeros(int(numbers.sum()) + 1)
    share[0] = 1.0
    for number in numbers:
        share *= 0.5
        share[number:] += share[: len(share) - number].copy()
    return float(share[: most + 1].sum())
