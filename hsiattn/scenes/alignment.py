"""Whether the pixels of two rasters lie on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from affine import Affine

from hsiattn.errors import GridError
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.source import SceneSource

if TYPE_CHECKING:
    import xarray as xr

Raster: TypeAlias = "xr.DataArray | SceneSource | Grid"

TOLERANCE = 0.01
"""Two grids are the same if no corner of the raster moves by more than this share of a pixel (rounding in headers)."""


def grid_of_raster(raster: Raster) -> Grid:
    """The grid of a scene, of labels or of a map, whatever form it comes in."""
    if isinstance(raster, Grid):
        return raster
    if isinstance(raster, SceneSource):
        return raster.grid
    from hsiattn.scenes.georeferencing import grid_of

    return grid_of(raster)


def has_georeference(grid: Grid) -> bool:
    """Whether a grid says where it lies on the ground: a transform, with or without a CRS."""
    return bool(grid.transform != Affine.identity())


def check_same_grid(
    first: Raster, second: Raster, names: tuple[str, str] = ("the first raster", "the second raster")
) -> None:
    """Refuse two rasters whose pixels do not lie on each other.

    Size is always compared; CRS and transform only where both rasters have them.

    Parameters
    ----------
    first, second
        Scenes, labels or maps with dims "y" and "x", or their grids.
    names
        What the message calls them.

    Raises
    ------
    GridError
        Another size, CRS or position; the message names both rasters and both grids.
    """
    a, b = grid_of_raster(first), grid_of_raster(second)
    if (a.height, a.width) != (b.height, b.width):
        difference = "size"
    elif a.crs is not None and b.crs is not None and a.crs != b.crs:
        difference = "CRS"
    elif has_georeference(a) and has_georeference(b) and _largest_shift(a, b) > TOLERANCE:
        difference = "position"
    else:
        return
    raise GridError(
        f"{names[0]} ({describe_grid(a)}) and {names[1]} ({describe_grid(b)}) differ in {difference}",
        "bring one of them onto the grid of the other, e.g. with gdalwarp",
    )


def describe_grid(grid: Grid) -> str:
    """Size, CRS and place of a grid in a few words, for messages."""
    crs = grid.crs.to_string() if grid.crs is not None else "no CRS"
    if len(crs) > 40:
        crs = f"{crs[:37]}..."
    t = grid.transform
    place = f"origin {t.c:.10g}, {t.f:.10g}, pixel {t.a:.6g} × {t.e:.6g}" if has_georeference(grid) else "no transform"
    return f"{grid.height} × {grid.width} pixels, {crs}, {place}"


def _largest_shift(a: Grid, b: Grid) -> float:
    """Farthest way between the same corners of two grids of one size, in pixels of the first."""
    columns = np.array([0, a.width, 0, a.width])
    rows = np.array([0, 0, a.height, a.height])
    corners = [
        np.stack([t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f])
        for t in (a.transform, b.transform)
    ]
    pixel = float(np.sqrt(abs(a.transform.determinant))) or 1.0
    return float(np.max(np.hypot(*(corners[0] - corners[1])))) / pixel
