"""Quality layers of products that keep them as rasters beside the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.geotiff import open_raster

DEFECTIVE_SHARE = 0.25
"""A pixel counts as defective where this share of its good bands is exceeded.

The producer fills single defective values from their neighbours. Were one enough, whole columns would be lost for a
single dead element of a detector; a quarter is less than what either of two spectrometers gives.
"""

_BANDS_AT_ONCE = 16
"""Bands of a layer that are read at a time, so that memory does not grow with their number."""


@dataclass(frozen=True)
class RasterFlag:
    """Reads of which pixels a raster says something; opens its own handle, so it works in any thread or process.

    Attributes
    ----------
    path
        The raster.
    bands
        Numbers (1 …) of its bands that say it.
    values
        The values by which they do.
    share
        Of these bands more than this share must say so.
    placed
        Whether the raster is georeferenced: only others make rasterio warn, and silencing touches shared state.
    """

    path: str
    bands: tuple[int, ...]
    values: tuple[int, ...] = (1,)
    share: float = 0.0
    placed: bool = True

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        """True (h, w) where the pixels of a window are flagged."""
        flagged = np.zeros((int(window.height), int(window.width)), dtype=np.uint16)
        with open_raster(self.path, quiet=not self.placed) as dataset:
            for first in range(0, len(self.bands), _BANDS_AT_ONCE):
                part = dataset.read(list(self.bands[first : first + _BANDS_AT_ONCE]), window=window)
                flagged += np.isin(part, self.values).sum(axis=0, dtype=np.uint16)
        return np.asarray(flagged > self.share * len(self.bands))


def raster_flag(
    path: str, shape: tuple[int, int], bands: tuple[int, ...], values: tuple[int, ...] = (1,), share: float = 0.0
) -> RasterFlag:
    """A `RasterFlag` whose raster was looked at.

    Parameters
    ----------
    shape
        Rows and columns of the image that it is of.

    Raises
    ------
    SceneError
        The raster cannot be opened, has another size than the image or lacks a band.
    """
    with open_raster(path) as dataset:
        if dataset.shape != shape:
            rows, columns = dataset.shape
            raise SceneError(
                f"{path} has {rows}×{columns} pixels, the image {shape[0]}×{shape[1]}",
                "put the files of one product into one folder",
            )
        if max(bands) > dataset.count:
            raise SceneError(
                f"{path} has {dataset.count} bands, and band {max(bands)} is asked for",
                "put the files of one product into one folder",
            )
        return RasterFlag(path, bands, values, share, placed=not dataset.transform.is_identity)
