"""Where rasters lie and how large their pixels are on the ground, as catalogues and other programs ask for it."""

from __future__ import annotations

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform

from hsiattn.scenes.grid import Grid

_DECIMALS = 6
"""A tenth of a metre."""

_MOST_DEGREES = 180.0


def footprint(grid: Grid) -> list[list[float]] | None:
    """Longitude and latitude (WGS 84) of the corners of a raster: a closed ring, counterclockwise.

    None where the raster does not say where it lies, or lies across the 180th meridian, which one ring cannot tell.

    Examples
    --------
    >>> from affine import Affine
    >>> footprint(Grid(2, 2, CRS.from_epsg(4326), Affine(0.5, 0, 13, 0, -0.5, 53)))
    [[13.0, 52.0], [14.0, 52.0], [14.0, 53.0], [13.0, 53.0], [13.0, 52.0]]
    """
    if grid.crs is None or grid.control is not None or not grid.has_place:
        return None
    corners = [
        grid.transform @ corner for corner in ((0, grid.height), (grid.width, grid.height), (grid.width, 0), (0, 0))
    ]
    try:
        lon, lat = transform(grid.crs, CRS.from_epsg(4326), [x for x, _ in corners], [y for _, y in corners])[:2]
    except RasterioError:
        return None
    ring = np.array([lon, lat], dtype=np.float64).T
    if not np.isfinite(ring).all() or np.abs(ring[:, 1]).max() > 90 or np.ptp(ring[:, 0]) > _MOST_DEGREES:
        return None
    x, y = ring.T
    if np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) < 0:  # a grid whose rows run north
        ring = ring[::-1]
    closed = np.concatenate([ring, ring[:1]])
    return [[round(float(x), _DECIMALS), round(float(y), _DECIMALS)] for x, y in closed]


def pixel_side(grid: Grid) -> float | None:
    """Side in metres of the pixels of a raster, as its projection has it; None where they are no upright squares.

    Examples
    --------
    >>> from affine import Affine
    >>> pixel_side(Grid(2, 2, CRS.from_epsg(32633), Affine(30, 0, 388_000, 0, -30, 5_812_000)))
    30.0
    """
    if grid.crs is None or not grid.crs.is_projected or grid.control is not None or grid.is_rotated:
        return None
    width, height = abs(grid.transform.a), abs(grid.transform.e)
    if abs(width - height) > 1e-6 * height:
        return None
    try:
        return float(width * grid.crs.linear_units_factor[1])
    except Exception:  # rasterio raises CRSError or ValueError on units that PROJ does not know
        return None
