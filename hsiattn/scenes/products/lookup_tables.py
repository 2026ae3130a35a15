"""Geometric lookup tables (GLT): where every pixel of a rectified grid stands in the geometry of the sensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.cf_conventions import Axes
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.hdf5 import Hdf5File
from hsiattn.scenes.netcdf import CubeSource, reading

_TILE = 128
"""Rows and columns that are filled at a time: rows of a table run askew, so that a long one needs the whole swath."""


@dataclass(frozen=True)
class LookupTable:
    """A table of row and column numbers; they count from 1, and 0 is no pixel.

    Attributes
    ----------
    file
        Where the table stands.
    rows, columns
        Paths of its two data sets, shape (H, W). Numbers below 0, whose pixels come from a neighbour, count as their
        absolute values.
    swath
        Rows and columns of what is to be rectified; numbers beyond are no pixels.
    """

    file: Hdf5File
    rows: str
    columns: str
    swath: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the rectified grid.

        Raises
        ------
        SceneError
            The two data sets are not alike.
        """
        shapes = [self.file.datasets[name].shape for name in (self.rows, self.columns)]
        kinds = [getattr(self.file.datasets[name].dtype, "kind", "") for name in (self.rows, self.columns)]
        if shapes[0] != shapes[1] or len(shapes[0]) != 2 or not set(kinds) <= set("iuf"):
            raise SceneError(f"the lookup table of {self.file.path} is damaged", "get a new copy")
        return shapes[0][0], shapes[0][1]

    def fill(self, window: Window, values: NDArray[Any], read: Callable[[slice, slice], NDArray[Any]]) -> None:
        """Put the pixels of a window into their places; those without a pixel stay as they are.

        Parameters
        ----------
        window
            In the rectified grid.
        values
            (…, h, w), changed in place.
        read
            Values (…, h, w) of rows and columns of the swath.
        """
        for place, rows, columns in self._pieces(window):
            there = (rows >= 0) & (rows < self.swath[0]) & (columns >= 0) & (columns < self.swath[1])
            if not there.any():
                continue
            rows, columns = rows[there], columns[there]
            top, left = int(rows.min()), int(columns.min())
            found = read(slice(top, int(rows.max()) + 1), slice(left, int(columns.max()) + 1))
            values[(..., *place)][..., there] = found[..., rows - top, columns - left]

    def _pieces(self, window: Window) -> Iterator[tuple[tuple[slice, slice], NDArray[np.int64], NDArray[np.int64]]]:
        """Tiles of a window: their place in it, rows and columns of their pixels, below 0 where there are none."""
        (top, bottom), (left, right) = window.toranges()
        for first_row in range(top, bottom, _TILE):
            for first_column in range(left, right, _TILE):
                part = (
                    slice(first_row, min(first_row + _TILE, bottom)),
                    slice(first_column, min(first_column + _TILE, right)),
                )
                with reading(self.file.path):
                    rows, columns = (
                        np.abs(np.nan_to_num(self.file.read(name, part)).astype(np.int64)) - 1
                        for name in (self.rows, self.columns)
                    )
                yield (
                    tuple(slice(p.start - o, p.stop - o) for p, o in zip(part, (top, left), strict=True)),
                    rows,
                    columns,
                )  # type: ignore[misc]


class RectifiedSource(CubeSource):
    """A cube in the geometry of the sensor, rectified window by window by a lookup table: nothing is interpolated.

    Parameters
    ----------
    file, name, axes
        The cube, see `CubeSource`.
    table
        The table.
    grid
        The grid of the table.

    Raises
    ------
    SceneError
        The cube has no value for pixels that are not there.
    """

    def __init__(self, file: Hdf5File, name: str, axes: Axes, table: LookupTable, grid: Grid) -> None:
        super().__init__(file, name, axes)
        self._take_grid(grid)
        self._table = table
        self.block = (_TILE, _TILE)
        self.notes = ()
        if self.nodata is None and self.dtype.kind != "f":
            raise SceneError(f"{self.name} has no fill value for pixels outside the swath", "get a new copy")

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Values of some bands (0-based) of a window; outside the swath they are nodata."""
        fill = np.nan if self.nodata is None else self.nodata
        values = np.full((len(indices), int(window.height), int(window.width)), fill, self.dtype)
        self._table.fill(window, values, lambda rows, columns: self.read_part(indices, rows, columns))
        return values
