"""Stored values that are no measurements: nodata as GDAL compares it, NaN and infinities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.scenes.spectral import parse_number

_EPSILON = np.finfo(np.float32).eps
"""GDAL compares values of both floating types with the precision of the smaller one."""
_ULP = 2


def clean_nodata(value: Any, dtype: np.dtype[Any]) -> float | None:
    """A nodata value as sources carry it.

    None for NaN, because NaN counts as missing anyway, and for values that the type cannot hold, such as -9999 in
    unsigned integers: they occur in headers, but in no pixel. What exceeds float32 by a rounding is its extreme.
    """
    number = parse_number(value)
    if math.isnan(number):
        return None
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return float(math.trunc(number)) if limits.min <= number <= limits.max else None  # GDAL truncates, too
    if dtype.kind == "f" and math.isfinite(number):
        extreme = float(np.finfo(dtype).max)
        if abs(number) > extreme:
            return math.copysign(extreme, number) if abs(number) < extreme * (1 + 1e-6) else None
    return number


def marked(values: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """True where a value is nodata: the same integer, or a number that GDAL takes for the same."""
    if values.dtype.kind in "iub":
        return np.asarray(values == int(nodata))
    low, high = fill_range(nodata, values.dtype)
    return np.asarray((values >= low) & (values <= high))


def measured(values: NDArray[Any], nodata: Sequence[float | None]) -> NDArray[np.bool_]:
    """True (…) where every band of (B, …) is finite and not the nodata value of that band."""
    present = np.ones(values.shape[1:], dtype=bool)
    floating = values.dtype.kind == "f"
    for band, fill in zip(values, nodata, strict=True):  # band by band: no temporary of the cube's size
        if floating:
            present &= np.isfinite(band)
        if fill is not None and not math.isnan(fill):
            present &= ~marked(band, fill)
    return present


def missing(values: NDArray[Any], nodata: Sequence[float | None]) -> NDArray[np.bool_]:
    """True where a value of (B, …) is nodata of its band, NaN or infinite; same shape."""
    mask = np.zeros(values.shape, dtype=bool) if values.dtype.kind in "iub" else ~np.isfinite(values)
    for band, fill, found in zip(values, nodata, mask, strict=True):
        if fill is not None and not math.isnan(fill):
            found |= marked(band, fill)
    return mask


@lru_cache(maxsize=256)
def fill_range(nodata: float, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The least and the largest value of a floating type that GDAL takes for `nodata`: writers round it.

    In GDAL's words, a equals b where |a - b| < 2 ε |a + b|, in the arithmetic of that type and with ε of float32.
    """
    fill = dtype.type(nodata)
    if fill == 0 or not np.isfinite(fill):
        return fill, fill
    with np.errstate(over="ignore"):  # as in GDAL, where a sum overflows it equals
        outer, inner = _last_equal(fill, fill * dtype.type(2)), _last_equal(fill, fill * 0)
    return (inner, outer) if fill > 0 else (outer, inner)


def _last_equal(fill: Any, beyond: Any) -> Any:
    """Find the last value between `fill` and one beyond that equals it."""
    if not np.isfinite(beyond):
        beyond = np.copysign(np.finfo(type(fill)).max, fill)
        if _equal(beyond, fill):
            return beyond
    equal = fill
    while True:
        middle = equal / 2 + beyond / 2
        if middle in (equal, beyond):
            return equal
        if _equal(middle, fill):
            equal = middle
        else:
            beyond = middle


def _equal(a: Any, b: Any) -> bool:
    kind = type(b)
    return bool(a == b or abs(a - b) < kind(_EPSILON) * abs(a + b) * kind(_ULP))
