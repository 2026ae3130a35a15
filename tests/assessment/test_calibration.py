"""Calibration figures against loops over the pixels, and temperatures against those that made the data."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from hsiattn.assessment.calibration import (
    Calibration,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    robust_temperature,
)

Logits = NDArray[np.float64]


def _drawn(temperature: float, pixels: int = 20_000, classes: int = 5) -> tuple[Logits, NDArray[np.int64]]:
    """Logits, and targets drawn with the probabilities softmax(logits / temperature)."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 4, (pixels, classes))
    chances = softmax(logits / temperature, axis=1).cumsum(axis=1)
    return logits, (rng.random((pixels, 1)) > chances).sum(axis=1).clip(0, classes - 1)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 20),
)
def test_the_error_is_that_of_a_loop_over_pixels_and_bins(pixels: list[tuple[int, bool]], bins: int) -> None:
    confidence = [count / 60 for count, _ in pixels]
    total = 0.0
    for k in range(bins):
        inside = [
            (count / 60, right)
            for count, right in pixels
            if k * 60 < count * bins <= (k + 1) * 60 or (k == 0 and count == 0)  # whole numbers: no rounding at edges
        ]
        if inside:
            gap = np.mean([right for _, right in inside]) - np.mean([share for share, _ in inside])
            total += len(inside) / len(pixels) * abs(gap)
    error = expected_calibration_error(confidence, [right for _, right in pixels], bins)
    assert error == pytest.approx(total, abs=1e-12)


def test_bins_hold_all_pixels_and_their_means() -> None:
    bins = reliability_bins([0.0, 0.1, 0.5, 0.55, 1.0], [False, True, False, True, True], bins=4)
    assert [part.pixels for part in bins] == [2, 1, 1, 1]
    assert [(part.lower, part.upper) for part in bins] == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    assert [part.accuracy for part in bins] == [0.5, 0, 1, 1]
    assert bins[0].mean_confidence == pytest.approx(0.05)
    empty = reliability_bins([0.9], [True], bins=2)[0]
    assert math.isnan(empty.accuracy)
    assert empty.gap == 0


def test_probabilities_in_float32_may_exceed_one_by_rounding() -> None:
    assert expected_calibration_error(np.array([1.0000001], np.float32), [True]) == 0


@pytest.mark.parametrize(
    ("confidence", "right", "bins"),
    [([1.1], [True], 15), ([-0.1], [True], 15), ([np.nan], [True], 15), ([0.5], [True, False], 15), ([0.5], [True], 0)],
)
def test_confidence_that_is_no_probability_is_refused(confidence: list[float], right: list[bool], bins: int) -> None:
    with pytest.raises(ValueError, match=r"confidence|bins"):
        reliability_bins(confidence, right, bins)


def test_confidence_drawn_from_itself_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(100_000)
    right = rng.random(100_000) < confidence
    assert expected_calibration_error(confidence, right) < 0.01
    assert expected_calibration_error(np.ones(100_000), right) == pytest.approx(0.5, abs=0.01)


def test_a_record_sums_up_its_bins_and_comes_back_from_json() -> None:
    rng = np.random.default_rng(1)
    confidence, right = rng.beta(4, 1, 500), rng.random(500) < 0.7
    record = Calibration.measured(confidence, right, temperature=1.5)
    assert record.pixels == 500
    assert record.mean_confidence == pytest.approx(confidence.mean())
    assert record.accuracy == pytest.approx(right.mean())
    assert record.expected_calibration_error == expected_calibration_error(confidence, right)
    assert Calibration.from_dict(record.to_dict()).to_dict() == record.to_dict()
    assert repr(record).endswith("right, at temperature 1.50; 500 pixels, 15 bins>")


def test_no_pixels_have_no_calibration() -> None:
    record = Calibration.measured([], [])
    assert record.pixels == 0
    assert record.to_dict()["expected_calibration_error"] is None
    assert repr(record) == "<Calibration: not known (no pixels); 0 pixels, 15 bins>"


@pytest.mark.parametrize("find", [fit_temperature, robust_temperature])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_targets_is_found(find: Callable[..., float], temperature: float) -> None:
    logits, targets = _drawn(temperature)
    found = find(logits, targets)
    assert found == pytest.approx(temperature, rel=0.03)
    probabilities = softmax(logits / found, axis=1)
    right = probabilities.argmax(axis=1) == targets
    assert expected_calibration_error(probabilities.max(axis=1), right) < 0.02


@given(st.integers(0, 2**32 - 1))
def test_no_other_temperature_is_likelier(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, targets, weights = rng.normal(0, 3, (40, 3)), rng.integers(0, 3, 40), rng.random(40)
    logits[np.arange(40), targets] += rng.uniform(0, 4)

    def loss(log: float) -> float:
        return float(-weights @ log_softmax(logits / math.exp(log), axis=1)[np.arange(40), targets])

    found = fit_temperature(logits, targets, weights=weights, bounds=(0.1, 10.0))
    searched = minimize_scalar(loss, bounds=(math.log(0.1), math.log(10)), method="bounded", options={"xatol": 1e-6})
    assert 0.1 <= found <= 10
    assert loss(math.log(found)) <= float(searched.fun) + 1e-9


def test_temperature_scales_with_the_logits_however_large_they_are() -> None:
    logits, targets = _drawn(1.0, pixels=2000)
    found = fit_temperature(logits, targets)
    # hundreds of thousands: their exponentials overflow
    scaled = fit_temperature(1e5 * logits + 1e6, targets, bounds=(1e3, 1e7))
    assert scaled == pytest.approx(1e5 * found, rel=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e5])
def test_without_an_error_the_temperature_stops_at_its_lower_bound(size: float) -> None:
    targets = np.arange(30) % 3
    assert fit_temperature(size * np.eye(3)[targets], targets) == 0.05


def test_logits_worse_than_chance_take_the_upper_bound() -> None:
    targets = np.arange(30) % 3
    assert fit_temperature(-1e5 * np.eye(3)[targets], targets) == 20


@pytest.mark.parametrize("find", [fit_temperature, robust_temperature])
def test_logits_that_say_nothing_are_left_as_they_are(find: Callable[..., float]) -> None:
    assert find(np.full((4, 3), 7.0), [0, 1, 2, 0]) == 1


def test_a_pixel_of_double_weight_counts_as_two() -> None:
    logits, targets = _drawn(2.0, pixels=60)
    twice = np.arange(60) % 4 == 0
    weighted = fit_temperature(logits, targets, weights=1.0 + twice)
    repeated = np.concatenate([np.arange(60), np.flatnonzero(twice)])
    assert weighted == pytest.approx(fit_temperature(logits[repeated], targets[repeated]))
    ignored = fit_temperature(logits, targets, weights=twice)
    assert ignored == pytest.approx(fit_temperature(logits[twice], targets[twice]))


@pytest.mark.parametrize(
    ("logits", "targets", "options"),
    [
        (np.empty((0, 3)), np.empty(0, int), {}),
        (np.zeros((2, 3)), [0], {}),
        (np.zeros((1, 3)), [3], {}),
        (np.array([[np.inf, 0.0]]), [0], {}),
        (np.zeros((1, 3)), [0], {"weights": [-1.0]}),
        (np.zeros((1, 3)), [0], {"bounds": (2.0, 1.0)}),
    ],
)
def test_what_has_no_temperature_is_refused(logits: Logits, targets: list[int], options: dict[str, tuple]) -> None:
    with pytest.raises(ValueError, match=r"pixel|logits|bounds"):
        fit_temperature(logits, targets, **options)


# -- temperatures of few pixels ----------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_no_other_temperature_has_a_better_score(seed: int) -> None:
    """Brier's score of 40 pixels, and of the one that is thought of, by a grid over a hundredth."""
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(0, 3, (40, 4)), rng.integers(0, 4, 40)
    logits[np.arange(40), targets] += rng.uniform(0, 6)
    truth, second = np.eye(4)[targets], np.eye(4)[np.argsort(logits, axis=1)[:, -2]]

    def score(temperature: float) -> float:
        chances = softmax(logits / temperature, axis=1)
        return float(((chances - truth) ** 2).sum() + ((chances - second) ** 2).sum() / 40)

    found = robust_temperature(logits, targets)
    assert 0.1 <= found <= 100
    assert score(found) <= min(score(math.exp(log)) for log in np.arange(math.log(0.1), math.log(100), 0.01)) + 1e-9


@pytest.mark.parametrize("size", [1.0, 30.0])
def test_pixels_that_are_all_right_are_worth_a_confidence_by_their_number(size: float) -> None:
    targets = np.arange(30) % 2
    logits = size * np.eye(2)[targets]
    confidence = softmax(logits / robust_temperature(logits, targets), axis=1).max(axis=1)
    np.testing.assert_allclose(confidence, 30 / 31, rtol=1e-4)


def test_one_wild_error_does_not_decide_a_robust_temperature() -> None:
    logits, targets = _drawn(1.0, pixels=300)
    before = robust_temperature(logits, targets)
    logits[0] = np.where(np.arange(5) == targets[0], -500.0, 0.0)
    assert robust_temperature(logits, targets) == pytest.approx(before, rel=0.2)
    assert fit_temperature(logits, targets) > 3


def test_a_robust_temperature_stays_within_its_bounds() -> None:
    targets = np.arange(30) % 3
    assert robust_temperature(-10 * np.eye(3)[targets], targets) == pytest.approx(100, rel=1e-4)
    assert robust_temperature(1e-3 * np.eye(3)[targets], targets) == pytest.approx(0.1, rel=1e-4)
    with pytest.raises(ValueError, match="bounds"):
        robust_temperature(np.zeros((1, 3)), [0], bounds=(2.0, 1.0))
    with pytest.raises(ValueError, match="pixel"):
        robust_temperature(np.empty((0, 3)), np.empty(0, int))
