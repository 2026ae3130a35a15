"""The page: the report's figures, its charts and its pictures in one file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hsiattn.assessment import area_text, formatting, unknown_text
from hsiattn.assessment.page import wording
from hsiattn.assessment.page.charts import make_charts
from hsiattn.assessment.page.layers import ROLE_COLORS, ROLES, Layers, make_layers
from hsiattn.assessment.page.templating import fill_template, inlined, script_data
from hsiattn.assessment.supplement import Pictures
from hsiattn.classes import format_color
from hsiattn.files.kinds import REPORT_TITLE

MOST_IN_MATRIX = 60
"""Most classes of a confusion matrix that is shown whole."""

_TEST_ROLE = 3
_SCRIPTS = ("rasters.js", "stage.js", "layers.js", "viewer.js", "tables.js", "page.js")


def render_page(record: Mapping[str, Any], pictures: Pictures | None = None) -> str:
    """The report as a self-contained page, which can be mailed, archived and printed.

    Parameters
    ----------
    record
        Result of `AccuracyReport.to_dict`; parts beside the counts and their figures may be absent.
    pictures
        Rasters of map and reference; None for a page without them.
    """
    classes = record["classes"]
    layers = None
    if pictures is not None and pictures.land_cover.size:
        layers = make_layers(pictures, classes)
    return fill_template(
        "hsiattn.assessment.page",
        "templates/page.html.jinja",
        title=REPORT_TITLE,
        report=record,
        supplement=record.get("supplement") or {},
        layers=layers,
        roles=[(name, format_color(color[:3])) for name, color in zip(ROLES, ROLE_COLORS, strict=True)][1:],
        whole_matrix=len(classes) <= MOST_IN_MATRIX,
        confusions=_confusions(record),
        shades=_shades(record),
        charts=make_charts(record),
        colors={row["code"]: row["color"] for row in classes},
        formatting=formatting,
        area_text=area_text,
        unknown_text=unknown_text,
        wording=wording,
        style=inlined("base.css", "page.css"),
        script=inlined(*_SCRIPTS),
        data=script_data(_viewer_data(record, pictures, layers)),
    )


def _viewer_data(record: Mapping[str, Any], pictures: Pictures | None, layers: Layers | None) -> dict[str, Any]:
    """What the scripts must know."""
    data: dict[str, Any] = {
        "classes": [{"name": row["name"], "color": row["color"]} for row in record["classes"]],
        "level": record["confidence_level"],
    }
    if pictures is None or layers is None:
        return data
    return data | {
        "width": layers.width,
        "height": layers.height,
        "step": layers.step,
        "map": {"width": pictures.width, "height": pictures.height},
        "transform": list(pictures.transform) if _is_placed(pictures) else None,
        "crs": pictures.crs,
        "geographic": pictures.geographic,
        "confidence": {"step": layers.confidence_step, "factor": layers.confidence_factor},
        "roles": [{"name": name, "color": list(color)} for name, color in zip(ROLES, ROLE_COLORS, strict=True)],
        "testRole": _TEST_ROLE,
    }


def _is_placed(pictures: Pictures) -> bool:
    """Whether the transform says more than rows and columns do."""
    return bool(pictures.crs) or tuple(pictures.transform) not in ((1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0))


def _shades(record: Mapping[str, Any]) -> list[list[float]]:
    """Darkness of each cell of the matrix: its share of the row, so that rare classes show their confusions too."""
    return [
        [count / row["support"] if row["support"] else 0.0 for count in counts]
        for counts, row in zip(record["confusion_matrix"], record["classes"], strict=True)
    ]


def _confusions(record: Mapping[str, Any], most: int = 30) -> list[dict[str, Any]]:
    """The most frequent confusions: places of both classes, pixels, share of the reference class."""
    found = [
        {"row": i, "column": j, "pixels": count, "share": count / record["classes"][i]["support"]}
        for i, counts in enumerate(record["confusion_matrix"])
        for j, count in enumerate(counts)
        if count and i != j
    ]
    return sorted(found, key=lambda entry: -entry["pixels"])[:most]
