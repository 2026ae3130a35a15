"""Grids: size and georeference of rasters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import GridError
from hsiattn.scenes.ground_control import GroundControl

_ROUNDING = 1e-3
"""Share of a pixel by which a corner that was written down with few decimals may miss the edge it means."""


@dataclass(frozen=True)
class Grid:
    """Size and georeference of a raster.

    Attributes
    ----------
    height, width
        Rows and columns.
    crs
        Coordinate reference system, None where there is none.
    transform
        From (column, row) of a pixel corner to map coordinates; `Affine.identity()` where there is none.
    control
        Ground control points and RPCs of a raster that is not rectified, None where it has none.

    Examples
    --------
    >>> grid = Grid(100, 200, CRS.from_epsg(32633), Affine(4, 0, 388_000, 0, -4, 5_812_000))
    >>> grid.bounds
    (388000.0, 5811600.0, 388800.0, 5812000.0)
    """

    height: int
    width: int
    crs: CRS | None
    transform: Affine
    control: GroundControl | None = None

    @property
    def has_place(self) -> bool:
        """Whether anything says where the raster lies on the ground."""
        return self.transform != Affine.identity() or self.crs is not None or self.control is not None

    @property
    def is_rotated(self) -> bool:
        """True where rows do not run along an axis of the map."""
        return bool(self.transform.b or self.transform.d)

    def window(self, window: Window) -> Grid:
        """The grid of a window of this one."""
        shift = Affine.translation(window.col_off, window.row_off)
        control = self.control.moved(shift) if self.control is not None else None
        # The control of a part says where it lies, a transform beside it would say something else.
        transform = self.transform if control and self.transform == Affine.identity() else self.transform @ shift
        return Grid(int(window.height), int(window.width), self.crs, transform, control)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of the raster in map coordinates; without a transform columns and rows."""
        if self.transform == Affine.identity():
            return 0.0, float(self.height), float(self.width), 0.0
        corners = [self.transform @ (column, row) for column in (0, self.width) for row in (0, self.height)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return min(xs), min(ys), max(xs), max(ys)

    def window_touching(self, left: float, bottom: float, right: float, top: float) -> Window:
        """The smallest window with all pixels that a rectangle overlaps.

        Parameters
        ----------
        left, bottom, right, top
            Map coordinates in the grid's CRS; on a grid without a transform columns and rows, which run down, so that
            `bottom` is the larger row (given the other way round, they are swapped). On a rotated grid the window
            bounds the rectangle in rows and columns, and so holds pixels beyond it. An overlap of less than a
            thousandth of a pixel counts as rounding.

        Raises
        ------
        GridError
            The rectangle is empty or lies outside the grid; the message names the grid's own bounds.
        """
        given = " ".join(f"{number:.10g}" for number in (left, bottom, right, top))
        if self.transform == Affine.identity():
            bottom, top = min(bottom, top), max(bottom, top)
        if not (left < right and bottom < top):
            raise GridError(f"the bounds {given} enclose nothing", "give left, bottom, right, top in this order")
        corners = [~self.transform @ (x, y) for x in (left, right) for y in (bottom, top)]
        first_column, columns = _touched([column for column, _ in corners], self.width)
        first_row, rows = _touched([row for _, row in corners], self.height)
        if columns <= 0 or rows <= 0:
            own = " ".join(f"{number:.10g}" for number in self.bounds)
            raise GridError(f"the bounds {given} lie outside the scene", f"its own bounds are {own}")
        return Window(first_column, first_row, columns, rows)

    def coords(self) -> dict[str, Any]:
        """Coordinates on "y" and "x" for a DataArray on this grid.

        Map coordinates of the pixel centres; on a rotated grid, where those are no vectors, the pixel positions `row`
        and `column` instead, so that a window of a rotated scene still knows where it lies.
        """
        rows, columns = np.arange(self.height), np.arange(self.width)
        if self.is_rotated:
            return {"row": ("y", rows), "column": ("x", columns)}
        t = self.transform
        return {"y": ("y", t.f + t.e * (rows + 0.5)), "x": ("x", t.c + t.a * (columns + 0.5))}


def _touched(edges: list[float], size: int) -> tuple[int, int]:
    """First of `size` pixels in a row that the way between the outermost edges touches, and how many (≤ 0: none)."""
    first = math.floor(min(edges) + _ROUNDING)
    behind = max(math.ceil(max(edges) - _ROUNDING), first + 1)
    first = max(first, 0)
    return first, min(behind, size) - first
