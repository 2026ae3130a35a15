"""Connected fields of a land-cover map: pixels of one class that touch each other, small ones merged if wanted.

GDAL finds them, from a plain copy of the map on the disk, so that any form of a map can be the source.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import shapely
import shapely.geometry
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from hsiattn.assessment.code_rasters import Codes
from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import LabelError
from hsiattn.scenes import SceneSource
from hsiattn.scenes.grid import Grid

_BATCH = 20_000
"""Fields that are in memory as geometries at a time."""

_STRIP = 2**23
"""Pixels that are in memory as codes at a time."""

_MOST_PASSES = 50


@dataclass(frozen=True)
class Fields:
    """Connected fields of one class each.

    Attributes
    ----------
    shapes
        Polygons (N) in columns and rows.
    classes
        Index (N) of the class of each.
    pixels
        Number (N) of pixels of each.
    """

    shapes: NDArray[np.object_]
    classes: NDArray[np.int64]
    pixels: NDArray[np.int64]


def count_classes(codes: Codes) -> tuple[ClassTable, int]:
    """The classes that a map has pixels of, and how many pixels those are.

    Raises
    ------
    LabelError
        It has none.
    """
    found: Counter[int] = Counter()
    with codes.kept_open():
        for window in _strips(codes.grid):
            found.update(_counts(codes.read(window)))
    found.pop(UNLABELLED, None)
    if not found:
        raise LabelError(f"no pixel of {codes.name} has a class", "check that it is the right map")
    table = codes.class_table(sorted(found)) or ClassTable.from_codes(found)
    named = table if found.keys() <= set(table.codes) else ClassTable.from_codes(found)
    return named.subset(found), found.total()


def _counts(values: NDArray[np.integer[Any]]) -> dict[int, int]:
    """Pixels by value; sorting them would take ten times as long where values are small."""
    if values.max(initial=0) < 2**16:
        counts = np.bincount(values.ravel())
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def copy_indices(codes: Codes, classes: ClassTable, path: Path) -> None:
    """Write a map, whatever form it has, to a plain GeoTIFF: index of the class + 1, 0 where unclassified."""
    dtype = np.min_scalar_type(len(classes))
    size = {"height": codes.grid.height, "width": codes.grid.width, "count": 1, "dtype": dtype}
    with (
        codes.kept_open(),
        _without_georeference(),
        rasterio.open(path, "w", driver="GTiff", compress="lzw", bigtiff="if_safer", **size) as raster,
    ):
        for window in _strips(codes.grid):
            indices = classes.to_indices(codes.read(window)) + 1
            raster.write(indices.astype(dtype), 1, window=window)


def merge_small(path: Path, least: int, connectivity: int) -> int:
    """Merge fields with fewer pixels into their largest neighbours, in the file; the number of pixels that changed.

    One pass of GDAL's filter leaves small fields whose largest neighbour was small, too, before it.
    """
    with _without_georeference(), rasterio.open(path) as raster:
        before, profile = raster.read(1), raster.profile
    now = before
    for _ in range(_MOST_PASSES):
        merged = rasterio.features.sieve(now, least, mask=now != UNLABELLED, connectivity=connectivity)
        if np.array_equal(merged, now):
            break
        now = merged
    with _without_georeference(), rasterio.open(path, "w", **profile) as raster:
        raster.write(now, 1)
    return int(np.count_nonzero(now != before))


def connected_fields(path: Path, connectivity: int) -> Iterator[Fields]:
    """The fields of a map that `copy_indices` wrote, in batches."""
    with _without_georeference(), rasterio.open(path) as raster:
        band = rasterio.band(raster, 1)
        mask = band if raster.dtypes[0] == "uint8" else None  # GDAL takes no others
        found = rasterio.features.shapes(band, mask=mask, connectivity=connectivity)
        classified = ((geometry, int(value)) for geometry, value in found if int(value) != UNLABELLED)
        while batch := list(islice(classified, _BATCH)):
            shapes = np.array([shapely.geometry.shape(geometry) for geometry, _ in batch], dtype=object)
            pixels = np.rint(shapely.area(shapes)).astype(np.int64)
            yield Fields(shapes, np.array([value - 1 for _, value in batch], dtype=np.int64), pixels)


def mean_over(source: SceneSource, fields: Fields) -> NDArray[np.float64]:
    """Mean (N) of a raster of one band over the pixels of every field, NaN where it has no value in it."""
    bounds = shapely.bounds(fields.shapes)
    sums, counts = np.zeros(len(bounds) + 1), np.zeros(len(bounds) + 1)
    for window in _strips(source.grid):
        top, bottom = window.row_off, window.row_off + window.height
        touched = np.flatnonzero((bounds[:, 1] < bottom) & (bounds[:, 3] > top))
        if not len(touched):
            continue
        numbers = rasterio.features.rasterize(
            ((fields.shapes[number], number + 1) for number in touched), out_shape=(window.height, window.width),
            transform=Affine.translation(0, top), dtype="int32",
        )  # fmt: skip
        values = source.read(window)[0].astype(np.float64)
        inside = (numbers > 0) & np.isfinite(values)
        sums += np.bincount(numbers[inside], values[inside], minlength=len(sums))
        counts += np.bincount(numbers[inside], minlength=len(counts))
    means = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means[1:]


def _strips(grid: Grid) -> Iterator[Window]:
    """Windows of some rows that cover a grid."""
    rows = max(1, min(grid.height, _STRIP // grid.width))
    for row in range(0, grid.height, rows):
        yield Window(0, row, grid.width, min(rows, grid.height - row))


@contextmanager
def _without_georeference() -> Iterator[None]:
    """Let rasterio write and read rasters in columns and rows without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
