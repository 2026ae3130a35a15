r"""The accuracy report as a table for a paper, in LaTeX with the rules of the package booktabs.

A document that takes it in, `\input{report.tex}`, needs `\usepackage{booktabs}` and reads UTF-8, as LaTeX does by
itself since 2018.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hsiattn.assessment.formatting import (
    CLASS_HEADS,
    class_cells,
    format_coefficient,
    format_count,
    format_groups,
    format_leakage,
    format_percent,
)
from hsiattn.assessment.unknown_text import unknown_of
from hsiattn.files.kinds import REPORT_TITLE
from hsiattn.files.latex import escape


def render_latex(record: Mapping[str, Any], *, caption: str | None = None, label: str = "tab:accuracy") -> str:
    r"""The table of classes with the figures of all classes below it.

    Parameters
    ----------
    record
        Result of `AccuracyReport.to_dict`.
    caption
        Text for the caption, which is escaped; None for one that says what a reader must know.
    label
        Name for `\ref`.
    """
    rows = [[row["name"], *class_cells(row)] for row in record["classes"]]
    width = len(CLASS_HEADS)
    lines = [
        f"% {REPORT_TITLE}, hsiattn",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(caption if caption is not None else describe(record))}}}",
        rf"  \label{{{label}}}",
        rf"  \begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"    \toprule",
        _row(CLASS_HEADS),
        r"    \midrule",
        *map(_row, rows),
        r"    \midrule",
        *(_row_across(name, value, width) for name, value in overall_lines(record)),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def overall_lines(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of the figures of all classes together, for short forms of the report."""
    lines = [
        ("Overall accuracy, %", format_percent(record["overall_accuracy"])),
        ("Average accuracy, %", format_percent(record["average_accuracy"])),
        ("Kappa", format_coefficient(record["kappa"])),
        ("Matthews correlation", format_coefficient(record["mcc"])),
        ("Quantity disagreement, %", format_percent(record["quantity_disagreement"])),
        ("Allocation disagreement, %", format_percent(record["allocation_disagreement"])),
    ]
    if record["areas"] is not None:
        lines.append(("Overall accuracy by area, %", format_percent(record["areas"]["overall_accuracy"])))
    if record["borders"] is not None:
        lines.append(("Accuracy at borders, %", format_percent(record["borders"]["border_accuracy"])))
        lines.append(("Accuracy in the interior, %", format_percent(record["borders"]["interior_accuracy"])))
    unknown = unknown_of(record)
    if unknown is not None:
        lines.append(("Unknown material, % of the map", f"{100 * unknown['share']:.1f}"))
    return lines


def describe(record: Mapping[str, Any]) -> str:
    """What a reader of the figures must know, in a few sentences."""
    groups, level = record["groups"], f"{100 * record['confidence_level']:g} %"
    over = "test pixels, taken as independent" if groups is None else format_groups(groups)
    leakage = format_leakage(record["leakage"], record["window"])
    said = "Leakage is not known." if record["leakage"] is None else f"{leakage}."
    return (
        f"Accuracy on {format_count(record['test_pixels'])} test pixels, with intervals ({level}) over {over}. {said}"
    )


def _row(cells: Iterable[str]) -> str:
    return rf"    {' & '.join(map(escape, cells))} \\"


def _row_across(name: str, value: str, width: int) -> str:
    return rf"    {escape(name)} & \multicolumn{{{width - 1}}}{{l}}{{{escape(value)}}} \\"
