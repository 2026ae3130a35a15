"""A scene in the bands of another one, which may stand in another order and be fewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands


class SceneInBands(SceneSource):
    """A scene in some of its bands, in the order of another one's.

    Parameters
    ----------
    scene
        The scene.
    indices
        (B,) number of each band in the scene; -1 for one that it lacks, which is then marked bad.
    """

    def __init__(self, scene: SceneSource, indices: NDArray[np.int64]) -> None:
        self._scene, self._indices = scene, indices
        self.name, self.files, self.dtype = scene.name, scene.files, scene.dtype
        self.height, self.width, self.crs, self.transform = scene.height, scene.width, scene.crs, scene.transform
        there = indices >= 0
        bands = scene.bands.subset(np.where(there, indices, 0))
        self.bands = SpectralBands(bands.names, bands.wavelength, bands.fwhm, bands.good & there, bands.nominal)
        self._set_nodata(scene.nodata_of(np.where(there, indices, 0).tolist()))
        self.radiometry = scene.radiometry.subset(np.where(there, indices, 0))

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands of a window; of a band that the scene lacks, those of its first one."""
        return self._scene.read_bands(window, [max(int(self._indices[i]), 0) for i in indices])

    @property
    def has_mask(self) -> bool:
        """As the scene."""
        return self._scene.has_mask

    def masked(self, window: Window) -> NDArray[np.bool_] | None:
        """As the scene."""
        return self._scene.masked(window)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """As the scene."""
        with self._scene.kept_open():
            yield
