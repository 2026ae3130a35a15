"""Large rasters thinned to pictures, read once, window by window, in the memory of one window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows
from hsiattn.scenes.grid import Grid

SIZE = 2000
"""Most pixels of a picture's longer side."""

_RANKS = np.array([0, 4, 3, 2, 1])
"""Of the roles none, training, validation, test and buffer in a cell, the one of the highest rank is shown."""


class WindowedRaster(Protocol):
    """Whole numbers that are read window by window, such as `LabelRaster` and `SplitRaster`."""

    grid: Grid
    block: tuple[int, int]

    def kept_open(self) -> AbstractContextManager[None]:
        """While the block runs, the file stays open."""

    def read(self, window: Window) -> NDArray[np.integer[Any]]:
        """Read the values (h, w) of a window."""


def thinning(height: int, width: int, size: int = SIZE) -> int:
    """How many rows and columns of a raster stand for one of a picture of at most `size` pixels a side.

    >>> thinning(300, 4001), thinning(300, 400)
    (3, 1)
    """
    return max(1, -(-max(height, width) // size))


def thinned_codes(raster: WindowedRaster, size: int = SIZE) -> NDArray[np.int64]:
    """Codes (h, w) of every `step`-th row and column, from the middle of the cells of `thinning`."""
    height, width = raster.grid.height, raster.grid.width
    step = thinning(height, width, size)
    picture = np.zeros((-(-height // step), -(-width // step)), np.int64)
    for window in _windows(raster):
        rows, columns = (
            _middles(int(offset), int(length), step, whole)
            for offset, length, whole in (
                (window.row_off, window.height, height),
                (window.col_off, window.width, width),
            )
        )
        if len(rows) and len(columns):
            values = raster.read(window)
            inside = np.ix_(rows - int(window.row_off), columns - int(window.col_off))
            picture[np.ix_(rows // step, columns // step)] = values[inside]
    return picture


def thinned_roles(raster: WindowedRaster, size: int = SIZE) -> tuple[NDArray[np.uint8], dict[str, int]]:
    """Roles (h, w) of the cells of a split raster, and how many pixels of the raster have each.

    Few pixels train, so that a cell shows those before the ones that validate, and these before test and buffer.
    """
    height, width = raster.grid.height, raster.grid.width
    step = thinning(height, width, size)
    ranks = np.zeros((-(-height // step), -(-width // step)), np.int64)
    counts = np.zeros(len(_RANKS), np.int64)
    for window in _windows(raster):
        roles = raster.read(window)
        counts += np.bincount(roles.ravel(), minlength=len(_RANKS))
        rows, columns = np.nonzero(roles)
        cells = (rows + int(window.row_off)) // step, (columns + int(window.col_off)) // step
        np.maximum.at(ranks, cells, _RANKS[roles[rows, columns]])
    names = ("training", "validation", "test", "buffer")
    shown = np.argsort(_RANKS)[ranks].astype(np.uint8)
    return shown, {name: int(count) for name, count in zip(names, counts[1:], strict=True)}


def _windows(raster: WindowedRaster) -> Iterator[Window]:
    with raster.kept_open():
        yield from block_windows(raster.grid.height, raster.grid.width, [raster.block], PIXELS_AT_ONCE)


def _middles(first: int, count: int, step: int, whole: int) -> NDArray[np.int64]:
    """Rows or columns in the middle of a cell, of `count` from `first` on; the last cell may be a narrow one."""
    cells = np.arange(first // step, (first + count - 1) // step + 1)
    middles = np.minimum(cells * step + step // 2, whole - 1)
    return middles[(middles >= first) & (middles < first + count)]
