"""GDAL's cache of blocks, which would otherwise take a twentieth of the machine's memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rasterio
from rasterio._env import get_gdal_config, set_gdal_config

ONCE_THROUGH = 2**27
"""Bytes that GDAL may keep of a raster that is gone through once."""

_LEAST, _MOST = 2**26, 2**29  # bytes


def cache_for(blocks: Sequence[tuple[int, int]]) -> int:
    """Bytes with which single bands of these blocks (rows and columns) are read once in windows, at the full speed.

    Blocks may be larger than windows, up to the size of the raster; they are kept until all their windows are read.
    """
    return min(max(_LEAST, sum(2 * 4 * rows * columns for rows, columns in blocks)), _MOST)


@contextmanager
def block_cache(size: int) -> Iterator[None]:
    """Bound the cache to `size` bytes while the block runs, in all threads of the process."""
    with rasterio.Env():
        before = get_gdal_config("GDAL_CACHEMAX")  # rasterio gives and takes bytes, and does not restore it by itself
        set_gdal_config("GDAL_CACHEMAX", size)
        try:
            yield
        finally:
            set_gdal_config("GDAL_CACHEMAX", before)
