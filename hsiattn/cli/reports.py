"""Accuracy reports in files and on stdout: their forms, and which of them a file name stands for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.errors import OutputError

if TYPE_CHECKING:
    from hsiattn.assessment import AccuracyReport

FORMATS = ("text", "json", "csv", "html", "latex", "markdown")
SUFFIXES = {
    "": "text", ".txt": "text", ".log": "text", ".json": "json", ".csv": "csv", ".html": "html", ".htm": "html",
    ".tex": "latex", ".md": "markdown", ".markdown": "markdown",
}  # fmt: skip

SHOW_ALL = ("json", "html")
"""Forms with what stands beside the figures; the others have the figures alone."""


def choose_format(named: str | None, output: str | None, as_json: bool) -> str:
    """The form of the report: as named, else `--json`, else by the suffix of the output, else text.

    >>> choose_format(None, "report.HTML", False)
    'html'
    """
    if named is not None:
        if as_json and named != "json":
            raise click.UsageError(f"--json and --format {named} contradict each other")
        return named
    if as_json:
        return "json"
    suffix = Path(output or "").suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(f"the suffix of {output} stands for no form of report", "name one with --format")
    return SUFFIXES[suffix]


def render(report: AccuracyReport, form: str) -> str:
    """The report in one of `FORMATS`."""
    methods: dict[str, Any] = {
        "text": report.to_text, "csv": report.to_csv, "html": report.to_html,
        "latex": report.to_latex, "markdown": report.to_markdown,
        "json": lambda: options.json_text(report.to_dict()),
    }  # fmt: skip
    return str(methods[form]())
