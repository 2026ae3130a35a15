"""Masks on another grid than the scene's, read on the scene's by the value that covers most of a pixel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.labels.resampling import Placement
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands


class ResampledMask(SceneSource):
    """A mask on the grid of a scene: 1 where most of a pixel is neither 0 nor missing in a raster on another grid.

    Parameters
    ----------
    mask
        Raster of one band.
    placement
        Where its pixels lie in the scene.
    scene
        What the sentence in `notes` calls the scene.
    """

    def __init__(self, mask: SceneSource, placement: Placement, scene: str) -> None:
        self._mask_file, self._placement = mask, placement
        self.name, self.bands, self.dtype = mask.name, SpectralBands.unknown(1), np.dtype(np.uint8)
        target = placement.target
        self.height, self.width, self.crs, self.transform = target.height, target.width, target.crs, target.transform
        self.nodata, self.files = None, mask.files
        self.notes = (*mask.notes, placement.describe((mask.name, scene)))

    def read(self, window: Window) -> NDArray[np.uint8]:
        """1 where a pixel of a window gets a class, 0 elsewhere, shape (1, h, w)."""
        return self._placement.mode(self._allowed, window).astype(np.uint8)[None]

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        with self._mask_file.kept_open():
            yield

    def _allowed(self, window: Window) -> NDArray[np.uint8]:
        marks = self._mask_file.read(window)[0]
        there = self._mask_file.measured(marks, self._mask_file.masked(window))
        return np.asarray((marks != 0) & there, dtype=np.uint8)
