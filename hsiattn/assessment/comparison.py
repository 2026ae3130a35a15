"""A map beside its reference: which pixels are compared, and under which class names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hsiattn.assessment.counts import confusion_matrix, unclassified_counts
from hsiattn.assessment.guidance import advise_on_leakage
from hsiattn.assessment.report import AccuracyReport
from hsiattn.classes import UNLABELLED, ClassTable, LandCoverClass
from hsiattn.errors import AssessmentError, GridError
from hsiattn.scenes.alignment import check_same_grid

TEST_ROLE = 3
"""Value of a test pixel in a split raster."""


def assess(
    land_cover: xr.DataArray | xr.Dataset,
    reference: xr.DataArray,
    *,
    roles: ArrayLike | xr.DataArray | None = None,
    window: int | None = None,
    leakage: float | None = None,
    notes: Sequence[str] = (),
) -> AccuracyReport:
    """Compare a land-cover map with reference data, pixel by pixel.

    All labelled pixels of the reference are compared, or with `roles` those of them that the split keeps for the test.
    Classes are matched by code. A class that only the reference knows is a row of the matrix with nothing right; a
    class of the map without test pixels is a row of zeros. Pixels that the map leaves unclassified count as errors of
    omission.

    Parameters
    ----------
    land_cover
        Map: codes with dims "y" and "x", 0 or NaN where unclassified, with class attributes (see
        `ClassTable.from_attrs`); or a Dataset with such a variable `land_cover`.
    reference
        Labels on the same grid, as `open_labels` gives them; 0 or NaN is unlabelled.
    roles
        Split raster (H, W) of integers; only pixels with the role 3 (test) count.
    window
        Side of the network's window in pixels, for the leakage figure.
    leakage
        Share of the test pixels whose window holds a training pixel, 0 … 1; None if it is not known.
    notes
        Sentences for the report on how the test pixels came about.

    Raises
    ------
    GridError
        Map, reference and split do not lie on the same grid.
    AssessmentError
        No pixel to compare; a code that the map's own table does not list; or the two name the same code differently.
    """
    mapped = land_cover["land_cover"] if isinstance(land_cover, xr.Dataset) else land_cover
    mapped, reference = mapped.transpose("y", "x"), reference.transpose("y", "x")
    check_same_grid(mapped, reference, ("the map", "the reference"))
    map_codes, reference_codes = _codes(mapped), _codes(reference)
    tested = reference_codes != UNLABELLED
    if roles is not None:
        tested &= _roles(roles, mapped) == TEST_ROLE
    if not tested.any():
        which = "labelled pixel" if roles is None else "labelled test pixel"
        raise AssessmentError(f"the reference has no {which}", "give a reference, or a split, that has some")
    map_codes, reference_codes = map_codes[tested], reference_codes[tested]
    classes = _common_classes(
        _classes(mapped, map_codes, "map"),
        _classes(reference, reference_codes, "reference"),
        tested=set(np.unique(reference_codes).tolist()),
    )
    rows, columns = classes.to_indices(reference_codes), classes.to_indices(map_codes)
    return AccuracyReport(
        confusion=confusion_matrix(rows, columns, len(classes)),
        classes=classes,
        unclassified=unclassified_counts(rows, columns, len(classes)),
        leakage=leakage,
        window=window,
        notes=tuple(notes),
        advice=tuple(advise_on_leakage(leakage, window)),
    )


def _codes(raster: xr.DataArray) -> NDArray[np.int64]:
    values = np.asarray(raster.values)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), UNLABELLED, values)
    return values.astype(np.int64)


def _roles(roles: ArrayLike | xr.DataArray, mapped: xr.DataArray) -> NDArray[Any]:
    if isinstance(roles, xr.DataArray):
        roles = roles.transpose("y", "x")
        check_same_grid(roles, mapped, ("the split", "the map"))
        return np.asarray(roles.values)
    values = np.asarray(roles)
    if values.shape != mapped.shape:
        given, wanted = (" × ".join(str(size) for size in shape) for shape in (values.shape, mapped.shape))
        raise GridError(f"the split has {given} pixels, the map {wanted}", "give the split that belongs to this scene")
    return values


def _classes(raster: xr.DataArray, codes: NDArray[np.int64], name: str) -> list[LandCoverClass]:
    """The classes that a raster brings along, else one for every code in it; they have to cover every code."""
    present = set(np.unique(codes).tolist()) - {UNLABELLED}
    table = ClassTable.from_attrs(raster.attrs)
    if table is None:
        return list(ClassTable.from_codes(present)) if present else []
    unknown = sorted(present - set(table.codes))
    if unknown:
        raise AssessmentError(
            f"the {name} holds the code {unknown[0]}, which its class table does not list", "add it to the table"
        )
    return list(table)


def _common_classes(of_map: list[LandCoverClass], of_reference: list[LandCoverClass], tested: set[int]) -> ClassTable:
    """All classes of the map, and those of the reference that have test pixels; a real name beats a made-up one."""
    merged = {item.code: item for item in of_map}
    codes_in_map = {_normal(item.name): item.code for item in of_map}
    for item in of_reference:
        known = merged.get(item.code)
        if known is None and item.code in tested:
            code = codes_in_map.get(_normal(item.name), item.code)
            if code != item.code:
                raise AssessmentError(
                    f"class {item.name!r} has the code {code} in the map and {item.code} in the reference",
                    "number the classes of both alike",
                )
            merged[item.code] = item
        elif known is not None and _is_made_up(known):
            merged[item.code] = replace(known, name=item.name)
        elif known is not None and not _is_made_up(item) and _normal(item.name) != _normal(known.name):
            raise AssessmentError(
                f"the map calls class {item.code} {known.name!r}, the reference calls it {item.name!r}",
                "give the reference the class table of the map, or number its classes alike",
            )
    return ClassTable(tuple(merged.values()))


def _is_made_up(item: LandCoverClass) -> bool:
    return item.name == f"class {item.code}"


def _normal(name: str) -> str:
    """A name without the differences that mean nothing: case, spaces, underscores, hyphens."""
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()
