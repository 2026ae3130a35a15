"""The accuracy report as plain text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hsiattn.files.kinds import REPORT_TITLE

if TYPE_CHECKING:
    from hsiattn.assessment.calibration import Calibration
    from hsiattn.assessment.report import AccuracyReport, Estimate

WIDTH = 110
_NAME_WIDTH = 28
_HEAD_WIDTH = 10


def render_text(report: AccuracyReport) -> str:
    """The whole report: overall figures, advice, classes, confusion matrix, calibration, how to read it."""
    parts = [
        f"{REPORT_TITLE}\n{'=' * len(REPORT_TITLE)}",
        _overall(report),
        *([_advice(report.advice)] if report.advice else []),
        _per_class(report),
        _matrix(report),
        *([_reliability(report.calibration)] if report.calibration is not None and report.calibration.pixels else []),
        "\n".join(textwrap.fill(note, WIDTH) for note in (*report.notes, report.method_text)),
    ]
    return "\n\n".join(parts) + "\n"


def format_percent(estimate: Estimate) -> str:
    """`94.1 (92.9–95.2)`, in percent with one decimal; a dash where it is not defined."""
    if math.isnan(estimate.value):
        return "–"
    return f"{100 * estimate.value:.1f} ({100 * estimate.lower:.1f}–{100 * estimate.upper:.1f})"


def format_kappa(estimate: Estimate) -> str:
    """`0.921 (0.905–0.936)`; in words where it is not defined: there is no agreement by chance to compare with."""
    if math.isnan(estimate.value):
        return "undefined (all test pixels are of one class, and mapped as it)"
    return f"{estimate.value:.3f} ({estimate.lower:.3f}–{estimate.upper:.3f})"


def format_count(count: int) -> str:
    """An integer with thin groups of three: `12 345`."""
    return f"{count:,}".replace(",", " ")


def _overall(report: AccuracyReport) -> str:
    unclassified = report.unclassified_pixels
    tested = format_count(report.test_pixels)
    if unclassified:
        tested += f", of which the map leaves {format_count(unclassified)} unclassified"
    lines = [
        ("Overall accuracy, %", format_percent(report.overall_accuracy)),
        ("Average accuracy, %", format_percent(report.average_accuracy)),
        ("Kappa", format_kappa(report.kappa)),
        ("Test pixels", tested),
        ("Leakage", report.leakage_text),
    ]
    if report.calibration is not None:
        lines.append(("Calibration", report.calibration.in_words))
    return "\n".join(
        textwrap.fill(text, WIDTH, initial_indent=f"{label:<22}", subsequent_indent=" " * 22) for label, text in lines
    )


def _advice(advice: Sequence[str]) -> str:
    lines = [textwrap.fill(line, WIDTH, initial_indent="- ", subsequent_indent="  ") for line in advice]
    return "\n".join(["Advice", *lines])


def _per_class(report: AccuracyReport) -> str:
    head = ["Class", "Producer's, %", "User's, %", "F1, %", "IoU, %", "Support"]
    figures = [
        [
            *(format_percent(e) for e in (row.producers_accuracy, row.users_accuracy, row.f1, row.iou)),
            format_count(row.support),
        ]
        for row in report.per_class
    ]
    taken = sum(2 + max(map(len, column)) for column in zip(head[1:], *figures, strict=True))
    width = min(_NAME_WIDTH, max(WIDTH - taken, _NAME_WIDTH // 2))
    rows = [[_shortened(row.name, width), *texts] for row, texts in zip(report.per_class, figures, strict=True)]
    return "Accuracy by class\n" + _table([head], rows)


def _matrix(report: AccuracyReport) -> str:
    """The confusion matrix under the classes' names, in blocks of columns that fit the width."""
    names = report.classes.names
    columns = [(name, report.confusion[:, k].tolist()) for k, name in enumerate(names)]
    if report.unclassified_pixels:
        columns.append(("not classified", [row.unclassified for row in report.per_class]))
    columns.append(("total", [row.support for row in report.per_class]))
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


def _reliability(calibration: Calibration) -> str:
    """The reliability table, without the bins in which no pixel lies."""
    head = ["Confidence, %", "Pixels", "Mean confidence, %", "Right, %"]
    rows = [
        [
            f"{100 * part.lower:.0f}–{100 * part.upper:.0f}",
            format_count(part.pixels),
            f"{100 * part.mean_confidence:.1f}",
            f"{100 * part.accuracy:.1f}",
        ]
        for part in calibration.bins
        if part.pixels
    ]
    return "Reliability of the confidence\n" + _table([head], rows)


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
