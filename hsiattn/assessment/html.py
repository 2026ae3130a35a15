"""The accuracy report as a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hsiattn.assessment import formatting


def render_html(record: Mapping[str, Any]) -> str:
    """The page; colours, fonts and figures are inline, so that it can be mailed and printed.

    Parameters
    ----------
    record
        Result of `AccuracyReport.to_dict`.
    """
    return fill_template(
        "hsiattn.assessment",
        report=record,
        shades=_shades(record),
        formatting=formatting,
    )


def fill_template(package: str, **names: Any) -> str:
    """The page that `report.html.jinja` of a package gives with these names; texts are escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # takes a while to load, and text does without it

    environment = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(names)


def _shades(record: Mapping[str, Any]) -> list[list[float]]:
    """Darkness of each cell of the matrix: its share of the row, so that rare classes show their confusions too."""
    return [
        [count / row["support"] if row["support"] else 0.0 for count in counts]
        for counts, row in zip(record["confusion_matrix"], record["classes"], strict=True)
    ]
