"""Rasters as arrays of which xarray reads no more than an index asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from rasterio.windows import Window
from xarray.backends import BackendArray
from xarray.core import indexing


def read_lazily(shape: tuple[int, ...], dtype: DTypeLike, read: Callable[..., NDArray[Any] | None]) -> Any:
    """The data of an `xarray.DataArray` (H, W) or (B, H, W) that is read window by window, when values are asked for.

    Parameters
    ----------
    shape, dtype
        Those of the whole array.
    read
        Values of a window, which is its first argument; a list of bands (0-based) is the second, where there are bands.
        Picklable if the array is to be.
    """
    array: Any = WindowedArray(shape, dtype, read)
    return indexing.CopyOnWriteArray(indexing.LazilyIndexedArray(array))  # type: ignore[arg-type]


class WindowedArray(BackendArray):
    """The array behind `read_lazily`."""

    _STRIP_VALUES = 2**25
    """Values read at a time where an index skips rows: a thinned view of a huge scene must not read it whole."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, read: Callable[..., Any]) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._read_window = read

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Values of an outer index: one integer, slice or integer array per dim."""
        chosen = [np.atleast_1d(np.arange(size)[part]) for part, size in zip(key, self.shape, strict=True)]
        *bands, rows, columns = chosen
        result = np.empty([len(axis) for axis in chosen], dtype=self.dtype)
        if result.size:
            left, right = int(columns.min()), int(columns.max()) + 1
            for strip in self._strips(rows, math.prod(map(len, bands)) * (right - left)):
                top, bottom = int(rows[strip].min()), int(rows[strip].max()) + 1
                window = Window(left, top, right - left, bottom - top)
                values = self._read_window(window, *(axis.tolist() for axis in bands))
                result[..., strip, :] = values[..., rows[strip] - top, :][..., columns - left]
        return result[tuple(0 if isinstance(part, (int, np.integer)) else slice(None) for part in key)]

    def _strips(self, rows: NDArray[np.int64], values_per_row: int) -> list[slice]:
        """Parts of `rows`: one where they are contiguous, else several that each span not too many values."""
        if rows.size == rows.max() - rows.min() + 1:
            return [slice(0, rows.size)]
        span = max(1, self._STRIP_VALUES // values_per_row)
        starts = [0]
        for i in range(1, rows.size):
            if abs(int(rows[i]) - int(rows[starts[-1]])) >= span:
                starts.append(i)
        return [slice(a, b) for a, b in zip(starts, [*starts[1:], rows.size], strict=True)]
