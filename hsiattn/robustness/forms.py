"""The robustness table as text, CSV, Markdown and HTML."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from hsiattn.assessment.formatting import format_count, format_number, format_percent, sentence
from hsiattn.files.kinds import ROBUSTNESS_COLUMNS, ROBUSTNESS_TITLE
from hsiattn.robustness.table import Robustness
from hsiattn.version import __version__

_WIDTH = 110


def heads_of(table: Robustness) -> list[str]:
    """Heads of the columns."""
    accuracies = [f"{figure}, %" for figure in ("OA", "AA")]
    if len(table.names) == 1:
        return ["Condition", *accuracies]
    of_each = [f"{figure} {name}" for name in table.names for figure in accuracies]
    return ["Condition", *of_each, "Gain, points", "p"]


def cells_of(table: Robustness) -> list[list[str]]:
    """Cells of every row, as they are shown."""
    rows = []
    for condition, row in zip(table.conditions, table.rows, strict=True):
        cells = [condition.in_words]
        for model in row["models"]:
            cells += [format_percent(model[name]) for name in ("overall_accuracy", "average_accuracy")]
        if "gain" in row:
            sign = "+" if row["gain"]["value"] > 0 else ""
            cells += [sign + format_percent(row["gain"]), _chance(row["p_value_holm"])]
        rows.append(cells)
    return rows


def remarks_of(table: Robustness) -> list[str]:
    """What to know of the figures: what was counted, how, and notes on the scene and the models."""
    about = table.about
    counted = f"{format_count(about['pixels'])} pixels of {format_count(about['groups'])} fields or polygons"
    remarks = [f"{counted}, the same under all conditions. Intervals of 95 % are over fields or polygons."]
    if any(each.kind == "disturbance" for each in table.conditions):
        draws = about["draws"]
        drawn = "one random draw" if draws == 1 else f"the mean of {draws} random draws"
        remarks.append(f"× is the strength of a disturbance, each figure {drawn}.")
    if any(each.kind == "attack" for each in table.conditions):
        remarks.append(
            "Attacks know the model, and change every band of every pixel of a window by at most so many 255ths of its "
            f"range in the scene (1 to 99 %); pgd takes {about['steps']} steps."
        )
    if len(table.names) > 1:
        remarks.append(
            "p: the chance of a gain at least as large if both were equally good, by changing the signs of whole "
            f"polygons, adjusted for {len(table.rows)} tests (Holm)."
        )
    return [*remarks, *(f"{sentence(note)}." for note in table.notes)]


def to_text(table: Robustness) -> str:
    """The table for a terminal."""
    lines = [heads_of(table), *cells_of(table)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rows = ["  ".join(_filled(cell, width, at) for at, (cell, width) in enumerate(zip(line, widths, strict=True)))
            for line in lines]  # fmt: skip
    said = [textwrap.fill(text, _WIDTH) for text in (table.in_words, *remarks_of(table))]
    title = f"{ROBUSTNESS_TITLE}\n{'=' * len(ROBUSTNESS_TITLE)}"
    parts = [title, f"Scene: {table.about['scene']}", "\n".join(row.rstrip() for row in rows), *said]
    return "\n\n".join(parts) + "\n"


def to_csv(table: Robustness) -> str:
    """One line for every figure; those that are not defined are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ROBUSTNESS_COLUMNS)
    writer.writerows(_lines(table))
    return text.getvalue()


def to_markdown(table: Robustness) -> str:
    """The table for a README, a wiki or a pull request."""
    from hsiattn.assessment.markdown_form import escape

    heads = heads_of(table)
    rule = ["---", *["---:"] * (len(heads) - 1)]
    rows = [[escape(cell) for cell in cells] for cells in (heads, *cells_of(table))]
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in (rows[0], rule, *rows[1:]))
    said = [escape(text) for text in (f"Scene: {table.about['scene']}", table.in_words, *remarks_of(table))]
    return "\n\n".join([f"# {ROBUSTNESS_TITLE}", said[0], said[1], body, *said[2:]]) + "\n"


def to_html(table: Robustness) -> str:
    """One page that needs nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hsiattn.robustness", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html.jinja").render(
        title=ROBUSTNESS_TITLE, table=table, heads=heads_of(table), rows=cells_of(table), remarks=remarks_of(table),
        models=list(zip(table.names, table.about["models"], strict=False)), version=__version__,
    )  # fmt: skip


def _lines(table: Robustness) -> Iterator[Sequence[Any]]:
    for row in table.rows:
        start = (row["kind"], row["name"], f"{row['strength']:g}")
        for name, model in zip(table.names, row["models"], strict=True):
            for measure, estimate in model.items():
                yield *start, name, measure, *_numbers(estimate)
        if "gain" in row:
            yield *start, "", "gain", *_numbers(row["gain"])
            for measure in ("p_value", "p_value_holm"):
                yield *start, "", measure, f"{row[measure]:.6g}", "", ""


def _numbers(estimate: dict[str, float | None]) -> list[str]:
    return ["" if value is None else f"{value:.6f}" for value in estimate.values()]


def _filled(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)


def _chance(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else format_number(p_value, 3)
