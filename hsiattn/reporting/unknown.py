"""Unknown material in a map: how much there is, what its spectra look like, where it lies, and what it is most like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.class_totals import class_totals
from hsiattn.classes import ClassTable, LandCoverClass, distinct_color, format_color
from hsiattn.reporting.class_indices import ClassIndices
from hsiattn.reporting.clustering import kinds_of
from hsiattn.reporting.labelled_pixels import survey_labels
from hsiattn.reporting.spectra import rounded
from hsiattn.scenes.pixels import gather_spectra

if TYPE_CHECKING:
    from hsiattn.assessment import AccuracyReport
    from hsiattn.assessment.code_rasters import Codes
    from hsiattn.assessment.records import (
        NamedCode,
        PlaceRecord,
        SpectraRecord,
        UnknownKindRecord,
        UnknownRecord,
    )
    from hsiattn.mapping.provenance import UnknownTags
    from hsiattn.reporting.placed_scene import PlacedScene
    from hsiattn.scenes.grid import Grid

MOST_SAMPLED = 2000
"""Pixels of unknown material whose spectra are looked at."""

_CELLS = 24
"""Cells along the longer side of a map, by which the density of pixels is counted."""


def describe_unknown(
    mapped: Codes,
    tags: UnknownTags,
    report: AccuracyReport,
    *,
    scene: PlacedScene | None = None,
    spectra: SpectraRecord | None = None,
    tested: Tested | None = None,
) -> UnknownRecord | None:
    """What a map says of unknown material; None where its legend has none.

    Parameters
    ----------
    mapped
        The map, with the codes that it was written with.
    tags
        How it tells unknown material.
    report
        Accuracy of the map.
    scene
        For the spectra of the pixels of unknown material; None without.
    spectra
        Mean spectra of the classes, to which those are compared; None without.
    tested
        What becomes of the test pixels, where the report is not of this map.

    Raises
    ------
    HsiattnError
        The map or the scene cannot be read.
    """
    table = mapped.class_table([tags.code])
    item = next((item for item in table or () if item.code == tags.code), None)
    if item is None:
        return None
    totals = class_totals(mapped)
    tested = tested or Tested.of(report, ClassTable(tuple(table or ())), tags.code)
    record: UnknownRecord = {
        "code": item.code, "name": item.name, "color": format_color(item.color), "detector": tags.detector,
        "accept": tags.accept, "threshold": tags.threshold, "pixels": int(totals.of([item.code])[0]), "share": 0.0,
        "hectares": None, "test_pixels": tested.called, "accuracy_of_known": tested.accuracy,
        "foreign_pixels": tested.foreign, "foreign_found": tested.found,
    }  # fmt: skip
    if totals.all_pixels:
        record["share"] = record["pixels"] / totals.all_pixels
    if (areas := totals.hectares_of([item.code])) is not None:
        record["hectares"] = float(areas[0])
    if scene is not None and record["pixels"]:
        _add_kinds(record, mapped, item, scene, spectra)
    return record


@dataclass(frozen=True)
class Tested:
    """What becomes of the test pixels in a map with unknown material.

    Attributes
    ----------
    called
        Pixels of the legend's classes that are called unknown.
    accuracy
        Share of those that get a class that is right; None where there are none.
    foreign, found
        Pixels of classes that the legend lacks, and those of them that are called unknown.
    """

    called: int
    accuracy: float | None
    foreign: int = 0
    found: int = 0

    @classmethod
    def of(cls, report: AccuracyReport, legend: ClassTable, code: int) -> Tested:
        """Count them in the confusion matrix of a map with that legend, in which unknown material has that code."""
        codes = np.asarray(report.classes.codes)
        known, unknown = np.isin(codes, legend.codes) & (codes != code), codes == code
        foreign = ~known & ~unknown
        among = report.confusion[known][:, known]
        return cls(
            int(report.confusion[known][:, unknown].sum()),
            int(np.trace(among)) / int(among.sum()) if among.any() else None,
            int(report.confusion[foreign].sum()),
            int(report.confusion[foreign][:, unknown].sum()),
        )


def _add_kinds(
    record: UnknownRecord, mapped: Codes, item: LandCoverClass, scene: PlacedScene, known: SpectraRecord | None
) -> None:
    """Add the kinds of unknown material to a record, with their spectra."""
    found = survey_labels(ClassIndices(mapped, ClassTable((item,))), None, 1, MOST_SAMPLED)
    source, good = scene.source, scene.source.bands.good
    stored, measured = gather_spectra(source, scene.positions(found.positions))
    whole = measured[:, good].all(axis=1)
    if not whole.any():
        return
    values = source.radiometry.reflectance(stored[whole].astype(np.float64))
    positions, kinds = found.positions[whole], kinds_of(values[:, good])
    values = np.where(measured[whole], values, np.nan)
    each = [np.flatnonzero(kinds == kind) for kind in range(kinds.max() + 1)]
    names = [item.name if len(each) == 1 else f"{item.name} {number}" for number, _ in enumerate(each, start=1)]
    colors = (
        [record["color"]] if len(each) == 1 else [format_color(distinct_color(place)) for place in range(len(each))]
    )
    record["sample"] = (
        f"a sample of {len(values)} of the {found.eligible.sum()} pixels" if found.is_sample else "all of the pixels"
    )
    record["spectra"] = {
        "bands": list(source.bands.names),
        "wavelength": rounded(source.bands.wavelength.tolist()),
        "good": [bool(one) for one in good],
        "unit": "reflectance" if source.radiometry.stated else "value as stored",
        "classes": [
            {
                "code": item.code, "name": name, "color": color, "pixels": len(own),
                "mean": rounded(_mean(values[own]).tolist()), "std": rounded(_deviation(values[own]).tolist()),
            }
            for name, color, own in zip(names, colors, each, strict=True)
        ],
    }  # fmt: skip
    record["kinds"] = [
        _kind(name, len(own) / len(values), len(own), _mean(values[own]), known, _place(positions[own], mapped.grid))
        for name, own in zip(names, each, strict=True)
    ]


def _kind(
    name: str,
    share: float,
    pixels: int,
    mean: NDArray[np.float64],
    known: SpectraRecord | None,
    place: PlaceRecord,
) -> UnknownKindRecord:
    nearest, angle = (None, None) if known is None else nearest_class(mean, known)
    return {"name": name, "share": share, "pixels": pixels, "nearest": nearest, "angle": angle, "place": place}


def nearest_class(mean: NDArray[np.float64], known: SpectraRecord) -> tuple[NamedCode | None, float | None]:
    """The class whose mean spectrum has the smallest spectral angle (Kruse et al. 1993) to a spectrum (B,), in degrees.

    Over the good bands that both have; None where there are no such bands or no class.
    """
    best: tuple[NamedCode | None, float | None] = None, None
    for row in known["classes"]:
        other = _numbers(row["mean"])
        both = np.asarray(known["good"], bool) & np.isfinite(mean) & np.isfinite(other)
        lengths = np.linalg.norm(mean[both]) * np.linalg.norm(other[both])
        if not lengths:
            continue
        cosine = float(np.clip(mean[both] @ other[both] / lengths, -1, 1))
        angle = math.degrees(math.acos(cosine))
        if best[1] is None or angle < best[1]:
            best = {"code": row["code"], "name": row["name"]}, angle
    return best


def _place(positions: NDArray[np.int64], grid: Grid) -> PlaceRecord:
    """A pixel in the middle of where pixels (N, 2) lie most densely."""
    side = max(1, -(-max(grid.height, grid.width) // _CELLS))
    _, which, counts = np.unique(positions // side, axis=0, return_inverse=True, return_counts=True)
    there = positions[which.reshape(-1) == np.argmax(counts)]
    row, column = there[np.square(there - there.mean(axis=0)).sum(axis=1).argmin()].tolist()
    x, y = grid.transform @ (column + 0.5, row + 0.5) if grid.has_place else (None, None)
    return {"row": row, "column": column, "x": x, "y": y}


def _deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation (B,) of spectra (N, B), NaN at bands with fewer than two measurements."""
    count = np.isfinite(values).sum(axis=0)
    squares = np.nansum(np.square(values - _mean(values)), axis=0)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    count = np.isfinite(values).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else value for value in values])
