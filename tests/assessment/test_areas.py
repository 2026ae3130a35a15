"""Areas of classes in the record of a report, by a known design and by an assumed one."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.assessment import AccuracyReport, GroupCounts
from hsiattn.assessment.area_text import area_heads, area_records, area_rows, render_areas
from hsiattn.assessment.areas import ASSUMPTION, assumed_areas, designed, designed_areas
from hsiattn.assessment.class_totals import ClassTotals
from hsiattn.assessment.records import AreasRecord, StratumRecord
from hsiattn.assessment.stratified import StratifiedCounts
from hsiattn.assessment.text import _table
from hsiattn.classes import ClassTable

# Olofsson et al. 2014, Table 8: rows are the map, Landsat pixels.
OLOFSSON = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
SIZES = np.array([200_000, 150_000, 3_200_000, 6_450_000])
CLASSES = ClassTable.from_records(
    [
        {"code": code, "name": name}
        for code, name in ((1, "deforestation"), (2, "forest gain"), (3, "stable forest"), (4, "stable non-forest"))
    ]
)
TOTALS = ClassTotals(np.array([1, 2, 3, 4]), SIZES, SIZES * 0.09, unclassified=0)


def strata() -> list[StratumRecord]:
    return [
        StratumRecord(code=k + 1, name=CLASSES.names[k], pixels=int(n), hectares=n * 0.09, sampled=int(drawn))
        for k, (n, drawn) in enumerate(zip(SIZES, OLOFSSON.sum(axis=1), strict=True))
    ]


@pytest.fixture
def known() -> AreasRecord:
    counts = StratifiedCounts.of_map_classes(SIZES, OLOFSSON.T)
    return designed_areas(counts, CLASSES, TOTALS, strata(), "Stratified random sample")


def test_a_known_design_gives_the_hectares_of_olofsson_2014(known: AreasRecord) -> None:
    first = known["classes"][0]
    assert not known["assumed"]
    assert known["hectares"] == pytest.approx(900_000)
    assert first["mapped_hectares"] == pytest.approx(18_000)
    assert first["hectares"]["value"] == pytest.approx(21_158, abs=1)
    assert first["hectares"]["upper"] - first["hectares"]["value"] == pytest.approx(6_158, abs=2)  # type: ignore[operator]
    assert sum(row["share"]["value"] for row in known["classes"]) == pytest.approx(1)  # type: ignore[misc]
    assert designed(known, "overall_accuracy") == pytest.approx((0.947, 0.928, 0.965), abs=1e-3)
    assert designed(known, "users_accuracy", 0) == pytest.approx((0.88, 0.806, 0.954), abs=1e-3)
    assert designed(known, "no such figure") is None


def test_a_report_by_a_known_design_gives_the_figures_of_the_area(known: AreasRecord) -> None:
    report = AccuracyReport(OLOFSSON.T, CLASSES, areas=known)
    assert report.overall_accuracy.value == pytest.approx(0.947, abs=1e-3)  # 587 of 640 sample pixels are 0.917
    assert report.per_class[0].producers_accuracy.value == pytest.approx(0.75, abs=5e-3)
    assert report.worst_class is not None
    assert report.worst_class.name == "deforestation"
    quantity, allocation = report.quantity_disagreement.value, report.allocation_disagreement.value
    assert quantity + allocation == pytest.approx(1 - report.overall_accuracy.value)
    assert "94.7 (92.8–96.5), standard error 0.9" in report.to_text()
    assert "by the design of the sample" in " ".join(report.to_text().split())
    restored = AccuracyReport.from_dict(report.to_dict())
    assert restored.to_dict() == report.to_dict()
    assert "deforestation,1,hectares,21157.76" in report.to_csv()


def test_labels_of_unknown_design_are_marked_as_assumption() -> None:
    report = AccuracyReport(OLOFSSON.T, CLASSES)
    areas = assumed_areas(report, TOTALS)
    assert areas is not None
    assert areas["assumed"]
    assert areas["notes"][0] == ASSUMPTION
    assert areas["overall_accuracy"]["value"] == pytest.approx(0.947, abs=1e-3)
    assert designed(areas, "overall_accuracy") is None


def test_polygons_make_the_intervals_wider_and_have_no_errors_of_pixels() -> None:
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(1, 41), 50)
    reference = np.repeat(rng.integers(0, 2, 40), 50)
    mapped = np.where(np.repeat(rng.random(40) < 0.8, 50), reference, 1 - reference)  # whole polygons are wrong
    counts = GroupCounts.of_pixels(ids, reference, mapped, n_classes=2)
    matrix = np.array([[((reference == i) & (mapped == j)).sum() for j in (0, 1)] for i in (0, 1)])
    classes = ClassTable.from_codes([1, 2])
    totals = ClassTotals(np.array([1, 2]), np.array([50_000, 150_000]), None, unclassified=7)
    plain = assumed_areas(AccuracyReport(matrix, classes), totals)
    areas = assumed_areas(AccuracyReport(matrix, classes, groups=counts), totals)
    assert plain is not None
    assert areas is not None
    assert areas["overall_accuracy"]["value"] == pytest.approx(plain["overall_accuracy"]["value"])
    width, narrow = (r["overall_accuracy"]["upper"] - r["overall_accuracy"]["lower"] for r in (areas, plain))  # type: ignore[operator]
    assert 3 < width / narrow < 12  # about √50
    assert areas["standard_error"] is None
    assert "polygons" in areas["intervals"]
    assert areas["hectares"] is None


def test_a_map_that_was_tested_everywhere_needs_no_estimates() -> None:
    report = AccuracyReport(np.array([[5, 1], [0, 4]]), ClassTable.from_codes([1, 2]))
    whole = ClassTotals(np.array([1, 2]), np.array([5, 5]), None, unclassified=3)
    assert assumed_areas(report, whole) is None


def test_classes_without_test_pixels_are_left_out_and_named() -> None:
    report = AccuracyReport(np.array([[40, 0], [0, 0]]), ClassTable.from_codes([1, 2]))
    totals = ClassTotals(np.array([1, 2]), np.array([600, 200]), np.array([6.0, 2.0]), unclassified=0)
    areas = assumed_areas(report, totals)
    assert areas is not None
    assert "class 2: 25.0 % of the area" in " ".join(areas["notes"])
    assert areas["hectares"] == pytest.approx(6.0)
    assert areas["classes"][1]["users_accuracy"]["value"] is None


def test_the_text_has_areas_with_intervals(known: AreasRecord) -> None:
    text = render_areas(known, _table)
    assert "Producer's" not in text  # the report has them
    assert "21 158 (15 00" in text
    assert max(map(len, text.splitlines())) <= 110
    bare = {**known, "hectares": None}
    assert len(area_heads(bare)) == len(area_rows(bare)[0]) == 3
    guessed = {**known, "assumed": True}
    assert len(area_heads(guessed)) == len(area_rows(guessed)[0]) == 6
    assert "94.7 (92.8–96.5), standard error 0.9, weighted by area" in render_areas(guessed, _table)
    assert max(map(len, render_areas(guessed, _table).splitlines())) <= 110
    records = {(name, measure): figures["value"] for name, _, measure, figures in area_records(known)}
    assert records["deforestation", "hectares"] == pytest.approx(21_158, abs=1)
    assert records["all", "area_weighted_overall_accuracy_standard_error"] == pytest.approx(0.0094, abs=1e-4)
