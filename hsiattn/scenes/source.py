"""The picklable thing under every scene: it knows the grid and the bands and reads windows of pixels."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import BandError
from hsiattn.files.paths import local_file
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.ground_control import GroundControl
from hsiattn.scenes.quality import LEFT_OUT, QualityLayer, still_left_out
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.spectral import SpectralBands
from hsiattn.scenes.validity import measured, missing

MOST_BANDS = 2**14
"""No imaging spectrometer has more; damaged files promise any number, and each costs time before a pixel is read."""


class SceneSource(ABC):
    """A hyperspectral raster that can be read window by window, from any thread or process.

    A source holds a path and metadata, never an open file, so it pickles; `read` opens its own handle. Sources of file
    formats know how to fill the attributes below in their constructor.

    Attributes
    ----------
    name
        Path or description, for messages.
    bands
        Names, wavelengths, good-band list; B = len(bands).
    height, width
        Size of the grid in pixels.
    dtype
        Type of the values as stored.
    crs, transform
        Coordinate reference system (None where the file has none) and affine transform from (column, row) of a pixel
        corner to map coordinates (`Affine.identity()` where the file has none); rotated ones included.
    control
        Ground control points and RPCs of a scene that is not rectified, None where it has none.
    nodata
        Value that marks a missing measurement, None where there is none or it is NaN (NaN and infinities always count
        as missing), or where the bands have different ones.
    nodata_by_band
        Such values (B,) where the bands have different ones, else None.
    radiometry
        Gain and offset of every band, by which stored values become reflectance.
    block
        Rows and columns of the pieces in which the file stores pixels; windows made of whole pieces are read fastest.
        (1, 1) where any window is as good as another.
    files
        Paths of the files that the scene is read from, header and sidecars included; empty for a scene in memory.
    quality
        What a product says of its pixels: clouds, shadow, defects. Pixels of a layer in `left_out` count as missing.
    left_out
        Names of the quality layers whose pixels are missing, see `hsiattn.scenes.quality`.
    notes
        What a user should know about how the files were understood, one sentence each.
    """

    name: str
    bands: SpectralBands
    height: int
    width: int
    dtype: np.dtype[Any]
    crs: CRS | None
    transform: Affine
    nodata: float | None
    nodata_by_band: tuple[float | None, ...] | None = None
    control: GroundControl | None = None
    block: tuple[int, int] = (1, 1)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    quality: tuple[QualityLayer, ...] = ()
    left_out: tuple[str, ...] = LEFT_OUT
    _radiometry: Radiometry | None = None
    _mask: Any = None

    @property
    def radiometry(self) -> Radiometry:
        """Gain and offset of every band; `Radiometry.unknown` unless a source sets it."""
        return self._radiometry if self._radiometry is not None else Radiometry.unknown(len(self.bands))

    @radiometry.setter
    def radiometry(self, radiometry: Radiometry) -> None:
        if len(radiometry) != len(self.bands):
            raise BandError(
                f"{self.name} has {len(self.bands)} bands, the radiometry {len(radiometry)}",
                "give gain and offset of every band of the file",
            )
        self._radiometry = radiometry

    @abstractmethod
    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window that lies inside the scene, shape (B, h, w), type `dtype`.

        Raises
        ------
        SceneError
            The file is gone, truncated or damaged.
        """

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window, shape (len(indices), h, w).

        Formats that can leave the other bands unread override this.
        """
        return self.read(window)[np.asarray(indices, dtype=np.int64)]

    @property
    def has_mask(self) -> bool:
        """Whether the file has a mask of its own, or quality layers that leave pixels out, see `masked`."""
        return self._mask is not None or bool(self._layers_masking)

    def masked(self, window: Window) -> NDArray[np.bool_] | None:
        """Mask (h, w) of the pixels that the file itself marks as missing; None where the file has no mask.

        So are those of the quality layers in `left_out`. Pixels that hold nodata, NaN or infinity are missing besides,
        see `missing`.
        """
        masked = None if self._mask is None else self._read_mask(window)
        for layer in self._layers_masking:
            flagged = layer.read(window)
            masked = flagged if masked is None else masked | flagged
        return masked

    @property
    def layers_left_out(self) -> tuple[QualityLayer, ...]:
        """The quality layers whose pixels are missing."""
        return tuple(layer for layer in self.quality if layer.name in self.left_out)

    @property
    def names_left_out(self) -> str:
        """Names of these layers in words, "" where there are none."""
        return ", ".join(dict.fromkeys(layer.name for layer in self.layers_left_out))

    @property
    def _layers_masking(self) -> tuple[QualityLayer, ...]:
        """Layers whose pixels the mask of the file does not hold already."""
        return self.layers_left_out

    def _read_mask(self, window: Window) -> NDArray[np.bool_]:
        """What `masked` gives; sources that set `_mask` override this."""
        raise NotImplementedError

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While the block runs, formats whose files are slow to open keep one handle per thread open."""
        yield

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, H, W)."""
        return (len(self.bands), self.height, self.width)

    @property
    def grid(self) -> Grid:
        """Size and georeference in one value."""
        return Grid(self.height, self.width, self.crs, self.transform, self.control)

    @property
    def extent(self) -> Window:
        """The window that covers the whole scene."""
        return Window(0, 0, self.width, self.height)

    def state_of_files(self) -> list[list[int]]:
        """Size and time of the last change (ns) of every file on a disk that the scene is read from, in their order.

        Equal states mean that nothing has replaced or cut the scene in between.
        """
        return [[state.st_size, state.st_mtime_ns] for state in map(_state_on_disk, self.files) if state is not None]

    def _set_nodata(self, by_band: Sequence[float | None]) -> None:
        """Set `nodata`, or `nodata_by_band` where the bands differ."""
        shared = len(set(by_band)) == 1
        self.nodata = by_band[0] if shared else None
        self.nodata_by_band = None if shared else tuple(by_band)

    def nodata_of(self, indices: Sequence[int] | None = None) -> list[float | None]:
        """Nodata value of some bands (0-based), None for all."""
        by_band = self.nodata_by_band or (self.nodata,) * len(self.bands)
        return list(by_band) if indices is None else [by_band[i] for i in indices]

    def missing(self, values: NDArray[Any], indices: Sequence[int] | None = None) -> NDArray[np.bool_]:
        """True where a stored value is nodata, NaN or infinite; same shape as `values`.

        Parameters
        ----------
        values
            (B, …), or (…) of any shape where all bands have one nodata value.
        indices
            Bands (0-based) that `values` holds; None for all.
        """
        if self.nodata_by_band is None:
            return np.asarray(missing(values[None], [self.nodata])[0])
        return missing(values, self.nodata_of(indices))

    def measured(
        self, values: NDArray[Any], masked: NDArray[np.bool_] | None, indices: Sequence[int] | None = None
    ) -> NDArray[np.bool_]:
        """True where a stored value is a measurement: not missing, and of a pixel that the mask leaves in.

        Parameters
        ----------
        values, indices
            As in `missing`.
        masked
            (…) what `masked` gives for these pixels.
        """
        there = ~self.missing(values, indices)
        return there if masked is None else there & ~masked

    def complete(
        self, values: NDArray[Any], masked: NDArray[np.bool_] | None, indices: Sequence[int] | None = None
    ) -> NDArray[np.bool_]:
        """True (…) where all bands of values (B, …) are measured, found without a copy of them; see `measured`."""
        there = measured(values, self.nodata_of(indices))
        return there if masked is None else there & ~masked

    def with_bands(self, bands: SpectralBands) -> Self:
        """Copy of the source with other spectral metadata (from a card, say).

        Raises
        ------
        BandError
            The number of bands differs.
        """
        if len(bands) != len(self.bands):
            raise BandError(
                f"{self.name} has {len(self.bands)} bands, the metadata describe {len(bands)}",
                "give metadata for every band of the file",
            )
        clone = self._clone()
        clone.bands = bands
        return clone

    def with_radiometry(self, radiometry: Radiometry) -> Self:
        """Copy of the source with another gain and offset.

        Raises
        ------
        BandError
            The number of bands differs.
        """
        clone = self._clone()
        clone.radiometry = radiometry
        return clone

    def leaving_out(self, names: Iterable[str]) -> Self:
        """Copy of the source in which the pixels of these quality layers, and of no others, are missing."""
        clone = self._clone()
        clone.left_out = tuple(names)
        return clone

    def using_flagged(self, names: Iterable[str]) -> Self:
        """Copy of the source in which the pixels of these quality layers count, besides those that did already.

        Parameters
        ----------
        names
            Some of `left_out`; "all" alone for every layer, none for the source as it is.

        Raises
        ------
        SceneError
            The scene has no such layer, or it leaves no pixel out anyway.
        """
        return self.leaving_out(still_left_out(self.quality, self.left_out, names, self.name))

    def _clone(self) -> Self:
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        return clone

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.height}×{self.width} pixels, {self.bands.describe()}>"


def _state_on_disk(path: str) -> os.stat_result | None:
    """State of a file, or of the archive that a GDAL path leads into; None where there is none on a disk."""
    try:
        state = os.stat(local_file(path))
    except (OSError, ValueError):
        return None
    return state if stat.S_ISREG(state.st_mode) else None
