"""Sizes and allocations of samples against Olofsson et al. 2014, section 5.1, and against a search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.assessment.sample_size import (
    ALLOCATIONS,
    allocate,
    expected_accuracies,
    plan_sample,
    promised,
    rare_minimum,
    sample_size,
)

SIZES = np.array([200_000, 150_000, 3_200_000, 6_450_000])  # shares 0.02, 0.015, 0.32 and 0.645
EXPECTED = np.array([0.7, 0.6, 0.9, 0.95])


def test_the_size_is_that_of_olofsson_2014() -> None:
    assert sample_size(SIZES, EXPECTED, 0.01) == 641


def test_allocations_are_those_of_olofsson_2014_table_5() -> None:
    assert allocate("proportional", 641, SIZES).tolist() == [13, 10, 205, 413]
    assert sorted(allocate("equal", 641, SIZES).tolist()) == [160, 160, 160, 161]
    for minimum, table in ((100, [100, 100, 149, 292]), (75, [75, 75, 165, 325])):  # rounded by hand in the paper
        found = allocate("olofsson", 641, SIZES, minimum=minimum)
        assert found.sum() == 641
        assert np.abs(found - table).max() <= 3


def test_promised_errors_are_those_of_olofsson_2014_table_7() -> None:
    errors = promised("olofsson", [100, 100, 149, 292], SIZES, EXPECTED)
    assert errors.overall_error == pytest.approx(0.011, abs=5e-4)
    assert errors.users_errors[[0, 2]] == pytest.approx([0.046, 0.025], abs=5e-4)
    assert errors.total == 641


def test_a_small_map_needs_fewer_pixels() -> None:
    """Cochran 1977, equation 5.25, with the correction for a finite population."""
    weights, variances = SIZES / SIZES.sum(), EXPECTED * (1 - EXPECTED)
    few = SIZES // 10_000
    expected = (weights @ np.sqrt(variances)) ** 2 / (1e-4 + weights @ variances / few.sum())
    assert sample_size(few, EXPECTED, 0.01) == np.ceil(expected)
    assert sample_size([3, 2], [0.5, 0.5], 1e-6) == 5


def test_neyman_has_the_smallest_error_of_all_allocations() -> None:
    sizes, users, size = np.array([1000, 5000, 9000]), np.array([0.6, 0.8, 0.97]), 60
    found = allocate("neyman", size, sizes, users)
    weights, variances = sizes / sizes.sum(), users * (1 - users)

    def variance(pixels: np.ndarray) -> float:
        return float((weights**2 * variances / pixels).sum())

    best = min(variance(np.array([a, b, size - a - b])) for a in range(2, size - 3) for b in range(2, size - a - 1))
    assert variance(found) == pytest.approx(best, rel=0.002)


@given(
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=12).filter(any),
    size=st.integers(1, 3000),
    minimum=st.integers(0, 100),
    name=st.sampled_from(ALLOCATIONS),
)
def test_no_class_gets_more_pixels_than_it_has_and_all_are_given_out(
    sizes: list[int], size: int, minimum: int, name: str
) -> None:
    found = allocate(name, size, sizes, minimum=minimum)
    assert (found >= 0).all()
    assert (found <= sizes).all()
    assert found.sum() == min(size, sum(sizes))


def test_minima_of_rare_classes_take_no_more_than_half_of_a_small_sample() -> None:
    sizes = [9000, 900, 60, 40]
    assert rare_minimum(1000, sizes, 50) == 50
    large = allocate("olofsson", 1000, sizes, minimum=50)
    assert large[2:].tolist() == [50, 40]  # no more than there are
    assert large[0] / large[1] == pytest.approx(10, rel=0.02)
    small = allocate("olofsson", 60, sizes, minimum=50)
    assert small.sum() == 60
    assert small[1:].max() <= 10
    assert small[0] >= 30


def test_a_plan_compares_allocations() -> None:
    size, allocations = plan_sample(SIZES, EXPECTED)
    assert size == 641
    by_name = {item.name: item for item in allocations}
    assert by_name["proportional"].overall_error == pytest.approx(0.01, abs=5e-4)
    assert (
        by_name["equal"].users_errors[0] < by_name["olofsson"].users_errors[0] < by_name["proportional"].users_errors[0]
    )
    assert plan_sample(SIZES, EXPECTED, size=100)[0] == 100


def test_classes_of_which_one_pixel_is_drawn_promise_nothing() -> None:
    errors = promised("equal", [1, 50], [100, 100], [0.9, 0.9])
    assert np.isnan(errors.users_errors[0])
    assert np.isnan(errors.overall_error)
    assert promised("equal", [1, 50], [1, 100], [0.9, 0.9]).users_errors[0] == 0  # all that there is


def test_expectations_are_by_class_or_for_all() -> None:
    assert expected_accuracies([1, 2, 3], {None: 0.8, 2: 0.5}, 0.9).tolist() == [0.8, 0.5, 0.8]
    assert expected_accuracies([1, 2], {2: 0.5}, 0.9).tolist() == [0.9, 0.5]


@pytest.mark.parametrize(
    ("sizes", "expected", "error", "problem"),
    [
        ([0, 0], [0.9, 0.9], 0.01, "no pixel"),
        ([10], [1.2], 0.01, "accuracies"),
        ([10], [0.9], 0.0, "standard error"),
        ([10, 20], [0.9], 0.01, "one shape"),
    ],
)
def test_impossible_wishes_are_refused(sizes: list[int], expected: list[float], error: float, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        sample_size(sizes, expected, error)


def test_unknown_allocations_are_refused() -> None:
    with pytest.raises(ValueError, match="no allocation"):
        allocate("square", 10, [10])
