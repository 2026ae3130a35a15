"""A part of a scene, and where it lies in it: maps of a part have a grid of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import GridError
from hsiattn.scenes.alignment import TOLERANCE, check_same_grid, has_georeference
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.source import SceneSource


def window_of(source: SceneSource, grid: Grid, name: str) -> Window:
    """The window of a scene that a grid covers, pixel by pixel; all of it where the grid is the scene's own.

    Parameters
    ----------
    name
        What messages call the raster of that grid.

    Raises
    ------
    GridError
        It is no part of the scene.
    """
    try:
        check_same_grid(source, grid, (source.name, name))
    except GridError:
        if not (has_georeference(source.grid) and has_georeference(grid)) or source.crs != grid.crs:
            raise
        place = ~source.transform @ grid.transform
        ends = [(place @ (x, y), (x, y)) for x in (0, grid.width) for y in (0, grid.height)]
        left, top = round(place.c), round(place.f)
        apart = max(max(abs(at[0] - x - left), abs(at[1] - y - top)) for at, (x, y) in ends)
        inside = 0 <= left <= source.width - grid.width and 0 <= top <= source.height - grid.height
        if apart > TOLERANCE or not inside:
            raise
        return Window(left, top, grid.width, grid.height)
    return source.extent


class ScenePart(SceneSource):
    """A window of a scene, as a scene of its own.

    Parameters
    ----------
    scene
        The whole.
    window
        The part of it, inside the scene.
    """

    def __init__(self, scene: SceneSource, window: Window) -> None:
        self._scene, self._top, self._left = scene, int(window.row_off), int(window.col_off)
        self.name, self.bands, self.dtype, self.files = scene.name, scene.bands, scene.dtype, scene.files
        grid = scene.grid.window(window)
        self.height, self.width, self.crs, self.transform = grid.height, grid.width, grid.crs, grid.transform
        self.control, self.notes = grid.control, scene.notes
        self._set_nodata(scene.nodata_of())
        self.radiometry = scene.radiometry

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self._scene.read(self._moved(window))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands of a window."""
        return self._scene.read_bands(self._moved(window), indices)

    @property
    def has_mask(self) -> bool:
        """As the scene."""
        return self._scene.has_mask

    def masked(self, window: Window) -> NDArray[np.bool_] | None:
        """As the scene."""
        return self._scene.masked(self._moved(window))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        with self._scene.kept_open():
            yield

    def _moved(self, window: Window) -> Window:
        return Window(window.col_off + self._left, window.row_off + self._top, window.width, window.height)
