"""The accuracy report as a self-contained HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.assessment.text import format_count, format_kappa, format_percent
from hsiattn.classes import format_color

if TYPE_CHECKING:
    from hsiattn.assessment.report import AccuracyReport


def render_html(report: AccuracyReport) -> str:
    """The page; colours, fonts and figures are inline, so that it can be mailed and printed."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hsiattn.assessment", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": format_percent,
        "kappa": format_kappa,
        "count": format_count,
        "hex": format_color,
    }
    template = environment.get_template("report.html.jinja")
    return template.render(report=report, shades=_shades(report))


def _shades(report: AccuracyReport) -> list[list[float]]:
    """How dark each cell of the matrix is: its share of the row, so that rare classes show their confusions too."""
    shades = []
    for counts, row in zip(report.confusion.tolist(), report.per_class, strict=True):
        shades.append([count / row.support if row.support else 0.0 for count in counts])
    return shades
