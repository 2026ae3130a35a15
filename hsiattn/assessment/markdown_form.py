"""The accuracy report as a short summary in Markdown, for a README, a wiki or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hsiattn.assessment.area_text import area_heads, area_rows
from hsiattn.assessment.formatting import (
    CLASS_HEADS,
    class_cells,
    explain_borders,
    explain_method,
    format_calibration,
    format_changes,
    format_count,
    format_gain,
    format_intervals,
    format_leakage,
    format_worst_class,
    sentence,
)
from hsiattn.assessment.latex_form import overall_lines
from hsiattn.assessment.unknown_text import HEADS, TITLE, unknown_advice, unknown_lines, unknown_of, unknown_rows
from hsiattn.files.kinds import REPORT_TITLE

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")


def render_markdown(record: Mapping[str, Any]) -> str:
    """Figures, leakage, advice and the tables of classes and areas; texts are escaped.

    Parameters
    ----------
    record
        Result of `AccuracyReport.to_dict`.
    """
    parts = [f"# {REPORT_TITLE}", _table(("Figure", "Value"), _figures(record))]
    if record["advice"]:
        parts += ["## Advice", "\n".join(f"- {escape(sentence(line))}" for line in record["advice"])]
    classes = [[row["name"], *class_cells(row)] for row in record["classes"]]
    parts += ["## Accuracy by class", _table(CLASS_HEADS, classes)]
    if record["areas"] is not None:
        parts += ["## Areas", _table(area_heads(record["areas"]), area_rows(record["areas"]))]
    unknown = unknown_of(record)
    if unknown is not None:
        parts += [f"## {TITLE}", _table(("Figure", "Value"), unknown_lines(unknown))]
        parts.append(escape(f"{sentence(unknown_advice(unknown))}."))
        parts += [_table(HEADS, rows)] if (rows := unknown_rows(unknown)) else []
    notes = [*record["notes"], *([] if record["borders"] is None else [explain_borders(record["borders"])])]
    parts += [escape(sentence(note)) for note in (*notes, explain_method(record))]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    r"""Give text as Markdown shows it: no character of it is markup, and line breaks are blanks.

    >>> print(escape("roof_2 | <b>"))
    roof\_2 \| \<b\>
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _figures(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = overall_lines(record)
    if record["worst_class"] is not None:
        lines.append(("Worst class, %", format_worst_class(record["worst_class"])))
    tested = format_count(record["test_pixels"])
    if record["unclassified_pixels"]:
        tested += f", of which the map leaves {format_count(record['unclassified_pixels'])} unclassified"
    lines.append(("Test pixels", tested))
    if record["groups"] is not None:
        lines.append(("Intervals", format_intervals(record)))
    lines.append(("Leakage", format_leakage(record["leakage"], record["window"])))
    if record["calibration"] is not None:
        lines.append(("Calibration", format_calibration(record["calibration"])))
    against = record["against"]
    if against is not None:
        lines.append((f"Gain over {against['map']}", format_gain(against)))
        lines.append(("Other class", format_changes(against)))
    return lines


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    rule = ["---", *["---:"] * (len(lines[0]) - 1)] if len(lines[0]) > 2 else ["---"] * len(lines[0])
    body = [lines[0], rule, *lines[1:]]
    return "\n".join(f"| {' | '.join(cells if cells is rule else map(escape, cells))} |" for cells in body)
