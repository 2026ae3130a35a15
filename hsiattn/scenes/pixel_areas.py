"""Areas of pixels on the ground, in hectares.

In a projected CRS a pixel has the area of its sides, in whatever linear unit, as national surveys and GIS reckon it. A
projection that stretches areas by more than a hundredth, such as Web Mercator, is set right by its own scale (Snyder
1987, Map Projections: a Working Manual, section 4), row by row. In degrees a pixel has the area of its piece of the
ellipsoid, M N cos φ dφ dλ with the radii of curvature M and N (Snyder, equations 4-18 and 4-20).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.scenes.grid import Grid

_SQUARE_METRES = 10_000.0
_STRETCHED = 0.01
"""Stretching of areas from which on a projection is set right."""

_ROWS, _COLUMNS = 65, 5
"""Places at which the scale of a projection is taken; it is smooth."""

_MOST_LATITUDE = np.pi / 2


@dataclass(frozen=True, eq=False)
class PixelAreas:
    """Area of the pixels of a grid.

    Attributes
    ----------
    hectares
        Of every pixel, or (H,) of the pixels of each row.
    how
        How it was reckoned where that is no matter of course, in words; else empty.
    """

    hectares: float | NDArray[np.float64]
    how: str = ""

    @property
    def is_constant(self) -> bool:
        """Whether all pixels have the same area."""
        return isinstance(self.hectares, float)


def pixel_areas(grid: Grid) -> PixelAreas | None:
    """Areas of the pixels of a grid; None where nothing says how large they are on the ground.

    Examples
    --------
    >>> from affine import Affine
    >>> from rasterio.crs import CRS
    >>> pixel_areas(Grid(100, 200, CRS.from_epsg(32633), Affine(30, 0, 388_000, 0, -30, 5_812_000))).hectares
    0.09
    """
    t = grid.transform
    cell = abs(t.a * t.e - t.b * t.d)
    if grid.crs is None or not cell or not np.isfinite(cell):
        return None
    if grid.crs.is_geographic:
        return _of_degrees(grid, cell)
    try:
        metres = float(grid.crs.linear_units_factor[1])
    except Exception:  # rasterio raises CRSError or ValueError on units that PROJ does not know
        return None
    plane = cell * metres**2 / _SQUARE_METRES
    scale = _areal_scale(grid)
    if scale is None or np.abs(scale - 1).max() <= _STRETCHED:
        return PixelAreas(float(plane))
    return PixelAreas(
        plane / scale,
        f"hectares are those on the ground: the projection of the map stretches areas by {scale.mean():.2f} on average",
    )


def _of_degrees(grid: Grid, cell: float) -> PixelAreas | None:
    import pyproj

    radians = float(grid.crs.units_factor[1])  # type: ignore[union-attr]
    ellipsoid = pyproj.CRS.from_wkt(grid.crs.to_wkt()).ellipsoid  # type: ignore[union-attr]
    if ellipsoid is None:
        return None
    a, b = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    eccentricity = 1 - (b / a) ** 2
    latitude = _places(grid, grid.height)[1] * radians
    if np.abs(latitude).max() > _MOST_LATITUDE + 1e-9:
        return None
    # M N cos φ, where M = a (1 - e²) / (1 - e² sin² φ)^(3/2) and N = a / (1 - e² sin² φ)^(1/2)
    element = a**2 * (1 - eccentricity) * np.cos(latitude) / (1 - eccentricity * np.sin(latitude) ** 2) ** 2
    rows = element.mean(axis=1) * cell * radians**2 / _SQUARE_METRES
    return PixelAreas(np.maximum(rows, 0.0), "hectares are those on the ellipsoid, since the map is in degrees")


def _areal_scale(grid: Grid) -> NDArray[np.float64] | None:
    """By how much the projection stretches areas in every row (H,); None where PROJ does not tell."""
    import pyproj
    from pyproj.exceptions import ProjError

    x, y = _places(grid, min(grid.height, _ROWS))
    try:
        projection = pyproj.Proj(pyproj.CRS.from_wkt(grid.crs.to_wkt()))  # type: ignore[union-attr]
        longitude, latitude = projection(x, y, inverse=True)
        scale = np.asarray(projection.get_factors(longitude, latitude).areal_scale, np.float64)
    except ProjError:
        return None
    if not np.isfinite(scale).all() or (scale <= 0).any():
        return None
    at = np.linspace(0, grid.height - 1, len(scale))
    return np.asarray(np.interp(np.arange(grid.height), at, scale.mean(axis=1)))


def _places(grid: Grid, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates x and y (rows, columns) of places all over the grid, in the middle of rows."""
    t = grid.transform
    row = np.linspace(0, grid.height - 1, rows)[:, None] + 0.5
    column = (np.linspace(0, 1, _COLUMNS) * grid.width)[None, :]
    return t.a * column + t.b * row + t.c, t.d * column + t.e * row + t.f
