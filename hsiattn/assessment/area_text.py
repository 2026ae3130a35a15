"""Areas of classes and accuracies weighted by area in words and tables, the same in every form of the report.

`areas` is plain data: the part of that name of what `AccuracyReport.to_dict` gives.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hsiattn.assessment.formatting import format_count, format_percent

TITLE = "Areas of the classes"
"""Heading of the section."""

_WIDTH, _LABEL = 110, 22
_NAME_WIDTH = 28

Table = Callable[[Sequence[Sequence[str]], Sequence[Sequence[str]]], str]


def area_lines(areas: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What stands above the table: labels and texts."""
    accuracy = format_percent(areas["overall_accuracy"])
    if areas["standard_error"] is not None:
        accuracy += f", standard error {100 * areas['standard_error']:.1f}"
    sampled = sum(row["sampled"] for row in areas["strata"])
    size = f"{format_count(areas['pixels'])} pixels"
    if areas["hectares"] is not None:
        size += f", {format_hectares(areas['hectares'])} ha"
    lines = [
        ("Sample", f"{format_count(sampled)} reference pixels of {size}"),
        ("Design", areas["design"] + (" (assumed)" if areas["assumed"] else "")),
        ("Intervals", areas["intervals"]),
    ]
    return [("Overall accuracy, %", f"{accuracy}, weighted by area"), *lines] if areas["assumed"] else lines


def standard_error(areas: Mapping[str, Any] | None) -> str:
    """What stands behind the overall accuracy of a report by a known design: its standard error.

    >>> standard_error({"assumed": False, "standard_error": 0.0847}), standard_error(None)
    (', standard error 8.5', '')
    """
    if areas is None or areas["assumed"] or areas["standard_error"] is None:
        return ""
    return f", standard error {100 * areas['standard_error']:.1f}"


def area_heads(areas: Mapping[str, Any]) -> list[str]:
    """Heads of the table of classes; accuracies only where those of the report are others, hectares where known."""
    accuracies = ["Producer's, %", "User's, %"] if areas["assumed"] else []
    if areas["hectares"] is None:
        return ["Class", "Mapped, %", "Area, %", *accuracies]
    return ["Class", "Mapped, ha", "Area, ha", "Area, %", *accuracies]


def area_rows(areas: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the table of classes."""
    in_hectares = areas["hectares"] is not None
    rows = []
    for row in areas["classes"]:
        cells = [f"{100 * row['mapped_share']:.1f}"]
        if in_hectares:
            cells = [format_hectares(row["mapped_hectares"]), format_area(row["hectares"])]
        cells.append(format_percent(row["share"]))
        if areas["assumed"]:
            cells += [format_percent(row["producers_accuracy"]), format_percent(row["users_accuracy"])]
        rows.append([row["name"], *cells])
    return rows


def format_hectares(area: float | None, like: float | None = None) -> str:
    """Hectares with as many decimals as a small area needs; with those of another area where one is given.

    >>> format_hectares(21157.76), format_hectares(35.25), format_hectares(0.0412), format_hectares(None)
    ('21 158', '35.2', '0.041', '–')
    """
    if area is None:
        return "–"
    size = area if like is None else like
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{area:,.{digits}f}".replace(",", " ")


def format_area(estimate: Mapping[str, Any]) -> str:
    """An area with its interval.

    >>> format_area({"value": 21157.76, "lower": 15001.2, "upper": 27314.3})
    '21 158 (15 001–27 314)'
    """
    value, lower, upper = (estimate[name] for name in ("value", "lower", "upper"))
    if value is None:
        return "–"
    known = lower is not None and upper is not None
    interval = f"{format_hectares(lower, value)}–{format_hectares(upper, value)}" if known else "–"
    return f"{format_hectares(value)} ({interval})"


def render_areas(areas: Mapping[str, Any], table: Table) -> str:
    """The section as plain text; `table` lays out heads and rows."""
    lines = [
        textwrap.fill(text, _WIDTH, initial_indent=f"{label:<{_LABEL}}", subsequent_indent=" " * _LABEL)
        for label, text in area_lines(areas)
    ]
    heads, rows = area_heads(areas), area_rows(areas)
    taken = sum(2 + max(map(len, column)) for column in list(zip(heads, *rows, strict=True))[1:])
    width = min(_NAME_WIDTH, max(_WIDTH - taken, _NAME_WIDTH // 2))
    rows = [[name if len(name) <= width else f"{name[: width - 1]}…", *cells] for name, *cells in rows]
    notes = [textwrap.fill(note, _WIDTH) for note in areas["notes"]]
    return "\n".join([TITLE, *lines, table([heads], rows), *notes])


def area_records(areas: Mapping[str, Any]) -> Iterator[tuple[str, int | str, str, Mapping[str, Any]]]:
    """Lines of a table of measures: class, code, measure, and value with bounds; the class "all" has no code."""
    kind = "assumed_" if areas["assumed"] else ""
    for name in ("overall_accuracy", "average_accuracy", "kappa"):
        yield "all", "", f"{kind}area_weighted_{name}", areas[name]
    yield "all", "", f"{kind}area_weighted_overall_accuracy_standard_error", _alone(areas["standard_error"])
    yield "all", "", "hectares", _alone(areas["hectares"])
    for row in areas["classes"]:
        of_class = row["name"], row["code"]
        yield *of_class, "mapped_hectares", _alone(row["mapped_hectares"])
        yield *of_class, "mapped_share", _alone(row["mapped_share"])
        yield *of_class, f"{kind}hectares", row["hectares"]
        yield *of_class, f"{kind}share", row["share"]
        yield *of_class, f"{kind}share_standard_error", _alone(row["standard_error"])
        for name in ("producers_accuracy", "users_accuracy", "f1", "iou"):
            yield *of_class, f"{kind}area_weighted_{name}", row[name]


def _alone(value: float | None) -> dict[str, float | None]:
    return {"value": value, "lower": None, "upper": None}
