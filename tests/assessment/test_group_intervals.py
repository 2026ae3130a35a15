"""Intervals over polygons: against polygons drawn one by one, against pixels, and against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from hsiattn.assessment import AccuracyReport, GroupCounts, disagreement, metrics
from hsiattn.assessment.group_intervals import GroupIntervals, effective_pixels, group_intervals
from hsiattn.assessment.intervals import bootstrap_intervals, wilson_interval
from hsiattn.classes import ClassTable

MEASURES = {
    "average_accuracy": metrics.average_accuracy,
    "kappa": metrics.kappa,
    "f1": metrics.f1_score,
    "iou": metrics.intersection_over_union,
}
SHARES = np.array([[0.7, 0.2, 0.05, 0.05], [0.1, 0.75, 0.1, 0.05], [0.0, 0.2, 0.8, 0.0]])


def drawn_polygons(rng, per_class=(4, 5, 6), sizes=(5, 40), spread=4.0):
    """Ids, classes and answers of the map of pixels in polygons, each of which has its own accuracy."""
    ids, truth, mapped = [], [], []
    for k, number in enumerate(per_class):
        for _ in range(number):
            size = rng.integers(*sizes)
            share = rng.dirichlet(SHARES[k] * spread + 1e-3)
            ids.append(np.full(size, len(ids) + 1))
            truth.append(np.full(size, k))
            mapped.append(rng.choice([0, 1, 2, -1], size, p=share))
    return np.concatenate(ids), np.concatenate(truth), np.concatenate(mapped)


def matrix(truth, mapped):
    table = np.zeros((3, 4))
    for row, column in zip(truth, mapped, strict=True):
        table[row, column] += 1
    return table


def test_the_bootstrap_is_that_of_polygons_drawn_one_by_one():
    """Of the G polygons of a class, G - 1 are drawn, each as G / (G - 1)."""
    rng = np.random.default_rng(3)
    ids, truth, mapped = drawn_polygons(rng)
    tables = {i: matrix(truth[ids == i], mapped[ids == i]) for i in np.unique(ids)}
    of_class = [np.unique(ids[truth == k]) for k in range(3)]
    values = {name: [] for name in MEASURES}
    for _ in range(4000):
        total = np.zeros((3, 4))
        for polygons in of_class:
            count = len(polygons)
            for polygon in rng.choice(polygons, count - 1):
                total += tables[polygon] * count / (count - 1)
        for name, measure in MEASURES.items():
            values[name].append(measure(total[:, :-1], total[:, -1]))
    found = group_intervals(GroupCounts.of_pixels(ids, truth, mapped, 3), MEASURES, resamples=4000).bounds
    for name in MEASURES:
        expected = np.quantile(values[name], [0.025, 0.975], axis=0)
        np.testing.assert_allclose(found[name], expected, atol=0.015, err_msg=name)


def test_classes_of_many_polygons_are_drawn_together():
    rng = np.random.default_rng(4)
    ids, truth, mapped = drawn_polygons(rng, per_class=(12, 15, 3))
    pools = [np.unique(ids[truth < 2]), np.unique(ids[truth == 2])]
    tables = {i: matrix(truth[ids == i], mapped[ids == i]) for i in np.unique(ids)}
    kappas = []
    for _ in range(4000):
        total = np.zeros((3, 4))
        for pool in pools:
            for polygon in rng.choice(pool, len(pool) - 1):
                total += tables[polygon] * len(pool) / (len(pool) - 1)
        kappas.append(metrics.kappa(total[:, :-1], total[:, -1]))
    measures = {"kappa": metrics.kappa}
    found = group_intervals(GroupCounts.of_pixels(ids, truth, mapped, 3), measures, resamples=4000).bounds
    np.testing.assert_allclose(found["kappa"], np.quantile(kappas, [0.025, 0.975]), atol=0.015)


@pytest.mark.parametrize("numbered", [True, False])
def test_where_every_pixel_is_its_own_polygon_the_intervals_are_those_over_pixels(numbered):
    rng = np.random.default_rng(5)
    _, truth, mapped = drawn_polygons(rng, per_class=(20, 30, 40), spread=1000)
    ids = rng.permutation(len(truth)) + 1 if numbered else np.zeros(len(truth), int)
    table = matrix(truth, mapped).astype(int)
    confusion, missing = table[:, :-1], table[:, -1]
    found = group_intervals(GroupCounts.of_pixels(ids, truth, mapped, 3), MEASURES, resamples=8000)
    expected = bootstrap_intervals(confusion, missing, MEASURES, resamples=8000, random_state=1)
    for name in MEASURES:
        np.testing.assert_allclose(found.bounds[name], expected[name], atol=0.005, err_msg=name)
    right = np.diagonal(confusion)
    wilson = {
        "overall_accuracy": wilson_interval(right.sum(), table.sum()),
        "producers_accuracy": wilson_interval(right, table.sum(axis=1)),
        "users_accuracy": wilson_interval(right, confusion.sum(axis=0)),
    }
    for name, bounds in wilson.items():
        np.testing.assert_allclose(found.bounds[name], bounds, atol=0.003, err_msg=name)
    assert (found.polygons, found.single_pixels) == ((len(truth), 0) if numbered else (0, len(truth)))
    assert found.per_class == tuple(table.sum(axis=1))


@given(seed=st.integers(0, 2**31), groups=st.integers(1, 30), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_the_effective_number_is_that_of_the_linearised_variance_with_one_polygon_more(seed, groups, level):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(1, 80, groups).astype(float)
    right = rng.binomial(pixels.astype(int), rng.random()).astype(float)
    x, n = np.append(right, pixels.mean() / 2), np.append(pixels, pixels.mean())
    p = x.sum() / n.sum()
    variance = len(n) * np.var(x - p * n, ddof=1) / n.sum() ** 2
    quotient = (student.ppf(0.5 + level / 2, 10**9) / student.ppf(0.5 + level / 2, groups)) ** 2
    expected = min(p * (1 - p) / variance, pixels.sum()) * quotient if variance > 0 else pixels.sum()
    assert effective_pixels(right, pixels, level=level) == pytest.approx(expected, rel=1e-6)


def test_polygons_that_are_alike_may_be_given_as_one_with_their_number():
    right, pixels, number = np.array([3.0, 8.0]), np.array([5.0, 9.0]), np.array([4, 7])
    together = effective_pixels(right, pixels, number)
    assert together == pytest.approx(effective_pixels(right.repeat(number), pixels.repeat(number)))


def test_pixels_that_repeat_each_other_tell_no_more_than_one():
    """Whole polygons are right or wrong: the interval is about that of as many independent pixels."""
    rng = np.random.default_rng(6)
    right = rng.random(200) < 0.7
    counts = GroupCounts.of_pixels(np.repeat(np.arange(1, 201), 50), np.zeros(10_000, int), np.repeat(~right, 50), 2)
    found = group_intervals(counts, {}).bounds["overall_accuracy"]
    np.testing.assert_allclose(found, wilson_interval(right.sum(), 200), atol=0.005)


@pytest.mark.parametrize("polygons", [5, 14])
def test_the_intervals_hold_the_truth_where_those_over_pixels_do_not(polygons):
    rng = np.random.default_rng(7)
    hits = np.zeros(2)
    for _ in range(300):
        share = rng.beta(0.8 * 3, 0.2 * 3, polygons)
        sizes = rng.integers(30, 120, polygons)
        right = rng.binomial(sizes, share)
        ids = np.repeat(np.arange(1, polygons + 1), sizes)
        wrong = np.concatenate([np.arange(n) >= k for n, k in zip(sizes, right, strict=True)])
        counts = GroupCounts.of_pixels(ids, np.zeros(len(ids), int), wrong, 2)
        over_polygons = group_intervals(counts, {}).bounds["overall_accuracy"]
        over_pixels = wilson_interval(right.sum(), sizes.sum())
        hits += [bounds[0] <= 0.8 <= bounds[1] for bounds in (over_polygons, over_pixels)]
    assert hits[0] / 300 > 0.9
    assert hits[1] / 300 < 0.5


def test_polygons_that_are_all_right_leave_a_doubt_that_falls_with_their_number():
    lower = []
    for polygons in (1, 3, 14, 100):
        ids = np.repeat(np.arange(polygons), 60) + 1
        counts = GroupCounts.of_pixels(ids, np.zeros(len(ids), int), np.zeros(len(ids), int), 2)
        bounds = group_intervals(counts, {}).bounds["overall_accuracy"]
        lower.append(float(bounds[0]))
        assert bounds[1] == 1
    assert lower == sorted(lower)
    assert lower[0] < 0.1
    assert 0.8 < lower[2] < 0.9 < lower[3] < 0.99


def test_a_class_in_a_single_polygon_has_no_bootstrapped_interval():
    ids, truth, mapped = drawn_polygons(np.random.default_rng(8), per_class=(1, 6, 6))
    found = group_intervals(GroupCounts.of_pixels(ids, truth, mapped, 3), MEASURES, resamples=200)
    assert found.per_class == (1, 6, 6)
    for name in ("f1", "iou"):
        lower, upper = found.bounds[name]
        assert np.isnan([lower[0], upper[0]]).all()
        assert np.isfinite([lower[1:], upper[1:]]).all()
    assert np.isfinite(found.bounds["kappa"]).all()
    alone = truth == 0
    found = group_intervals(GroupCounts.of_pixels(ids[alone], truth[alone], mapped[alone], 3), MEASURES, resamples=9)
    assert np.isnan(found.bounds["average_accuracy"]).all()


def test_a_class_without_pixels_has_no_interval():
    ids, truth, mapped = drawn_polygons(np.random.default_rng(9), per_class=(6, 6, 0))
    mapped[mapped == 2] = 1
    found = group_intervals(GroupCounts.of_pixels(ids, truth, mapped, 3), MEASURES, resamples=200)
    for name in ("producers_accuracy", "users_accuracy", "f1"):
        assert np.isnan([bound[2] for bound in found.bounds[name]]).all()


def test_a_polygon_may_hold_pixels_of_several_classes():
    ids = np.repeat(np.arange(1, 31), 12)
    truth = np.tile([0] * 7 + [1] * 4 + [2], 30)
    mapped = np.where(np.random.default_rng(10).random(360) < 0.8, truth, 0)
    found = group_intervals(GroupCounts.of_pixels(ids, truth, mapped, 3), MEASURES, resamples=200)
    assert found.per_class == (30, 30, 30)
    assert all(np.isfinite(bounds).all() for bounds in found.bounds.values())


def test_the_interval_does_not_depend_on_how_many_resamples_fit_into_memory(monkeypatch):
    counts = GroupCounts.of_pixels(*drawn_polygons(np.random.default_rng(11), per_class=(40, 0, 0)), 3)
    whole = group_intervals(counts, MEASURES, resamples=100)
    monkeypatch.setattr("hsiattn.assessment.group_intervals.CELLS_AT_ONCE", 7 * 40)
    parts = group_intervals(counts, MEASURES, resamples=100)
    for name in MEASURES:
        np.testing.assert_array_equal(whole.bounds[name], parts.bounds[name])


# -- in the report -----------------------------------------------------------------------------------------------------

CLASSES = ClassTable.from_records(
    [{"code": code, "name": name} for code, name in ((1, "lake"), (4, "oak"), (7, "rye"))]
)


def make_report(per_class=(4, 6, 7), seed=0, lone=0):
    ids, truth, mapped = drawn_polygons(np.random.default_rng(seed), per_class=per_class)
    ids[:lone] = 0
    table = matrix(truth, mapped).astype(int)
    groups = GroupCounts.of_pixels(ids, truth, mapped, 3)
    return AccuracyReport(table[:, :-1], CLASSES, table[:, -1], groups=groups)


def test_the_figures_of_a_report_are_those_over_pixels_and_its_intervals_those_over_polygons():
    report = make_report()
    over_pixels = AccuracyReport(report.confusion, CLASSES, report.unclassified)
    disagreements = {name: getattr(disagreement, name) for name in ("quantity_disagreement", "allocation_disagreement")}
    measures = {**MEASURES, "mcc": metrics.matthews_correlation, **disagreements}
    bounds = group_intervals(report.groups, measures).bounds
    for name, estimate in report.overall.items():
        assert estimate.value == over_pixels.overall[name].value
        assert (estimate.lower, estimate.upper) == tuple(map(float, bounds[name]))
    for k, (row, other) in enumerate(zip(report.per_class, over_pixels.per_class, strict=True)):
        for name in ("producers_accuracy", "users_accuracy", "f1", "iou"):
            estimate = getattr(row, name)
            assert estimate.value == getattr(other, name).value
            assert (estimate.lower, estimate.upper) == (bounds[name][0][k], bounds[name][1][k])
    assert report.overall_accuracy.upper - report.overall_accuracy.lower > 0.1


def test_the_report_says_over_how_many_polygons_and_which_intervals_are_not_reliable():
    report = make_report()
    said = "95 %, over 17 polygons instead of over pixels; not reliable for lake, which lies in fewer than 5 polygons"
    assert f"Intervals {said}" in " ".join(report.to_text().split())
    assert said in " ".join(report.to_html().split())
    assert "are over 17 polygons, since pixels of one polygon resemble" in " ".join(report.to_text().split())
    assert "in 17 polygons" in report.to_html()
    assert repr(report).endswith("test pixels in 17 polygons>")
    few = make_report(per_class=(1, 1, 2)).to_text()
    assert "over 4 polygons instead of over pixels; not reliable, since they are fewer than 5" in few
    assert "not reliable" not in make_report(per_class=(5, 5, 5)).to_text()


def test_pixels_outside_of_all_polygons_are_told_apart():
    report = make_report(per_class=(4, 6, 7), lone=3)
    assert "over 17 polygons and 3 single pixels" in report.to_text()
    assert report.to_dict()["groups"] == {"polygons": 17, "single_pixels": 3}
    assert report.to_dict()["classes"][0]["groups"] == 7


def test_an_interval_that_a_single_polygon_does_not_tell_is_a_dash_null_and_empty():
    report = make_report(per_class=(1, 6, 7))
    row = report.to_dict()["classes"][0]
    assert (row["f1"]["lower"], row["f1"]["upper"]) == (None, None)
    assert f"{100 * row['f1']['value']:.1f} (–)" in report.to_text()
    assert f"lake,1,f1,{row['f1']['value']:.6f},,\n" in report.to_csv()


def test_a_report_over_polygons_comes_back_from_its_json_with_its_intervals():
    for report in (make_report(), make_report(per_class=(1, 6, 7)), make_report(lone=3)):
        again = AccuracyReport.from_dict(report.to_dict())
        assert isinstance(again.groups, GroupIntervals)
        assert again.to_dict() == report.to_dict()
        assert again.to_text() == report.to_text()


def test_a_report_from_before_polygons_is_still_read():
    report = make_report()
    over_pixels = AccuracyReport(report.confusion, CLASSES, report.unclassified)
    record = over_pixels.to_dict()
    assert record.pop("groups") is None
    for row in record["classes"]:
        assert row.pop("groups") is None
    assert AccuracyReport.from_dict(record).to_dict() == over_pixels.to_dict()


def test_csv_tells_the_numbers_of_polygons():
    assert "all,,polygons,17,,\nall,,single_pixels,0,,\n" in make_report().to_csv()


def test_counts_by_polygon_that_are_not_those_of_the_matrix_are_refused():
    report = make_report()
    with pytest.raises(ValueError, match="counts by polygon"):
        AccuracyReport(report.confusion + 1, CLASSES, report.unclassified, groups=report.groups)
