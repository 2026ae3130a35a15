"""Intervals against SciPy, and against the samples that they speak of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from hsiattn.assessment import metrics
from hsiattn.assessment.intervals import bootstrap_intervals, wilson_interval

CONFUSION = np.array([[50, 5, 2], [8, 70, 1], [0, 4, 30]])
MISSING = np.array([3, 0, 1])


@given(trials=st.integers(1, 10_000_000), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_that_of_scipy(trials: int, share: float, level: float) -> None:
    successes = round(share * trials)
    expected = binomtest(successes, trials).proportion_ci(level, method="wilson")
    lower, upper = wilson_interval(successes, trials, level)
    np.testing.assert_allclose([lower, upper], [expected.low, expected.high], atol=1e-12)
    assert 0 <= lower <= successes / trials <= upper <= 1


def test_wilson_works_on_arrays_and_gives_nan_without_trials() -> None:
    lower, upper = wilson_interval([0, 5, 0], [0, 10, 10])
    assert np.isnan([lower[0], upper[0]]).all()
    assert (lower[1], upper[1]) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert lower[2] == 0


def test_the_bootstrap_of_a_proportion_agrees_with_wilson() -> None:
    bounds = bootstrap_intervals(CONFUSION, MISSING, {"oa": metrics.overall_accuracy}, resamples=20_000)["oa"]
    wilson = wilson_interval(np.trace(CONFUSION), CONFUSION.sum() + MISSING.sum())
    np.testing.assert_allclose(bounds, wilson, atol=0.01)


def test_the_bootstrap_is_that_of_pixels_drawn_one_by_one() -> None:
    rng = np.random.default_rng(5)
    cells = np.concatenate([CONFUSION, MISSING[:, None]], axis=1)
    pixels = np.repeat(np.arange(cells.size), cells.ravel())
    kappas = []
    for _ in range(4000):
        drawn = np.bincount(rng.choice(pixels, pixels.size), minlength=cells.size).reshape(cells.shape)
        kappas.append(metrics.kappa(drawn[:, :-1], drawn[:, -1]))
    bounds = bootstrap_intervals(CONFUSION, MISSING, {"kappa": metrics.kappa}, resamples=4000)["kappa"]
    np.testing.assert_allclose(bounds, np.quantile(kappas, [0.025, 0.975]), atol=0.006)


def test_the_same_seed_gives_the_same_interval() -> None:
    def interval(seed: int) -> tuple[float, ...]:
        bounds = bootstrap_intervals(CONFUSION, MISSING, {"f1": metrics.f1_score}, resamples=200, random_state=seed)
        return tuple(np.ravel(bounds["f1"]))

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)


def test_the_interval_does_not_depend_on_how_many_matrices_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap_intervals(CONFUSION, MISSING, {"kappa": metrics.kappa}, resamples=100)
    monkeypatch.setattr("hsiattn.assessment.intervals.CELLS_AT_ONCE", 7 * 12)
    assert bootstrap_intervals(CONFUSION, MISSING, {"kappa": metrics.kappa}, resamples=100) == whole


def test_a_figure_that_is_not_defined_has_no_interval() -> None:
    confusion = np.array([[5, 1, 0], [1, 5, 0], [0, 0, 0]])
    lower, upper = bootstrap_intervals(confusion, np.zeros(3, int), {"f1": metrics.f1_score}, resamples=50)["f1"]
    assert np.isnan([lower[2], upper[2]]).all()
    assert np.isfinite([lower[:2], upper[:2]]).all()


def test_ninety_five_percent_of_the_intervals_hold_the_truth() -> None:
    """Stated coverage is checked on samples of a known population (an interval 40 times too narrow would not pass)."""
    rng = np.random.default_rng(11)
    truth = CONFUSION / CONFUSION.sum()
    kappa, oa = metrics.kappa((truth * 1e9).astype(np.int64)), np.trace(truth)
    hits = np.zeros(2)
    for _ in range(300):
        sample = rng.multinomial(400, truth.ravel()).reshape(truth.shape)
        lower, upper = bootstrap_intervals(sample, np.zeros(3, int), {"kappa": metrics.kappa}, resamples=300)["kappa"]
        hits[0] += lower <= kappa <= upper
        lower, upper = wilson_interval(np.trace(sample), 400)
        hits[1] += lower <= oa <= upper
    assert (hits / 300 > 0.91).all()
    assert (hits / 300 < 0.985).all()
