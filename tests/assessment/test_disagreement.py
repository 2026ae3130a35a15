"""Matthews correlation and disagreement against scikit-learn, linear programming, and what is published."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.stats import chi2_contingency
from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

from hsiattn.assessment import disagreement, metrics

# Rows: map, columns: reference. Skirvin et al. 2004, in: Lunetta & Lyon, Remote Sensing and GIS Accuracy Assessment,
# chapter 9, table 9.4 (land cover of the upper San Pedro watershed, 1986).
SAN_PEDRO = np.array(
    [
        [19, 1, 0, 0, 0, 0, 0, 0, 0],
        [3, 35, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 17, 3, 19, 0, 1, 0, 2],
        [0, 0, 12, 77, 12, 0, 1, 0, 2],
        [0, 0, 8, 13, 74, 0, 0, 0, 0],
        [0, 0, 0, 1, 1, 19, 2, 0, 0],
        [0, 0, 1, 4, 3, 2, 9, 1, 0],
        [0, 0, 0, 5, 3, 0, 0, 13, 0],
        [0, 0, 3, 10, 7, 0, 0, 0, 0],
    ]
).T


def pixels(confusion: NDArray[Any], unclassified: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Reference and map of every single pixel; -1 is unclassified."""
    table = np.concatenate([confusion, unclassified[:, None]], axis=1)
    rows, columns = np.indices(table.shape)
    counts = table.ravel()
    places = np.where(columns == len(confusion), -1, columns).ravel()
    return np.repeat(rows.ravel(), counts), np.repeat(places, counts)


def least_disagreement(confusion: NDArray[Any], unclassified: NDArray[Any]) -> float:
    """Share of the pixels that stays wrong when those of the map change places to the best, by linear programming."""
    columns = np.append(confusion.sum(axis=0), unclassified.sum())
    rows = np.append(confusion.sum(axis=1) + unclassified, 0)
    count = len(rows)
    equal = [np.kron(np.eye(count)[k], np.ones(count)) for k in range(count)]
    equal += [np.kron(np.ones(count), np.eye(count)[k]) for k in range(count)]
    found = linprog(-np.eye(count).ravel(), A_eq=np.array(equal), b_eq=np.concatenate([rows, columns]))
    return 1 + found.fun / rows.sum()


@st.composite
def tables(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    count = draw(st.integers(1, 5))
    cells = st.integers(0, 12)
    table = np.array(draw(st.lists(cells, min_size=count * (count + 1), max_size=count * (count + 1))))
    table = table.reshape(count, count + 1)
    table[0, 0] += not table.any()
    return table[:, :-1], table[:, -1]


@given(tables())
def test_the_matthews_correlation_is_that_of_scikit_learn(case: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    reference, mapped = pixels(*case)
    found = float(metrics.matthews_correlation(*case))
    if len(set(reference)) == 1 or len(set(mapped)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(matthews_corrcoef(reference, mapped), abs=1e-12)


def test_the_matthews_correlation_of_two_classes_is_as_published() -> None:
    # Chicco & Jurman 2020, BMC Genomics 21:6, use case A1: TP 90, FN 1, TN 0, FP 9; accuracy 0.90, F1 0.95, MCC -0.03
    confusion = np.array([[90, 1], [9, 0]])
    assert round(float(metrics.overall_accuracy(confusion)), 2) == 0.90
    assert round(float(metrics.f1_score(confusion)[0]), 2) == 0.95
    assert round(float(metrics.matthews_correlation(confusion)), 2) == -0.03


def test_the_squared_matthews_correlation_of_two_classes_is_the_mean_square_contingency() -> None:
    confusion = np.array([[45, 5], [10, 40]])
    chi_squared = chi2_contingency(confusion, correction=False).statistic
    assert metrics.matthews_correlation(confusion) ** 2 == pytest.approx(chi_squared / 100)


def test_a_map_that_tells_nothing_has_no_correlation_and_a_perfect_one_has_1() -> None:
    assert metrics.matthews_correlation(np.full((4, 4), 7)) == pytest.approx(0.0, abs=1e-15)
    assert metrics.matthews_correlation(np.diag([3, 500_000_000, 7])) == pytest.approx(1.0)


def test_weights_that_are_no_whole_numbers_do_not_define_what_is_not_defined() -> None:
    one_class = np.array([[0.1, 0.0], [0.7, 0.0]]) * 3
    assert math.isnan(metrics.matthews_correlation(one_class, np.zeros(2)))


def test_published_matrix() -> None:
    assert round(100 * float(metrics.overall_accuracy(SAN_PEDRO))) == 68
    assert round(float(metrics.kappa(SAN_PEDRO)), 2) == 0.61
    none = np.zeros(9, int)
    reference, mapped = pixels(SAN_PEDRO, none)
    assert metrics.kappa(SAN_PEDRO) == pytest.approx(cohen_kappa_score(reference, mapped))
    assert metrics.matthews_correlation(SAN_PEDRO) == pytest.approx(matthews_corrcoef(reference, mapped))
    # totals of the map less those of the reference, as the table prints them
    gaps = np.array([20 - 22, 39 - 36, 42 - 41, 104 - 114, 95 - 119, 23 - 21, 20 - 13, 21 - 14, 20 - 4])
    assert (disagreement.class_quantity_disagreement(SAN_PEDRO) * 384).tolist() == np.abs(gaps).tolist()
    assert float(disagreement.quantity_disagreement(SAN_PEDRO)) == np.abs(gaps).sum() / 2 / 384
    assert metrics.worst_class(SAN_PEDRO) == 8  # barren: 0 of 4


@given(tables())
def test_quantity_disagreement_is_what_no_change_of_places_removes(
    case: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    quantity, allocation = disagreement.quantity_disagreement(*case), disagreement.allocation_disagreement(*case)
    assert quantity == pytest.approx(least_disagreement(*case), abs=1e-9)
    assert quantity + allocation == pytest.approx(1 - metrics.overall_accuracy(*case), abs=1e-12)


@given(tables())
def test_disagreement_of_classes_adds_up_to_that_of_the_map(case: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    confusion, unclassified = case
    missing = unclassified.sum() / (confusion.sum() + unclassified.sum())
    of_classes = disagreement.class_quantity_disagreement(*case).sum() + missing
    assert disagreement.quantity_disagreement(*case) == pytest.approx(of_classes / 2, abs=1e-12)
    of_classes = disagreement.class_allocation_disagreement(*case).sum()
    assert disagreement.allocation_disagreement(*case) == pytest.approx(of_classes / 2, abs=1e-12)
    parts = disagreement.exchange(*case), disagreement.shift(*case)
    assert min(parts) >= -1e-12
    assert sum(parts) == pytest.approx(disagreement.allocation_disagreement(*case), abs=1e-12)


def test_two_classes_that_swap_pixels_exchange_and_three_in_a_ring_shift() -> None:
    swapped, ring = np.array([[8, 2], [3, 7]]), np.array([[8, 2, 0], [0, 8, 2], [2, 0, 8]])
    assert (float(disagreement.exchange(swapped)), float(disagreement.shift(swapped))) == (0.2, 0.0)
    assert disagreement.class_exchange(swapped).tolist() == [0.2, 0.2]
    assert (float(disagreement.exchange(ring)), float(disagreement.shift(ring))) == (0.0, 0.2)


def test_measures_work_on_many_matrices_at_once() -> None:
    rng = np.random.default_rng(0)
    confusion, missing = rng.integers(0, 30, (3, 4, 5, 5)), rng.integers(0, 9, (3, 4, 5))
    functions = [
        metrics.matthews_correlation, metrics.worst_class, disagreement.quantity_disagreement,
        disagreement.allocation_disagreement, disagreement.exchange, disagreement.shift, disagreement.class_exchange,
        disagreement.class_quantity_disagreement, disagreement.class_allocation_disagreement,
    ]  # fmt: skip
    for measure in functions:
        many = measure(confusion, missing)
        for at in np.ndindex(3, 4):
            np.testing.assert_array_equal(many[at], measure(confusion[at], missing[at]))


def test_without_test_pixels_nothing_is_defined() -> None:
    nothing = np.zeros((2, 2), int)
    for measure in (metrics.matthews_correlation, disagreement.quantity_disagreement, disagreement.exchange):
        assert math.isnan(measure(nothing))
    assert metrics.worst_class(nothing) == -1


def test_the_worst_class_is_the_first_with_the_lowest_producers_accuracy() -> None:
    confusion = np.array([[5, 5, 0], [0, 9, 1], [5, 0, 5]])
    assert metrics.worst_class(confusion) == 0
    assert metrics.worst_class(confusion, np.array([0, 30, 0])) == 1
    assert metrics.worst_class(np.array([[0, 0], [1, 9]])) == 1  # the other has no reference pixel
