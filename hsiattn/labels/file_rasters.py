"""What rasters of whole numbers in files have in common: codes of classes, ids of polygons, roles of a split."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.labels.label_files import LabelFile
from hsiattn.labels.resampling import Placement
from hsiattn.scenes.alignment import Raster, grid_of_raster
from hsiattn.scenes.grid import Grid


class FileRaster(ABC):
    """A raster of whole numbers, of any size, read window by window on its own grid or on that of another raster.

    It holds no open handle, unless inside `kept_open`.

    Attributes
    ----------
    name
        Path, for messages.
    grid
        Size with georeference of what is read.
    block
        Rows and columns of the pieces in which the file stores pixels; (1, 1) on the grid of another raster.
    """

    name: str
    grid: Grid
    block: tuple[int, int]

    def __init__(self, name: str, file: LabelFile) -> None:
        self.name, self._file = name, file
        self.grid, self.block = file.grid, file.block
        self._placement: Placement | None = None
        self._placement_note: str | None = None

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While the block runs, the file stays open; not to be shared by threads."""
        with self._file.kept_open():
            yield

    def read(self, window: Window) -> NDArray[np.integer[Any]]:
        """Read the values (h, w) of a window, 0 where there is nothing.

        Raises
        ------
        HsiattnError
            The file is damaged, or holds values that it must not.
        """
        return self._read_own(window) if self._placement is None else self._placement.mode(self._read_own, window)

    def on_grid_of(self, other: Raster, name: str) -> Self:
        """Give the raster as it is read on the grid of another one; itself where it lies there already.

        Every pixel takes the value that covers most of it, see `hsiattn.labels.resampling`.

        Parameters
        ----------
        other
            Scene, labels, map or grid.
        name
            What messages call it.

        Raises
        ------
        GridError
            The two lie on different grids, and one of them says not where, or they do not overlap.
        """
        placement = Placement.of(self._file.grid, grid_of_raster(other), (self.name, name))
        if placement is None:
            return self
        clone = copy.copy(self)
        clone.grid, clone.block = placement.target, (1, 1)
        clone._placement, clone._placement_note = placement, placement.describe((self.name, name))
        return clone

    @property
    def placement_notes(self) -> tuple[str, ...]:
        """A sentence on the grid that it was resampled from; empty where it was not."""
        return () if self._placement_note is None else (self._placement_note,)

    @abstractmethod
    def _read_own(self, window: Window) -> NDArray[np.integer[Any]]:
        """Values (h, w) of a window of the file's own grid."""
