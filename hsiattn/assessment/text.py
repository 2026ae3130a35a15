"""The accuracy report as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from hsiattn.assessment.area_text import render_areas, standard_error
from hsiattn.assessment.formatting import (
    CLASS_HEADS,
    RELIABILITY_HEADS,
    class_cells,
    explain_borders,
    explain_method,
    format_borders,
    format_calibration,
    format_changes,
    format_count,
    format_disagreement,
    format_gain,
    format_intervals,
    format_kappa,
    format_leakage,
    format_mcc,
    format_percent,
    format_worst_class,
    reliability_rows,
    sentence,
)
from hsiattn.assessment.unknown_text import HEADS, TITLE, unknown_advice, unknown_lines, unknown_of, unknown_rows
from hsiattn.files.kinds import REPORT_TITLE

WIDTH = 110
_NAME_WIDTH = 28
_HEAD_WIDTH = 10


def render_text(record: Mapping[str, Any]) -> str:
    """The whole report: overall figures, advice, classes, confusion matrix, calibration, how to read it.

    Parameters
    ----------
    record
        Result of `AccuracyReport.to_dict`.
    """
    advice, calibration = record["advice"], record["calibration"]
    parts = [
        f"{REPORT_TITLE}\n{'=' * len(REPORT_TITLE)}",
        _overall(record),
        *([_listed("Advice", advice)] if advice else []),
        *([_listed("Warnings of training and mapping", told)] if (told := _messages(record)) else []),
        _by_class(record["classes"]),
        *([] if record["areas"] is None else [render_areas(record["areas"], _table)]),
        *([] if (unknown := unknown_of(record)) is None else [_unknown(unknown)]),
        _matrix(record),
        *([] if record["against"] is None else [_against(record)]),
        *([_reliability(calibration)] if calibration is not None and calibration["pixels"] else []),
        "\n".join(textwrap.fill(sentence(note), WIDTH) for note in _notes(record)),
    ]
    return "\n\n".join(parts) + "\n"


def _overall(record: Mapping[str, Any]) -> str:
    tested = format_count(record["test_pixels"])
    if record["unclassified_pixels"]:
        tested += f", of which the map leaves {format_count(record['unclassified_pixels'])} unclassified"
    lines = [
        ("Overall accuracy, %", format_percent(record["overall_accuracy"]) + standard_error(record["areas"])),
        ("Average accuracy, %", format_percent(record["average_accuracy"])),
        ("Kappa", format_kappa(record["kappa"])),
        ("Matthews correlation", format_mcc(record["mcc"])),
        ("Disagreement, %", format_disagreement(record)),
        *([] if record["worst_class"] is None else [("Worst class, %", format_worst_class(record["worst_class"]))]),
        ("Test pixels", tested),
        *([("Intervals", format_intervals(record))] if record["groups"] is not None else []),
        ("Leakage", format_leakage(record["leakage"], record["window"])),
    ]
    if record["borders"] is not None:
        lines.append(("Borders, %", format_borders(record["borders"])))
    if record["calibration"] is not None:
        lines.append(("Calibration", format_calibration(record["calibration"])))
    return _labelled(lines)


def _notes(record: Mapping[str, Any]) -> list[str]:
    borders = [] if record["borders"] is None else [explain_borders(record["borders"])]
    return [*record["notes"], *borders, explain_method(record)]


def _against(record: Mapping[str, Any]) -> str:
    against = record["against"]
    lines = [
        ("Overall accuracy, %", f"{format_percent(against['overall_accuracy'])} of the other map"),
        ("Gain of this map", format_gain(against)),
        ("Other class", format_changes(against)),
    ]
    return f"Comparison with {against['map']}\n{_labelled(lines)}"


def _unknown(unknown: Mapping[str, Any]) -> str:
    rows = [
        [_shortened(row[0], _NAME_WIDTH), row[1], _shortened(row[2], _NAME_WIDTH), *row[3:]]
        for row in unknown_rows(unknown)
    ]
    table = [_table([HEADS], rows)] if rows else []
    return "\n".join(
        [
            TITLE,
            _labelled(unknown_lines(unknown)),
            textwrap.fill(sentence(unknown_advice(unknown)) + ".", WIDTH),
            *table,
        ]
    )


def _labelled(lines: Sequence[tuple[str, str]]) -> str:
    return "\n".join(
        textwrap.fill(text, WIDTH, initial_indent=f"{label:<22}", subsequent_indent=" " * 22) for label, text in lines
    )


def _messages(record: Mapping[str, Any]) -> Sequence[str]:
    return (record.get("supplement") or {}).get("messages") or ()


def _listed(title: str, sentences: Sequence[str]) -> str:
    lines = [textwrap.fill(sentence(line), WIDTH, initial_indent="- ", subsequent_indent="  ") for line in sentences]
    return "\n".join([title, *lines])


def _by_class(classes: Sequence[Mapping[str, Any]]) -> str:
    figures = [class_cells(row) for row in classes]
    taken = sum(2 + max(map(len, column)) for column in zip(CLASS_HEADS[1:], *figures, strict=True))
    width = min(_NAME_WIDTH, max(WIDTH - taken, _NAME_WIDTH // 2))
    rows = [[_shortened(row["name"], width), *texts] for row, texts in zip(classes, figures, strict=True)]
    return "Accuracy by class\n" + _table([CLASS_HEADS], rows)


def _matrix(record: Mapping[str, Any]) -> str:
    """The confusion matrix under the classes' names, in blocks of columns that fit the width."""
    classes = record["classes"]
    names = [row["name"] for row in classes]
    columns = [(name, [row[k] for row in record["confusion_matrix"]]) for k, name in enumerate(names)]
    if record["unclassified_pixels"]:
        columns.append(("not classified", [row["unclassified"] for row in classes]))
    columns.append(("total", [row["support"] for row in classes]))
    totals = [format_count(sum(counts)) for _, counts in columns]
    labels = [_shortened(name, _NAME_WIDTH) for name in (*names, "total")]
    first = max(len(label) for label in labels)
    per_block = max(1, (WIDTH - first) // (_HEAD_WIDTH + 2))
    blocks = []
    for start in range(0, len(columns), per_block):
        block = columns[start : start + per_block]
        heads = [_wrapped(name, _HEAD_WIDTH) for name, _ in block]
        depth = max(len(head) for head in heads)
        padded = [[""] * (depth - len(head)) + head for head in heads]  # names stand on the rule
        head_rows = [["", *line] for line in zip(*padded, strict=True)]
        rows = [[label, *(format_count(counts[i]) for _, counts in block)] for i, label in enumerate(labels[:-1])]
        rows.append([labels[-1], *totals[start : start + per_block]])
        blocks.append(_table(head_rows, rows, first))
    return "Confusion matrix, pixels (rows: reference, columns: map)\n" + "\n\n".join(blocks)


def _reliability(calibration: Mapping[str, Any]) -> str:
    return "Reliability of the confidence\n" + _table([RELIABILITY_HEADS], reliability_rows(calibration))


def _table(head: Sequence[Sequence[str]], rows: Sequence[Sequence[str]], first_width: int = 0) -> str:
    """Columns aligned: the first to the left, the others to the right."""
    lines = [*head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    widths[0] = max(widths[0], first_width)
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    texts = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([rule, *texts[: len(head)], rule, *texts[len(head) :], rule])


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _wrapped(name: str, width: int) -> list[str]:
    """A name as a column head of a few short lines."""
    lines = textwrap.wrap(name.replace("_", " "), width, max_lines=4, placeholder="…")
    return lines or [""]
