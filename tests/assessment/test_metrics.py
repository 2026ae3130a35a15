"""Counts and accuracies against scikit-learn and against their definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from hsiattn.assessment import confusion_matrix, metrics, unclassified_counts

Pairs = list[tuple[int, int]]


@st.composite
def answers(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Reference indices, map indices (-1: unclassified) and the number of classes."""
    n_classes = draw(st.integers(1, 6))
    pairs = draw(
        st.lists(st.tuples(st.integers(0, n_classes - 1), st.integers(-1, n_classes - 1)), min_size=1, max_size=80)
    )
    reference, predicted = np.array(pairs).T
    return reference, predicted, n_classes


@given(answers())
def test_the_matrix_is_that_of_scikit_learn(case: tuple[NDArray[np.int64], NDArray[np.int64], int]) -> None:
    reference, predicted, n_classes = case
    expected = sklearn_metrics.confusion_matrix(reference, predicted, labels=[*range(n_classes), -1])
    confusion = confusion_matrix(reference, predicted, n_classes)
    assert confusion.dtype == np.int64
    np.testing.assert_array_equal(confusion, expected[:n_classes, :n_classes])
    np.testing.assert_array_equal(unclassified_counts(reference, predicted, n_classes), expected[:n_classes, -1])


def test_pixels_without_reference_are_not_counted() -> None:
    assert confusion_matrix([-1, -1, 0], [0, -1, 0], 2).sum() == 1
    assert unclassified_counts([-1, -1, 0], [0, -1, 0], 2).sum() == 0


@pytest.mark.parametrize(("reference", "predicted"), [([0, 2], [0, 1]), ([0, 1], [0, -2]), ([0], [0, 1])])
def test_indices_that_do_not_fit_are_refused(reference: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=r"must lie in|shape"):
        confusion_matrix(reference, predicted, 2)


@given(answers())
def test_class_measures_are_those_of_scikit_learn(case: tuple[NDArray[np.int64], NDArray[np.int64], int]) -> None:
    reference, predicted, n_classes = case
    confusion, missing = confusion_matrix(*case), unclassified_counts(*case)
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        reference, predicted, labels=range(n_classes), zero_division=np.nan
    )
    np.testing.assert_allclose(metrics.users_accuracy(confusion), precision)
    np.testing.assert_allclose(metrics.producers_accuracy(confusion, missing), recall)
    np.testing.assert_array_equal(metrics.reference_totals(confusion, missing), support)
    np.testing.assert_allclose(metrics.f1_score(confusion, missing), f1)
    jaccard = sklearn_metrics.jaccard_score(
        reference, predicted, labels=range(n_classes), average=None, zero_division=0
    )
    iou = metrics.intersection_over_union(confusion, missing)
    np.testing.assert_allclose(np.nan_to_num(iou), jaccard)
    np.testing.assert_array_equal(
        np.isnan(iou), ~(np.isin(range(n_classes), reference) | np.isin(range(n_classes), predicted))
    )


@given(answers())
def test_overall_measures_are_those_of_scikit_learn(case: tuple[NDArray[np.int64], NDArray[np.int64], int]) -> None:
    reference, predicted, n_classes = case
    confusion, missing = confusion_matrix(*case), unclassified_counts(*case)
    np.testing.assert_allclose(
        metrics.overall_accuracy(confusion, missing), sklearn_metrics.accuracy_score(reference, predicted)
    )
    recall = sklearn_metrics.recall_score(
        reference, predicted, labels=np.unique(reference), average=None, zero_division=0
    )
    np.testing.assert_allclose(metrics.average_accuracy(confusion, missing), np.mean(recall))
    if len({*reference, *predicted}) == 1:
        assert np.isnan(metrics.kappa(confusion, missing))
    else:
        labels = [*range(n_classes), -1]
        expected = sklearn_metrics.cohen_kappa_score(reference, predicted, labels=labels)
        np.testing.assert_allclose(metrics.kappa(confusion, missing), expected, atol=1e-12)


def test_a_class_without_reference_is_left_out_of_the_average() -> None:
    confusion = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 0]])
    assert metrics.average_accuracy(confusion) == pytest.approx((0.8 + 0.5) / 2)
    assert np.isnan(metrics.producers_accuracy(confusion)[2])
    assert metrics.users_accuracy(confusion)[2] == 0
    assert metrics.f1_score(confusion)[2] == 0


def test_a_class_that_the_map_never_finds_counts_as_zero() -> None:
    confusion = np.array([[10, 0], [4, 0]])
    assert metrics.average_accuracy(confusion) == 0.5
    assert np.isnan(metrics.users_accuracy(confusion)[1])


def test_unclassified_pixels_are_errors_of_omission() -> None:
    confusion, missing = np.array([[6, 2], [0, 10]]), np.array([2, 0])
    assert metrics.overall_accuracy(confusion, missing) == 16 / 20
    assert metrics.producers_accuracy(confusion, missing).tolist() == [6 / 10, 1]
    assert metrics.users_accuracy(confusion).tolist() == [1, 10 / 12]


def test_nothing_to_compare_gives_nan_everywhere() -> None:
    empty = np.zeros((2, 2), np.int64)
    for measure in (metrics.overall_accuracy, metrics.average_accuracy, metrics.kappa, metrics.f1_score):
        assert np.isnan(measure(empty)).all()


def test_a_billion_pixels_lose_no_digit() -> None:
    """float32, with which some libraries count, ends at 16.7 million."""
    confusion = np.array([[1_000_000_007, 1], [0, 1]])
    assert metrics.reference_totals(confusion).tolist() == [1_000_000_008, 1]
    assert metrics.overall_accuracy(confusion) == 1_000_000_008 / 1_000_000_009
    assert metrics.kappa(confusion) == pytest.approx(2 / 3, rel=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_leading_axes_are_worked_on_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confusions, missing = rng.integers(0, 5, (4, 3, 3)), rng.integers(0, 3, (4, 3))
    measures: list[Callable[..., NDArray[np.float64]]] = [
        metrics.overall_accuracy, metrics.average_accuracy, metrics.kappa, metrics.producers_accuracy,
        metrics.f1_score, metrics.intersection_over_union,
    ]  # fmt: skip
    for measure in measures:
        one_by_one = np.stack([measure(c, m) for c, m in zip(confusions, missing, strict=True)])
        np.testing.assert_array_equal(measure(confusions, missing), one_by_one)
