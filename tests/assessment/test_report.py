"""The report: what it says, in every form."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from hsiattn.assessment import AccuracyReport, Calibration
from hsiattn.classes import ClassTable

CLASSES = ClassTable.from_records(
    [
        {"code": 7, "name": "roof <flat>", "color": "#e60000"},
        {"code": 13, "name": "Corn_senesced_green_weeds", "color": "#a07040"},
        {"code": 91, "name": "open water", "color": "#0040c0"},
    ]
)
CONFUSION = np.array([[950, 40, 0], [10, 1200, 5], [0, 0, 0]])
MISSING = np.array([10, 0, 0])


@pytest.fixture
def report() -> AccuracyReport:
    return AccuracyReport(
        CONFUSION, CLASSES, MISSING, leakage=0.125, window=9, notes=("Blocks with a buffer, seed 0.",)
    )


class _Cells(HTMLParser):
    """The texts of all table cells of a page, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data.strip()


def test_a_report_introduces_itself_in_one_line(report: AccuracyReport) -> None:
    assert repr(report) == "<AccuracyReport: overall accuracy 97.1 % (96.3–97.7), 3 classes, 2 215 test pixels>"


def test_figures_and_intervals_are_those_of_the_libraries(report: AccuracyReport) -> None:
    wilson = binomtest(2150, 2215).proportion_ci(method="wilson")
    oa = report.overall_accuracy
    assert (oa.value, oa.lower, oa.upper) == pytest.approx((2150 / 2215, wilson.low, wilson.high))
    reference, mapped = np.nonzero(np.ones((3, 4)))
    weights = np.concatenate([CONFUSION, MISSING[:, None]], axis=1).ravel()
    assert report.kappa.value == pytest.approx(cohen_kappa_score(reference, mapped, sample_weight=weights))
    assert report.kappa.lower < report.kappa.value < report.kappa.upper
    assert report.average_accuracy.value == pytest.approx((950 / 1000 + 1200 / 1215) / 2)
    roof = report.per_class[0]
    assert (roof.support, roof.mapped, roof.unclassified) == (1000, 960, 10)
    wilson = binomtest(950, 960).proportion_ci(method="wilson")
    assert (roof.users_accuracy.lower, roof.users_accuracy.upper) == pytest.approx((wilson.low, wilson.high))


def test_the_text_names_classes_and_never_codes(report: AccuracyReport) -> None:
    text = report.to_text()
    assert str(report) == text
    for name in ("roof <flat>", "Corn_senesced_green_weeds", "open water"):
        assert name in text
    words = re.split(r"[\s,;]+", text)
    assert not {"7", "13", "91"} & set(words)


def test_the_text_states_the_figures_with_one_decimal(report: AccuracyReport) -> None:
    lines = report.to_text().splitlines()
    assert any(re.fullmatch(r"Overall accuracy, % +97\.1 \(96\.3–97\.7\)", line) for line in lines)
    assert any(re.match(r"roof <flat> +95\.0 \(93\.5–96\.2\) +99\.0 \(98\.1–99\.4\)", line) for line in lines)
    assert any(re.match(r"open water +– +0\.0 \(0\.0–43\.4\) +0\.0 .* 0$", line) for line in lines)


def test_the_text_holds_the_matrix_with_totals(report: AccuracyReport) -> None:
    text = report.to_text()
    assert re.search(r"roof <flat> +950 +40 +0 +10 +1 000\n", text)
    assert re.search(r"total +960 +1 240 +5 +10 +2 215\n", text)


def test_leakage_and_unclassified_pixels_are_said(report: AccuracyReport) -> None:
    text = " ".join(report.to_text().split())
    assert "12.5 % of the test pixels have a training pixel in their 9 × 9 window, which makes the figures" in text
    assert "2 215, of which the map leaves 10 unclassified" in text
    assert "count as errors of omission" in text
    assert "Blocks with a buffer, seed 0." in text


def test_a_report_without_split_says_that_leakage_is_not_known() -> None:
    text = AccuracyReport(CONFUSION, CLASSES).to_text()
    assert re.search(r"Leakage +not known \(no split given\)", text)
    assert "unclassified\n" not in text
    clean = AccuracyReport(CONFUSION, CLASSES, leakage=0.0, window=5).to_text()
    assert "0.0 % of the test pixels have a training pixel in their 5 × 5 window\n" in clean


@pytest.mark.parametrize("n_classes", [1, 2, 16, 40])
def test_lines_stay_legible_for_any_number_of_classes(n_classes: int) -> None:
    names = [f"Vegetation type number {k} with an endless name" for k in range(n_classes)]
    classes = ClassTable.from_records([{"code": k + 1, "name": name} for k, name in enumerate(names)])
    confusion = np.random.default_rng(0).integers(0, 10_000_000, (n_classes, n_classes))
    lines = AccuracyReport(confusion, classes, leakage=0.5, resamples=20).to_text().splitlines()
    assert max(len(line) for line in lines) <= 110
    totals = [line for line in lines if line.startswith("total")]
    counted = [int(n.replace(" ", "")) for line in totals for n in re.split(r" {2,}", line)[1:]]
    assert counted == [*confusion.sum(axis=0).tolist(), confusion.sum()]


def test_json_has_null_where_nothing_is_defined(report: AccuracyReport) -> None:
    record = json.loads(report.to_json())
    assert record == report.to_dict()
    water = record["classes"][2]
    assert water["producers_accuracy"] == {"value": None, "lower": None, "upper": None}
    assert water["code"] == 91
    assert record["confusion_matrix"] == CONFUSION.tolist()
    assert record["leakage"] == 0.125


def test_a_report_comes_back_from_its_json(report: AccuracyReport) -> None:
    again = AccuracyReport.from_dict(json.loads(report.to_json()))
    assert again.to_json() == report.to_json()
    assert again.to_text() == report.to_text()


def test_csv_has_one_line_per_class_and_measure(report: AccuracyReport) -> None:
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    values = {(row["class"], row["measure"]): row["value"] for row in rows}
    assert len(values) == len(rows)
    assert float(values["all", "overall_accuracy"]) == pytest.approx(2150 / 2215, abs=1e-6)
    assert values["all", "leakage"] == "0.125"
    assert values["roof <flat>", "support"] == "1000"
    assert values["open water", "producers_accuracy"] == ""


def test_no_class_name_is_a_formula_in_a_spreadsheet_or_breaks_a_line() -> None:
    names = ["=HYPERLINK(1)", "+1", "-1", "@a", "\tb", "line\nbreak", 'quote", c']
    classes = ClassTable.from_records([{"code": code, "name": name} for code, name in enumerate(names, start=1)])
    report = AccuracyReport(np.diag(np.arange(1, 8)), classes, np.zeros(7, np.int64), leakage=None, window=None)
    found = {
        row["class"]: row["value"] for row in csv.DictReader(io.StringIO(report.to_csv())) if row["measure"] == "f1"
    }
    written = ["'=HYPERLINK(1)", "'+1", "'-1", "'@a", "b", "line break", 'quote", c']
    assert list(found) == written
    assert not any("\t" in line or "\x1b" in line for line in report.to_text().splitlines())


def test_html_is_self_contained_and_escaped(report: AccuracyReport) -> None:
    page = report.to_html()
    assert not re.search(r"(src|href)=[\"'](?!data:|#)|@import|url\(", page)
    assert "roof <flat>" not in page
    for color in ("#e60000", "#a07040", "#0040c0"):
        assert f"background: {color}" in page
    cells = _Cells()
    cells.feed(page)
    assert ["roof <flat>", "950", "40", "0", "10", "1 000"] in cells.rows
    assert ["Total", "960", "1 240", "5", "10", "2 215"] in cells.rows
    assert any(row[:1] == ["open water"] and row[1] == "–" for row in cells.rows)


def test_counts_cannot_be_changed_behind_the_report(report: AccuracyReport) -> None:
    with pytest.raises(ValueError, match="read-only"):
        report.confusion[0, 0] = 5
    source = CONFUSION.copy()
    kept = AccuracyReport(source, CLASSES)
    source[0, 0] = 0
    assert kept.confusion[0, 0] == 950


@pytest.mark.parametrize(
    ("confusion", "unclassified"),
    [(np.ones((2, 2)), None), (CONFUSION, np.zeros(2)), (-CONFUSION, None), (CONFUSION, -np.ones(3))],
)
def test_counts_that_cannot_be_are_refused(
    confusion: NDArray[np.int64], unclassified: NDArray[np.int64] | None
) -> None:
    with pytest.raises(ValueError, match=r"shapes|negative"):
        AccuracyReport(confusion, CLASSES, unclassified)


@pytest.fixture
def advised() -> AccuracyReport:
    """A report that also has a calibration, and advice."""
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, False, True])
    calibration = Calibration.measured(confidence, right, bins=10, temperature=1.25)
    return AccuracyReport(
        CONFUSION, CLASSES, MISSING, calibration=calibration, advice=("roof <flat> has 4; label 6 more", "second")
    )


def test_calibration_and_advice_stand_in_the_text(advised: AccuracyReport) -> None:
    text = advised.to_text()
    words = " ".join(text.split())
    assert "expected calibration error 15.0 %: mean confidence 81.7 %, 66.7 % right, at temperature 1.25" in words
    assert "over 10 bins of confidence" in words
    assert re.search(r"90–100 +4 +95\.0 +75\.0\n", text)
    assert re.search(r"50–60 +2 +55\.0 +50\.0\n", text)
    assert "- Roof <flat> has 4; label 6 more\n- Second\n" in text
    assert text.index("Advice") < text.index("Accuracy by class")


def test_calibration_and_advice_stand_in_the_page(advised: AccuracyReport) -> None:
    page = advised.to_html()
    assert "<li>Roof &lt;flat&gt; has 4; label 6 more.</li>" in page
    assert page.index("Advice") < page.index("Accuracy by class")
    cells = _Cells()
    cells.feed(page)
    assert ["90–100", "4", "95.0", "75.0"] in cells.rows


def test_a_report_without_calibration_and_advice_says_nothing_of_them(report: AccuracyReport) -> None:
    for form in (report.to_text(), report.to_html()):
        assert "alibration" not in form
        assert "Advice" not in form
    assert report.to_dict()["calibration"] is None
    assert report.to_dict()["advice"] == []


def test_calibration_and_advice_come_back_from_json(advised: AccuracyReport) -> None:
    again = AccuracyReport.from_dict(json.loads(advised.to_json()))
    assert again.to_json() == advised.to_json()
    assert again.to_html() == advised.to_html()


def test_reports_from_before_calibration_are_still_read(report: AccuracyReport) -> None:
    record = {name: value for name, value in report.to_dict().items() if name not in ("calibration", "advice")}
    assert AccuracyReport.from_dict(record).to_json() == report.to_json()


def test_csv_has_the_calibration_where_it_is_known(advised: AccuracyReport, report: AccuracyReport) -> None:
    values = {row["measure"]: row["value"] for row in csv.DictReader(io.StringIO(advised.to_csv()))}
    assert float(values["expected_calibration_error"]) == pytest.approx(0.15)
    assert float(values["temperature"]) == 1.25
    assert "calibration" not in report.to_csv()


def test_a_calibration_without_pixels_is_not_drawn() -> None:
    report = AccuracyReport(CONFUSION, CLASSES, calibration=Calibration.measured([], []))
    assert "not known (no pixels)" in report.to_text()
    assert "<svg" not in report.to_html()
