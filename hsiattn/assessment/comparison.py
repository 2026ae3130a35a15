"""Comparison of a map with its reference: which pixels are compared, and under which class names.

Both are read window by window and counted at once, so that memory does not grow with their size.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hsiattn.assessment.border_counts import borders_record
from hsiattn.assessment.code_rasters import ArrayCodes, Codes, Raster, Windows, codes_of
from hsiattn.assessment.confidence_rasters import AnyConfidence, ConfidenceWindows, confidence_of
from hsiattn.assessment.counting import Counted, Rasters, count, too_many
from hsiattn.assessment.group_counts import GroupCounts, GroupedCodes
from hsiattn.assessment.guidance import advise_on_leakage
from hsiattn.assessment.joint_counts import JointCounts
from hsiattn.assessment.map_comparison import compare_maps
from hsiattn.assessment.matched_names import (
    MOST_CLASSES,
    codes_by_name,
    common_classes,
    is_made_up,
    warn_of_numbers,
)
from hsiattn.assessment.records import BordersRecord
from hsiattn.assessment.report import AccuracyReport
from hsiattn.classes import UNLABELLED, ClassTable, LandCoverClass
from hsiattn.errors import AssessmentError, GridError
from hsiattn.files.kinds import FileKind
from hsiattn.labels.file_rasters import FileRaster
from hsiattn.labels.group_rasters import GroupRaster, group_ids
from hsiattn.labels.rasters import LabelRaster
from hsiattn.labels.schemes import ClassScheme
from hsiattn.scenes.alignment import check_same_grid

_MANY_CLASSES = 200
"""Classes from which on fewer matrices are resampled: their number times that of a matrix's cells stays the same."""

_RESAMPLES, _FEWEST_RESAMPLES = 2000, 200

_LEVEL = 0.95
"""Coverage of the intervals."""


def compare(
    land_cover: Raster,
    reference: Raster,
    *,
    roles: ArrayLike | xr.DataArray | Windows | None = None,
    window: int | None = None,
    leakage: float | None = None,
    notes: Sequence[str] = (),
    groups: str | os.PathLike[str] | ArrayLike | xr.DataArray | Windows | None = None,
    scheme: ClassScheme | None = None,
    confidence: AnyConfidence | ConfidenceWindows | None = None,
    against: Raster | None = None,
) -> AccuracyReport:
    """Compare a land-cover map with reference data, pixel by pixel; `hsiattn.assess` also knows how the map was made.

    All labelled pixels of the reference are compared, or with `roles` those of them that the split keeps for the test.
    Classes are matched by code. A class that only the reference knows is a row of the matrix with nothing right; a
    class of the map without test pixels is a row of zeros. Pixels that the map leaves unclassified count as errors of
    omission.

    Parameters
    ----------
    land_cover : str, path, LabelRaster, DataArray or Dataset
        Map: a path, an opened `LabelRaster`, or codes with dims "y" and "x", 0 or NaN where unclassified, with class
        attributes (see `ClassTable.from_attrs`); or a Dataset with such a variable `land_cover`. Rasters of any size
        are compared in the memory of a few windows.
    reference : str, path, LabelRaster or DataArray
        Labels: a path, an opened `LabelRaster`, or an array as `open_labels` gives it; 0 or NaN is unlabelled. On
        another grid they are resampled onto that of the map: each pixel takes the class that covers most of it.
    roles : array of int, shape (H, W), or None, default None
        Split raster; only pixels with the role 3 (test) count. None compares all labelled pixels.
    window : int or None, default None
        Side of the network's window in pixels, for the leakage figure.
    leakage : float or None, default None
        Share of the test pixels whose window holds a training pixel, 0 … 1; None if it is not known.
    notes : sequence of str, default ()
        Sentences for the report on where the test pixels come from.
    groups : str, path, array of int, shape (H, W), or None, default None
        Polygon id of every pixel, 0 or less = none, by which intervals are over polygons; a pixel in none stands for
        itself. None for intervals over pixels. A raster on another grid is resampled as the reference is.
    scheme : ClassScheme or None, default None
        Classes that the codes of both count as: merged, ignored, or those of a higher level. Rasters that are opened
        already have their own.
    confidence : str, path, DataArray, array of float, shape (H, W), or None, default None
        Probability, 0 … 1, of the class that the map gives each pixel, NaN where none is known, or those of all classes
        as further bands, for the calibration. None for none.
    against : Raster or None, default None
        Another map of the area, in the forms of `land_cover`, with which the map is compared: on the same test pixels,
        and on the whole area. On another grid it is resampled as the reference is. None for none.

    Returns
    -------
    AccuracyReport
        Prints as text; `to_html`, `to_json`, `to_csv`, `to_latex` and `to_markdown` give its other forms.

    Raises
    ------
    GridError
        Split or confidence lie on another grid than the map, or reference, groups or the other map do and nothing says
        where, or they do not overlap it.
    AssessmentError
        No pixel to compare; a code that the map's own table does not list; the two name the same code differently; more
        than 1000 classes; map and reference are the same file, or were given the wrong way round.
    LabelError
        A file cannot be used, see `open_labels`.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> reference = xr.DataArray(np.array([[1, 1, 2, 2], [1, 1, 2, 0]]), dims=("y", "x"))
    >>> land_cover = xr.DataArray(np.array([[1, 1, 2, 2], [1, 2, 2, 2]]), dims=("y", "x"))
    >>> report = compare(land_cover, reference)
    >>> report
    <AccuracyReport: overall accuracy 85.7 % (48.7–97.4), 2 classes, 7 test pixels>
    >>> report.confusion
    array([[3, 1],
           [0, 3]])
    """
    mapped, truth = codes_of(land_cover, "the map", scheme), codes_of(reference, "the reference", scheme)
    _check_sides(mapped, truth)
    truth = truth.on_grid_of(mapped.grid, mapped.name)
    rasters = Rasters(
        mapped, truth,
        split=None if roles is None else roles_as_windows(roles, mapped),
        polygons=None if groups is None else _polygons(groups, mapped),
        confidence=None if confidence is None else confidence_of(confidence, mapped),
        other=None if against is None else _other(against, mapped, truth, scheme),
    )  # fmt: skip
    found = count(rasters)
    of_other = None if rasters.other is None else _classes_of_other(rasters.other, found)
    classes, matched, nameless = _matched(rasters, found)
    confusion, unclassified = _matrix(found.joint, classes)
    doubts = warn_of_numbers(confusion, truth.name) if nameless else []
    by_polygon = _group_counts(found.grouped, classes, rasters.polygons)
    resamples = _resamples(len(classes))
    return AccuracyReport(
        confusion=confusion,
        classes=classes,
        unclassified=unclassified,
        leakage=leakage,
        window=window,
        notes=(*_notes_on(mapped, truth, found.joint), *_placement_notes(rasters.polygons), *matched, *notes),
        resamples=resamples,
        calibration=None if found.confidence is None else found.confidence.calibration(classes),
        advice=(*doubts, *advise_on_leakage(leakage, window)),
        groups=by_polygon,
        borders=_borders(found, classes, (confusion, unclassified), by_polygon),
        against=None if found.pair is None or of_other is None or rasters.other is None else compare_maps(
            found.pair, classes, of_other, (mapped.name, rasters.other.name), by_polygon=by_polygon is not None,
            level=_LEVEL, resamples=resamples,
        ),
    )  # fmt: skip


# -- the two rasters ---------------------------------------------------------------------------------------------------


def roles_as_windows(roles: ArrayLike | xr.DataArray | Windows, mapped: Codes) -> Windows:
    """The split as windows, on the grid of the map."""
    if isinstance(roles, xr.DataArray):
        split: Windows = codes_of(roles, "the split")
    elif hasattr(roles, "kept_open"):
        split = roles  # type: ignore[assignment]
    else:
        values = np.asarray(roles)
        size = (mapped.grid.height, mapped.grid.width)
        if values.shape != size:
            given, wanted = (" × ".join(str(number) for number in shape) for shape in (values.shape, size))
            raise GridError(
                f"the split has {given} pixels, the map {wanted}", "give the split that belongs to this scene"
            )
        return ArrayCodes(xr.DataArray(values, dims=("y", "x")), "the split", replace(mapped.grid))
    check_same_grid(split.grid, mapped.grid, (split.name, mapped.name))
    return split


def _polygons(groups: str | os.PathLike[str] | ArrayLike | xr.DataArray | Windows, mapped: Codes) -> Windows:
    """Polygon ids as windows, on the grid of the map."""
    if isinstance(groups, str | os.PathLike):
        groups = GroupRaster(groups)
    if hasattr(groups, "kept_open"):
        windows: Windows = groups  # type: ignore[assignment]
        if isinstance(windows, FileRaster):
            return windows.on_grid_of(mapped.grid, mapped.name)
        check_same_grid(mapped.grid, windows.grid, (mapped.name, f"the raster of groups {windows.name}"))
        return windows
    if isinstance(groups, xr.DataArray):
        groups = groups.transpose("y", "x")
        check_same_grid(mapped.grid, groups, (mapped.name, "the groups"))
    ids = group_ids(groups, (mapped.grid.height, mapped.grid.width))
    return ArrayCodes(xr.DataArray(ids, dims=("y", "x")), "the groups", replace(mapped.grid))


def _placement_notes(polygons: Windows | None) -> tuple[str, ...]:
    return polygons.placement_notes if isinstance(polygons, FileRaster) else ()


def _check_sides(mapped: Codes, truth: Codes) -> None:
    """Refuse files that were given the wrong way round, or one of them twice."""
    if not (isinstance(mapped, LabelRaster) and isinstance(truth, LabelRaster)):
        return
    if _is_same_file(mapped.name, truth.name):
        raise AssessmentError(f"{mapped.name} is given as map and as reference", "give the labels as reference")
    if truth.kind == FileKind.LAND_COVER and mapped.kind != FileKind.LAND_COVER:
        raise AssessmentError(
            f"the reference {truth.name} is a map made by hsiattn, {mapped.name} is none: they seem to be swapped",
            "give the map first and the labels as reference",
        )


def _is_same_file(first: str, second: str) -> bool:
    try:
        return first == second or os.path.samefile(first, second)
    except (OSError, ValueError):
        return False


def _other(against: Raster, mapped: Codes, truth: Codes, scheme: ClassScheme | None) -> Codes:
    """The map to compare with, on the grid of this one."""
    other = codes_of(against, "the other map", scheme)
    for known, what in ((mapped, "the map"), (truth, "the reference")):
        if isinstance(known, LabelRaster) and isinstance(other, LabelRaster) and _is_same_file(known.name, other.name):
            raise AssessmentError(f"{other.name} is {what} itself", "give another map as against=")
    return other.on_grid_of(mapped.grid, mapped.name)


# -- counts -----------------------------------------------------------------------------------------------------------


def _matrix(found: JointCounts, classes: ClassTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Confusion matrix (K, K), and unclassified pixels (K,), in the order of the classes."""
    count = len(classes)
    table = np.zeros((count, count + 1), dtype=np.int64)  # the last column is that of the index -1: unclassified
    table[np.ix_(classes.to_indices(found.reference), classes.to_indices(found.mapped))] = found.counts
    return table[:, :-1], table[:, -1]


def _matched(rasters: Rasters, found: Counted) -> tuple[ClassTable, list[str], bool]:
    """The classes of map and reference together, by name where they are numbered otherwise, and notes on that.

    Last, whether nothing but the map names the classes of the reference.

    The counts of the reference get the codes of the map.
    """
    mapped, truth, notes = rasters.mapped, rasters.truth, found.zeros
    map_codes, reference_codes = found.joint.mapped.tolist(), found.joint.reference.tolist()
    if found.pair is not None:
        map_codes = sorted({*map_codes, *found.pair.changes.mapped.tolist()})
    if not reference_codes:
        which = "labelled pixel" if rasters.split is None else "labelled test pixel"
        raise AssessmentError(
            f"{truth.name} has no {which}", "; ".join(notes) or "give a reference, or a split, that has some"
        )
    of_map, of_reference = _classes(mapped, map_codes), _classes(truth, reference_codes)
    by_name = codes_by_name(of_map, of_reference, reference_codes)
    if by_name:
        found.renumber_reference(by_name)
        of_reference = [replace(item, code=by_name[item.code]) for item in of_reference if item.code in by_name]
        notes = [*notes, f"classes are matched by name: {truth.name} numbers them otherwise than {mapped.name}"]
    classes = common_classes(of_map, of_reference, set(found.joint.reference.tolist()), set(map_codes))
    if len(classes) > MOST_CLASSES:
        raise too_many(rasters)
    names_of_map = [item for item in of_map if not is_made_up(item)]
    return classes, notes, bool(names_of_map) and all(map(is_made_up, of_reference))


def _classes_of_other(other: Codes, found: Counted) -> list[LandCoverClass]:
    codes = [] if found.pair is None else found.pair.changes.reference.tolist()
    if not codes:
        raise AssessmentError(f"{other.name} has no class in any pixel of the map", "give a map of the same area")
    return _classes(other, codes)


def _borders(
    found: Counted,
    classes: ClassTable,
    tables: tuple[NDArray[np.int64], NDArray[np.int64]],
    by_polygon: GroupCounts | None,
) -> BordersRecord | None:
    borders = found.borders
    if borders is None:
        return None
    at_border = np.concatenate([part.reshape(len(classes), -1) for part in _matrix(borders.joint, classes)], axis=1)
    groups = None
    if by_polygon is not None:
        groups = borders.grouped.counts(classes), found.grouped.less(borders.grouped).counts(classes)
    return borders_record(tables, at_border, borders.from_map, groups, _LEVEL)


def _group_counts(grouped: GroupedCodes, classes: ClassTable, polygons: Windows | None) -> GroupCounts | None:
    """Counts by polygon, where test pixels are to lie in some."""
    if polygons is None:
        return None
    counts = grouped.counts(classes)
    if not counts.ids.any():
        raise AssessmentError(
            f"no test pixel lies in a polygon of {polygons.name}", "give groups= of this reference, or leave it out"
        )
    return counts


def _resamples(classes: int) -> int:
    if classes <= _MANY_CLASSES:
        return _RESAMPLES
    return max(_FEWEST_RESAMPLES, _RESAMPLES * _MANY_CLASSES**2 // classes**2)


# -- classes -----------------------------------------------------------------------------------------------------------


def _classes(raster: Codes, codes: Sequence[int]) -> list[LandCoverClass]:
    """The class table of a raster, or one class for every code in it; every code must be covered."""
    present = sorted(set(codes) - {UNLABELLED})
    table = raster.class_table(present)
    if table is None:
        return list(ClassTable.from_codes(present)) if present else []
    unknown = sorted(set(present) - set(table.codes))
    if unknown:
        raise AssessmentError(
            f"{raster.name} holds the code {unknown[0]}, which its class table does not list", "add it to the table"
        )
    return list(table)


# -- notes for the reader ----------------------------------------------------------------------------------------------


def _notes_on(mapped: Codes, truth: Codes, found: JointCounts) -> list[str]:
    """Sentences on comparisons that are probably not meant."""
    notes = list(dict.fromkeys((*mapped.notes, *truth.notes)))
    both = [
        raster for raster in (mapped, truth) if isinstance(raster, LabelRaster) and raster.kind == FileKind.LAND_COVER
    ]
    if len(both) == 2:
        notes.append(
            f"the reference {truth.name} is itself a map made by hsiattn: the figures say how far two maps agree, not "
            "how accurate one is"
        )
    unclassified = int(found.counts[:, found.mapped == UNLABELLED].sum())
    tested, area = int(found.counts.sum()), mapped.grid.height * mapped.grid.width
    if 2 * unclassified > tested > area / 2:
        notes.append(
            f"the map leaves {unclassified} of {tested} test pixels unclassified, and the reference labels most of the "
            "area: map and reference may be swapped"
        )
    return notes
