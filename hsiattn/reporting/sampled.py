"""Accuracy and areas of a map from a probability sample of reference pixels, whose strata are known.

The sample may be one that `hsiattn.draw_sample` drew and somebody filled in, or points of one's own with the raster
that they were stratified by. Strata need not be the classes of the assessed map.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment import AccuracyReport, confusion_matrix, unclassified_counts
from hsiattn.assessment.areas import designed_areas
from hsiattn.assessment.class_totals import ClassTotals, class_totals
from hsiattn.assessment.code_rasters import codes_of
from hsiattn.assessment.drawing import class_names
from hsiattn.assessment.formatting import format_count
from hsiattn.assessment.records import StratumRecord
from hsiattn.assessment.sample_files import ReferenceSample, read_sample
from hsiattn.assessment.stratified import StratifiedCounts
from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import AssessmentError, GridError, LabelError
from hsiattn.labels.feature_classes import FeatureClasses
from hsiattn.labels.vector_placement import VectorPlacement
from hsiattn.scenes.alignment import check_same_grid, has_georeference
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows

if TYPE_CHECKING:
    from hsiattn.assessment.code_rasters import Codes, Raster
    from hsiattn.scenes.grid import Grid

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Points:
    """Reference pixels: where they lie on the map, their strata, what somebody saw there.

    rows, columns, stratum: (N,), -1 where the map does not reach; values (N,), None where nobody looked.
    """

    rows: Integers
    columns: Integers
    stratum: Integers
    values: NDArray[Any]
    strata: tuple[StratumRecord, ...]
    design: str
    source: str
    notes: tuple[str, ...]


def assess_drawn(land_cover: Raster, sample: str | os.PathLike[str], *, notes: Sequence[str] = ()) -> AccuracyReport:
    """Assess a map by a sample that `hsiattn.draw_sample` drew, from this map or from another one.

    Raises
    ------
    AssessmentError
        No pixel has been filled in, or none lies on the map.
    LabelError
        Sample or map cannot be used, or none of the classes filled in is one of the map.
    GridError
        Sample and map lie on different grids, and one of them says not where.
    """
    mapped, drawn = codes_of(land_cover, "the map"), read_sample(sample)
    totals = class_totals(mapped, fingerprint=True)
    rows, columns = _on_the_map(drawn, mapped)
    found = (*drawn.notes, *_changes(drawn, mapped, totals))
    points = _Points(
        rows, columns, drawn.stratum, drawn.values, drawn.strata, drawn.design, f"column class of {drawn.name}", found
    )
    return _report(mapped, totals, points, drawn.areas or totals.how, notes)


def assess_points(
    land_cover: Raster,
    points: str | os.PathLike[str],
    strata: Raster,
    *,
    column: str | None = None,
    layer: str | None = None,
    notes: Sequence[str] = (),
) -> AccuracyReport:
    """Assess a map by points that are a random sample of every class of a raster.

    Parameters
    ----------
    land_cover
        Map.
    points
        Points of a vector file or a table of coordinates.
    strata
        Raster by whose classes the points were stratified; its classes are counted.
    column, layer
        As for `open_labels`.
    notes
        Sentences for the report.

    Raises
    ------
    AssessmentError, LabelError, GridError
        As for `assess_drawn`; also where a feature is no point.
    """
    mapped, raster = codes_of(land_cover, "the map"), codes_of(strata, "the strata")
    places, values, source, found = _own_points(points, raster.grid, raster.name, column, layer)
    sizes = class_totals(raster)
    rows, columns = _pixels(places, raster.grid)
    codes = values_at(raster, rows, columns)
    stratum = np.where(codes != UNLABELLED, np.searchsorted(sizes.codes, codes), -1)
    outside = int(np.count_nonzero(codes == UNLABELLED))
    if outside:
        found = (*found, f"{format_count(outside)} points lie in no class of {raster.name}: they do not count")
    if not sizes.codes.size:
        raise AssessmentError(f"{raster.name} has no class", "give the raster that the points were stratified by")
    names, areas = class_names(raster, sizes.codes.tolist()), sizes.hectares
    records = tuple(
        StratumRecord(
            code=item.code, name=item.name, pixels=int(sizes.pixels[k]), sampled=int((stratum == k).sum()),
            hectares=None if areas is None else float(areas[k]),
        )
        for k, item in enumerate(names)
    )  # fmt: skip
    if raster.name == mapped.name:
        totals = sizes
    else:
        totals = class_totals(mapped)
        placed, placed_values, _, more = _own_points(points, mapped.grid, mapped.name, column, layer)
        rows, columns = _pixels(placed, mapped.grid)
        values, found = placed_values, tuple(dict.fromkeys((*found, *more)))
    design = f"Points of {os.path.basename(os.fspath(points))} as a random sample of each class of {raster.name}"
    chosen = _Points(rows, columns, stratum, values, records, design, source, found)
    return _report(mapped, totals, chosen, sizes.how, notes)


def values_at(raster: Codes, rows: Integers, columns: Integers) -> Integers:
    """Codes (N,) of a raster at pixels; 0 where row or column is -1. Only windows with such pixels are read."""
    codes = np.zeros(len(rows), np.int64)
    waiting = np.flatnonzero(rows >= 0)
    with raster.kept_open():
        for window in block_windows(raster.grid.height, raster.grid.width, [raster.block], PIXELS_AT_ONCE):
            (top, bottom), (left, right) = window.toranges()
            row, column = rows[waiting], columns[waiting]
            inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
            if inside.any():
                here = waiting[inside]
                codes[here] = raster.read(window)[rows[here] - top, columns[here] - left]
    return codes


# -- places ------------------------------------------------------------------------------------------------------------


def _on_the_map(drawn: ReferenceSample, mapped: Codes) -> tuple[Integers, Integers]:
    """Rows and columns of the drawn pixels on the map, -1 where it does not reach."""
    try:
        check_same_grid(drawn.grid, mapped.grid, (drawn.name, mapped.name))
    except GridError:
        if not (has_georeference(drawn.grid) and has_georeference(mapped.grid)):
            raise
    else:
        return drawn.rows, drawn.columns
    t, crs = drawn.grid.transform, drawn.grid.crs
    x, y = drawn.columns + 0.5, drawn.rows + 0.5
    centres = np.stack([t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f], axis=1)
    differ = crs is not None and mapped.grid.crs is not None and crs != mapped.grid.crs
    placement = VectorPlacement(mapped.grid, crs if differ else None, ~mapped.grid.transform)
    return _pixels(placement.pixels(placement.to_map(centres)), mapped.grid)


def _pixels(places: NDArray[np.float64], grid: Grid) -> tuple[Integers, Integers]:
    """Rows and columns of places in columns and rows, -1 outside of the grid."""
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(places).all(axis=1) & (places >= 0).all(axis=1)
        inside &= (places[:, 0] < grid.width) & (places[:, 1] < grid.height)
    whole = np.where(inside[:, None], np.floor(np.where(inside[:, None], places, 0.0)), -1).astype(np.int64)
    return whole[:, 1], whole[:, 0]


def _own_points(
    path: str | os.PathLike[str], grid: Grid, name: str, column: str | None, layer: str | None
) -> tuple[NDArray[np.float64], NDArray[Any], str, tuple[str, ...]]:
    """Columns and rows (N, 2) of the points of a file, values (N,), the column in words, and notes."""
    import shapely

    from hsiattn.labels.vector_layers import VectorLayer

    vectors = VectorLayer.open(path, layer)
    chosen = vectors.choose_column(column)
    placement = VectorPlacement.of(vectors, grid, name)
    places, values = [np.zeros((0, 2))], [np.zeros(0, dtype=object)]
    for batch in vectors.batches([chosen]):
        shapes = shapely.from_wkb(batch.shapes)
        if not (shapely.get_type_id(shapes) == shapely.GeometryType.POINT).all():
            raise LabelError(f"{vectors.name} has features that are no points", "give points, one for each pixel")
        points = np.stack([shapely.get_x(shapes), shapely.get_y(shapes)], axis=1)
        places.append(placement.pixels(placement.to_map(points)))
        values.append(batch.columns[chosen].astype(object))
    source = f"column {chosen} of {vectors.name}"
    return np.concatenate(places), np.concatenate(values), source, placement.notes


def _changes(drawn: ReferenceSample, mapped: Codes, totals: ClassTotals) -> list[str]:
    """Sentences on a map that is another than the one that was sampled."""
    if totals.fingerprint == drawn.fingerprint:
        return []
    sampled, own = os.path.basename(drawn.map_name), os.path.basename(mapped.name)
    if sampled == own:
        return [
            f"{own} has changed since the sample was drawn: the classes of the earlier map are the strata, which the "
            "estimates take into account"
        ]
    return [
        f"the sample was drawn from {sampled}, whose classes are the strata; {own} is another map, which the estimates "
        "take into account (Stehman 2014)"
    ]


# -- the report --------------------------------------------------------------------------------------------------------


def _report(mapped: Codes, totals: ClassTotals, points: _Points, areas: str, notes: Sequence[str]) -> AccuracyReport:
    codes, classes, filled = _classes(mapped, totals, points)
    on_map = points.rows >= 0
    counted = filled & on_map & (points.stratum >= 0)
    said = _said(points, filled, on_map)
    if not filled.any():
        raise AssessmentError(
            f"no pixel of the {points.source} is filled in", "fill in what is there, by name or code of the class"
        )
    if not counted.any():
        raise AssessmentError("no reference pixel lies on the map", "give the map that was sampled, or one of its area")
    reference = classes.to_indices(codes[counted])
    found = classes.to_indices(values_at(mapped, points.rows[counted], points.columns[counted]))
    stratum = points.stratum[counted]
    sizes = [row["pixels"] for row in points.strata]
    sampled = np.bincount(stratum, minlength=len(sizes)).tolist()
    if any(number > size for number, size in zip(sampled, sizes, strict=True)):
        raise AssessmentError("more reference pixels lie in a stratum than it has", "give every pixel once")
    strata: list[Any] = [{**row, "sampled": number} for row, number in zip(points.strata, sampled, strict=True)]
    counts = StratifiedCounts.of_pixels(sizes, stratum, reference, found, len(classes))
    about = ClassTotals(totals.codes, totals.pixels, totals.hectares, totals.unclassified, areas)
    k = len(classes)
    return AccuracyReport(
        confusion=confusion_matrix(reference, found, k),
        classes=classes,
        unclassified=unclassified_counts(reference, found, k),
        notes=tuple(dict.fromkeys((*getattr(mapped, "notes", ()), *points.notes, *said, *notes))),
        areas=designed_areas(counts, classes, about, strata, points.design),
    )


def _classes(mapped: Codes, totals: ClassTotals, points: _Points) -> tuple[Integers, ClassTable, NDArray[np.bool_]]:
    """Code of every reference pixel, the classes of map and reference, and which pixels are filled in."""
    seen = FeatureClasses(points.source)
    numbers = seen.number(points.values)
    whole, filled = _own_classes(mapped, totals, points.strata), numbers >= 0
    if not filled.any():
        return np.zeros(len(numbers), np.int64), whole, filled
    codes, table = seen.resolve(known=whole)
    missing = [item for item in table if item.code not in whole.codes]
    chosen = np.where(filled, codes[np.maximum(numbers, 0)], UNLABELLED)
    return chosen, ClassTable((*whole.classes, *missing)) if missing else whole, chosen != UNLABELLED


def _own_classes(mapped: Codes, totals: ClassTotals, strata: Sequence[StratumRecord]) -> ClassTable:
    """The classes of a map; where it names none, those of the strata lend it their names."""
    present = totals.codes.tolist()
    table = mapped.class_table(present)
    if table is not None and any(item.name != f"class {item.code}" for item in table):
        return table
    names = {row["code"]: row["name"] for row in strata}
    return ClassTable.from_records({"code": code, "name": names.get(code, "")} for code in present or sorted(names))


def _said(points: _Points, filled: NDArray[np.bool_], on_map: NDArray[np.bool_]) -> list[str]:
    """Sentences on reference pixels that do not count."""
    said = []
    empty, outside = int(np.count_nonzero(~filled)), int(np.count_nonzero(filled & ~on_map))
    if empty:
        said.append(
            f"{format_count(empty)} of {format_count(len(filled))} reference pixels have no class: the estimates hold "
            "as though those had not been drawn, which is right if they were left empty whatever is there"
        )
    if outside:
        said.append(
            f"{format_count(outside)} reference pixels lie outside of the map: the estimates hold as though their "
            "strata were there as they are elsewhere"
        )
    return said
