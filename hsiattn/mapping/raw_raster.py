"""The data file of an ENVI raster, written directly: GDAL, which maps it into memory, dies where the disk is full."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.files.descriptors import open_file, write_at

_CHUNK = 2**22
"""Bytes that are written at a time where the file is filled."""


class RawRaster:
    """Values without anything around them, in one of ENVI's three interleaves, in the machine's byte order.

    Parameters
    ----------
    path
        The file; it is filled with `nodata` at once, so that a disk that is too full shows before the work.
    shape
        (B, H, W).

    Raises
    ------
    OSError
        It cannot be written in full.
    """

    def __init__(
        self, path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any], nodata: float, interleave: str = "bsq"
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.interleave = interleave.lower()
        self._descriptor = open_file(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            self._fill(nodata)
        except BaseException:
            self.close()
            raise

    def write(self, values: NDArray[Any], window: Window) -> None:
        """Write values (B, h, w) of a window.

        Raises
        ------
        OSError
            They cannot be written in full.
        """
        values = np.ascontiguousarray(values, dtype=self.dtype)
        for piece, start in self._pieces(values, window):
            write_at(self._descriptor, piece.reshape(-1).view(np.uint8).data, start * self.dtype.itemsize)

    def _pieces(self, values: NDArray[Any], window: Window) -> Iterator[tuple[NDArray[Any], int]]:
        """Values that lie side by side in the file, and the number of those before them."""
        bands, height, width = self.shape
        (top, bottom), (left, right) = window.toranges()
        rows = {"bip": (1, 2, 0), "bil": (1, 0, 2)}.get(self.interleave)
        if rows is None:
            for band in range(bands):
                if right - left == width:
                    yield values[band], (band * height + top) * width
                else:
                    for row in range(top, bottom):
                        yield values[band, row - top], (band * height + row) * width + left
            return
        values = np.ascontiguousarray(values.transpose(rows))
        if right - left == width:
            yield values, top * width * bands
            return
        for row in range(top, bottom):
            if self.interleave == "bip":
                yield values[row - top], (row * width + left) * bands
            else:
                for band in range(bands):
                    yield values[row - top, band], (row * bands + band) * width + left

    def close(self) -> None:
        """Close the file; harmless when it is closed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _fill(self, nodata: float) -> None:
        size = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        chunk = np.full(_CHUNK // self.dtype.itemsize, nodata, dtype=self.dtype).view(np.uint8).data
        for start in range(0, size, _CHUNK):
            write_at(self._descriptor, chunk[: min(_CHUNK, size - start)], start)
