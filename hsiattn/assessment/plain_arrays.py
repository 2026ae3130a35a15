"""Maps and references that are NumPy arrays or lists, of codes or of text, as rasters that can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsiattn.classes import UNLABELLED, ClassTable, LandCoverClass, distinct_color, distinct_names
from hsiattn.errors import AssessmentError
from hsiattn.labels.arrays import encoded_text


def as_rasters(land_cover: Any, reference: Any) -> tuple[Any, Any]:
    """Map and reference with arrays and lists among them as DataArrays; what is anything else stays as it is.

    Texts are classes by name: those of the other side where it names them, else in alphabetical order, "" = none.

    Raises
    ------
    AssessmentError
        An array has other than one or two axes, or map and reference are arrays of different shapes.

    Examples
    --------
    >>> land_cover, reference = as_rasters(["wood", "crop"], ["wood", ""])
    >>> land_cover.values, reference.values, reference.attrs["class_names"]
    (array([[2, 1]]), array([[2, 0]]), ['crop', 'wood'])
    """
    sides = {"the map": land_cover, "the reference": reference}
    plain = {name: _plain(side, name) for name, side in sides.items() if isinstance(side, np.ndarray | list | tuple)}
    shapes = {values.shape for values in plain.values()}
    if len(shapes) > 1:
        sizes = " and ".join(f"{name} {values.shape}" for name, values in plain.items())
        raise AssessmentError(f"the shapes differ: {sizes}", "give arrays of one shape (H, W)")
    texts = {name: encoded_text(values) for name, values in plain.items() if values.dtype.kind in "OUS"}
    if texts:
        others = [side for name, side in sides.items() if name not in texts]
        table = _table_of(others[0]) if others else None
        known = {c.name: c.code for c in table} if table else {}
        for words in sorted({word for _, names in texts.values() for word in names.values()}):
            known.setdefault(words, max(known.values(), default=0) + 1)
        classes = distinct_names(
            LandCoverClass(code, name, distinct_color(place)) for place, (name, code) in enumerate(known.items())
        )
        for name, (codes, names) in texts.items():
            new = np.array([UNLABELLED, *(known[word] for _, word in sorted(names.items()))])
            plain[name] = new[codes]
    given = {name: _raster(values, classes if name in texts else None) for name, values in plain.items()}
    return given.get("the map", land_cover), given.get("the reference", reference)


def _plain(side: Any, name: str) -> NDArray[Any]:
    """An array (H, W); one of a single axis as one row."""
    try:
        values: NDArray[Any] = np.asanyarray(side)
    except ValueError as error:
        raise AssessmentError(f"{name} has rows of different lengths", "give an array (H, W)") from error
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values, "" if values.dtype.kind in "OUS" else UNLABELLED)
    if values.ndim not in (1, 2) or not values.size:
        raise AssessmentError(f"{name} has the shape {values.shape}", "give codes (H, W), or (N,) of single pixels")
    return values.reshape(-1, values.shape[-1])


def _table_of(side: Any) -> ClassTable | None:
    if isinstance(side, xr.Dataset) and "land_cover" in side:
        side = side["land_cover"]
    return ClassTable.from_attrs(side.attrs) if isinstance(side, xr.DataArray) else None


def _raster(values: NDArray[Any], classes: ClassTable | None) -> xr.DataArray:
    return xr.DataArray(values, dims=("y", "x"), attrs={} if classes is None else classes.to_attrs())
