"""Reports as LaTeX and Markdown."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hsiattn.assessment import AccuracyReport
from hsiattn.assessment.formatting import format_bounds, sentence
from hsiattn.classes import ClassTable
from hsiattn.files.kinds import FileKind, kind_of

NAMES = ["roof_2 & 50 % #1", "a|b {x} ~^\\", "<script>*bold*[link](x)`$"]
CLASSES = ClassTable.from_records([{"code": code, "name": name} for code, name in enumerate(NAMES, start=1)])


@pytest.fixture
def report() -> AccuracyReport:
    return AccuracyReport(
        np.array([[950, 40, 0], [10, 1200, 5], [0, 0, 0]]),
        CLASSES,
        leakage=0.125,
        window=9,
        advice=("label more_of it",),
    )


def test_latex_has_a_table_of_balanced_rows_in_which_no_name_is_a_command(report: AccuracyReport) -> None:
    text = report.to_latex()
    assert text.splitlines()[1:3] == [r"\begin{table}", r"  \centering"]
    assert r"\toprule" in text
    assert r"\bottomrule" in text
    assert r"\label{tab:accuracy}" in text
    body = re.search(r"\\midrule\n(.*?)\n    \\midrule", text, re.S)
    assert body is not None
    rows = body[1].split("\n")
    assert len(rows) == 3
    for row in rows:
        assert row.endswith(r"\\")
        assert len(re.findall(r"(?<!\\)&", row)) == 5
    assert rows[0].lstrip().startswith(r"roof\_2 \& 50 \% \#1 & 96.0")
    assert r"a\textbar{}b \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}" in rows[1]
    plain = re.sub(r"\\[%&#_{}$]", "", re.sub(r"^%.*", "", text, flags=re.M))
    assert not set("#_%") & set(plain)
    assert plain.count("{") == plain.count("}")
    assert r"12.5 \% of the test pixels" in text


def test_a_caption_and_a_label_may_be_given(report: AccuracyReport) -> None:
    text = report.to_latex(caption="A & B", label="tab:mine")
    assert r"\caption{A \& B}" in text
    assert r"\label{tab:mine}" in text


def test_markdown_has_tables_in_which_no_name_is_markup(report: AccuracyReport) -> None:
    text = report.to_markdown()
    assert text.startswith("# Accuracy assessment\n")
    assert r"| roof\_2 & 50 % \#1 | 96.0" in text or r"| roof\_2 \& 50 % \#1 | 96.0" in text
    assert r"\<script\>\*bold\*\[link\](x)\`\$" in text
    assert r"- Label more\_of it" in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1


def test_both_are_known_as_reports_and_may_be_written_anew(report: AccuracyReport, tmp_path) -> None:
    for name, text in (("a.tex", report.to_latex()), ("a.md", report.to_markdown())):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        assert kind_of(path) is FileKind.REPORT
    (tmp_path / "mine.md").write_text("# Accuracy assessment of mine\n")
    assert kind_of(tmp_path / "mine.md") is None


def test_negative_bounds_are_readable_in_every_form() -> None:
    report = AccuracyReport(np.array([[5, 5], [5, 5]]), ClassTable.from_codes([1, 2]))
    assert report.kappa.lower < 0
    shown = f"0.000 ({format_bounds(report.kappa.lower, report.kappa.upper, 3)})"
    assert re.fullmatch(r"0\.000 \(−0\.\d{3} to 0\.\d{3}\)", shown)
    assert shown in report.to_text()
    assert shown in report.to_markdown()
    assert shown.replace("−", "$-$") in report.to_latex()
    assert "–-" not in report.to_text()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("label more; then map", "Label more; then map"), ("fields, too", "Fields, too"), ("a.tif is damaged",) * 2,
        ("recipe=lda is better",) * 2, ("/data/a lies elsewhere",) * 2, ("1 pixel",) * 2, ("", ""),
        ("pixel-wise methods", "Pixel-wise methods"),
    ],
)  # fmt: skip
def test_sentences_begin_with_capitals_unless_they_begin_with_a_name(text: str, shown: str) -> None:
    assert sentence(text) == shown
