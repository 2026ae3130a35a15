"""Unknown material of a map in words and tables, the same in every form of the report.

`unknown` is plain data: the part of that name of the supplement of what `AccuracyReport.to_dict` gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hsiattn.assessment.area_text import format_hectares
from hsiattn.assessment.formatting import format_count, format_share

TITLE = "Unknown material"
"""Heading of the section."""

HEADS = ("Kind", "Share, %", "Nearest class", "Angle, °", "Around row, column", "Coordinates")
"""Heads of the table of kinds."""

_MEASURES = (
    "pixels", "share", "hectares", "test_pixels", "accuracy_of_known", "foreign_pixels", "foreign_found", "accept",
    "threshold",
)  # fmt: skip

_AS_EXPECTED = 1.5
"""How many times the share of false alarms is nothing to wonder about: known classes alone give it."""


def unknown_of(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """That part of a report; None where the map tells no unknown material."""
    found: Mapping[str, Any] | None = (record.get("supplement") or {}).get("unknown")
    return found


def unknown_lines(unknown: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What stands above the table: labels and texts."""
    size = f"{format_share(unknown['share'])} of the classified pixels ({format_count(unknown['pixels'])}"
    size += ")" if unknown["hectares"] is None else f", {format_hectares(unknown['hectares'])} ha)"
    rule = f"{unknown['detector']}, {100 * unknown['accept']:g} % of the known pixels accepted"
    tested = f"{format_count(unknown['test_pixels'])} of known classes are called unknown and count as wrong"
    if unknown["accuracy_of_known"] is not None:
        tested += f"; of those with a class {format_share(unknown['accuracy_of_known'])} are right"
    lines = [("Of the map", size), ("Detector", rule), ("Test pixels", tested)]
    if unknown["foreign_pixels"]:
        found, foreign = format_count(unknown["foreign_found"]), format_count(unknown["foreign_pixels"])
        lines.append(("Not in the legend", f"{found} of {foreign} test pixels of such classes are called unknown"))
    return lines


def unknown_advice(unknown: Mapping[str, Any]) -> str:
    """What the share says, as a sentence without a full stop."""
    alarms = 1 - unknown["accept"]
    if unknown["share"] <= _AS_EXPECTED * alarms:
        return f"known classes alone give about {100 * alarms:.3g} %: nothing shows that the legend lacks a class"
    told = f"known classes alone would give about {100 * alarms:.3g} %: here is something that your legend lacks"
    if not unknown.get("kinds"):
        return (
            f"{told}, or known classes look otherwise here than where they were labelled; with the scene you would see"
        )
    return f"{told}, or known classes look otherwise here than where they were labelled; look at the places below"


def unknown_rows(unknown: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the table of kinds."""
    rows = []
    for kind in unknown.get("kinds") or ():
        place, nearest = kind["place"], kind["nearest"]
        where = "–" if place["x"] is None else f"{place['x']:.8g}, {place['y']:.8g}"
        angle = "–" if kind["angle"] is None else f"{kind['angle']:.1f}"
        name = "–" if nearest is None else nearest["name"]
        rows.append(
            [kind["name"], f"{100 * kind['share']:.1f}", name, angle, f"{place['row']}, {place['column']}", where]
        )
    return rows


def unknown_records(unknown: Mapping[str, Any]) -> Iterator[tuple[str, Any, str, Any]]:
    """Name, code, measure and value of every figure."""
    name, code = unknown["name"], unknown["code"]
    for measure in _MEASURES:
        value = unknown[measure]
        yield name, code, f"unknown_{measure}", "" if value is None else value
    for kind in unknown.get("kinds") or ():
        yield kind["name"], code, "share_of_unknown", kind["share"]
        if kind["nearest"] is not None:
            yield kind["name"], code, f"spectral_angle:{kind['nearest']['name']}", kind["angle"]
