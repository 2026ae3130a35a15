"""The scene of a map, and which part of it the map covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.grid import Grid
from hsiattn.scenes.part import ScenePart, window_of
from hsiattn.scenes.source import SceneSource


@dataclass(frozen=True, eq=False)
class PlacedScene:
    """A scene and the window of it that a map covers."""

    source: SceneSource
    window: Window

    @classmethod
    def of(cls, source: SceneSource, grid: Grid, name: str) -> PlacedScene:
        """Find a map in a scene.

        Raises
        ------
        GridError
            The map lies on another grid.
        """
        return cls(source, window_of(source, grid, name))

    def positions(self, of_map: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows and columns (N, 2) in the scene of pixels of the map."""
        return np.asarray(of_map + np.array([int(self.window.row_off), int(self.window.col_off)]))

    @property
    def part(self) -> SceneSource:
        """What the map covers, as a scene of its own."""
        whole = self.window == self.source.extent
        return self.source if whole else ScenePart(self.source, self.window)
