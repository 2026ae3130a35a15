"""Tables in LaTeX: names cannot be commands, and the structure is that of booktabs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hsiattn.experiments.comparison import Results
from hsiattn.experiments.latex import escape, table_to_latex
from hsiattn.experiments.report import make_report, write_report
from hsiattn.experiments.tables import MEASURES, Entry, Table, spread_table
from hsiattn.files.kinds import FileKind, kind_of

ACCURACIES = {"default": 0.9, "a_b & 50 %": 0.85, "svm": 0.7}


def rows_of(latex: str) -> list[list[str]]:
    """Cells of the first table's body."""
    body = latex.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    return [re.split(r"(?<!\\) & ", line.strip().removesuffix(r" \\")) for line in body.strip().splitlines()]


@pytest.mark.parametrize("character", list("\\{}&%$#_~^<>|[]"))
def test_no_character_of_a_name_is_a_command(character):
    escaped = escape(f"a{character}b")
    assert escaped != f"a{character}b"
    bare = re.sub(r"\\text[a-z]+\{\}|\\[{}&%$#_]|\$[<>]\$|\{[][]\}", "", escaped)
    assert bare == "ab"


def test_a_line_break_in_a_name_breaks_no_row():
    assert escape("bare\n\nsoil") == "bare soil"


def test_a_table_has_as_many_cells_in_every_row_as_columns_and_figures_stand_on_the_right():
    table = Table(
        ("scene", "OA, %", "p"),
        ((Entry("a"), Entry("90.1 ± 0.5", best=True), Entry("< 0.0001")), (Entry("b"), Entry("1"), Entry(""))),
    )
    latex = table_to_latex(table, "Accuracy, 100 %", "oa")
    assert r"\begin{tabular}{lrr}" in latex
    assert r"\caption{Accuracy, 100 \%}" in latex
    assert rows_of(latex) == [["a", r"\textbf{90.1 $\pm$ 0.5}", r"$<$ 0.0001"], ["b", "1", ""]]
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    assert [latex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


def test_the_report_gives_mean_and_deviation_by_scene_and_the_best_is_bold(finished, tmp_path):
    plan, runs, folder = finished(ACCURACIES)
    results, report = Results.of(folder.read_all(runs)), make_report(plan, runs, folder)
    latex = report.to_latex()
    assert r"a\_b \& 50 \%" in latex
    for cell, row in zip(results.cells, rows_of(latex), strict=True):
        assert row[:2] == list(cell)
        for text, recipe in zip(row[2:], results.recipes, strict=True):
            values = [record["overall_accuracy"] for record in results.of_cell(cell, recipe).values()]
            expected = rf"{100 * np.mean(values):.1f} $\pm$ {100 * np.std(values, ddof=1):.1f}"
            assert text == (rf"\textbf{{{expected}}}" if recipe == "default" else expected)
    written = write_report(report, tmp_path)
    assert tmp_path / "report.tex" in written
    assert kind_of(tmp_path / "report.tex") is FileKind.EXPERIMENT_REPORT
    write_report(report, tmp_path)  # its own files may be replaced


def test_a_recipe_without_a_run_has_an_empty_cell(finished):
    _, runs, folder = finished({"default": 0.9, "svm": 0.7}, scenes=2)
    for run in runs:
        if str(run).startswith("scene 1") and ", svm" in str(run):
            folder.record_path(run).unlink()
    table = spread_table(Results.of(folder.read_all(runs)), MEASURES[0])
    assert [row[-1].text for row in table.rows if row[0].text == "scene 1"] == [""]
