"""The accuracy report as CSV: one line per class and measure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from hsiattn.assessment.area_text import area_records
from hsiattn.assessment.estimates import OVERALL
from hsiattn.assessment.unknown_text import unknown_of, unknown_records
from hsiattn.files.kinds import REPORT_COLUMNS
from hsiattn.files.text import spreadsheet_cell

ALL = "all"
"""What stands in the place of the class for figures of all classes together."""

_CALIBRATION = ("expected_calibration_error", "mean_confidence", "temperature")
_OF_CLASS = ("producers_accuracy", "users_accuracy", "f1", "iou")
_COUNTS = ("support", "mapped", "unclassified")

Line = tuple[Any, ...]


def render_csv(record: Mapping[str, Any]) -> str:
    """The report as a table of class, code, measure, value and bounds; figures that are not defined are empty.

    Parameters
    ----------
    record
        Result of `AccuracyReport.to_dict`.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(REPORT_COLUMNS)
    for name, code, measure, *figures in _lines(record):
        table.writerow([spreadsheet_cell(name), code, measure, *figures, *[""] * (3 - len(figures))])
    return text.getvalue()


def _lines(record: Mapping[str, Any]) -> Iterator[Line]:
    yield from ((ALL, "", name, *_numbers(record[name])) for name in OVERALL)
    yield from ((ALL, "", name, record[name]) for name in ("test_pixels", "unclassified_pixels"))
    if record["groups"] is not None:
        yield from ((ALL, "", name, count) for name, count in record["groups"].items())
    yield ALL, "", "leakage", "" if record["leakage"] is None else record["leakage"]
    if record["calibration"] is not None:
        yield from ((ALL, "", name, _number(record["calibration"][name])) for name in _CALIBRATION)
        yield from (
            (row["name"], row["code"], name, _number(row[name]))
            for row in record["calibration"]["classes"]
            for name in ("mean_confidence", "expected_calibration_error")
        )
    if record["borders"] is not None:
        yield from _borders(record["borders"])
    if record["against"] is not None:
        yield from _against(record["against"])
    if record["areas"] is not None:
        yield from ((*of_class, *_numbers(figures)) for *of_class, figures in area_records(record["areas"]))
    unknown = unknown_of(record)
    if unknown is not None:
        yield from unknown_records(unknown)
    for row in record["classes"]:
        yield from ((row["name"], row["code"], name, *_numbers(row[name])) for name in _OF_CLASS)
        yield from ((row["name"], row["code"], name, row[name]) for name in _COUNTS)


def _borders(borders: Mapping[str, Any]) -> Iterator[Line]:
    for where in ("border", "interior"):
        yield ALL, "", f"{where}_accuracy", *_numbers(borders[f"{where}_accuracy"])
        yield ALL, "", f"{where}_pixels", borders[f"{where}_pixels"]


def _against(against: Mapping[str, Any]) -> Iterator[Line]:
    yield ALL, "", "other_map_overall_accuracy", *_numbers(against["overall_accuracy"])
    yield ALL, "", "gain", *_numbers(against["gain"])
    yield ALL, "", "p_value", f"{against['p_value']:.6g}"
    for name in ("only_this_right", "only_other_right", "compared_pixels", "changed_pixels"):
        yield ALL, "", name, against[name]
    yield ALL, "", "changed_hectares", _number(against["changed_hectares"])
    for before, row in zip(against["classes"], against["change_matrix"], strict=True):
        for after, pixels in zip(against["classes"], row, strict=True):
            if pixels:  # the class of a line is that of the other map
                yield before["name"], before["code"], f"changed_to:{after['name']}", pixels


def _numbers(estimate: Mapping[str, float | None]) -> list[str]:
    return [_number(estimate[name]) for name in ("value", "lower", "upper")]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
