"""GDAL's cache of blocks, which would otherwise take a twentieth of the machine's memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio._env import get_gdal_config, set_gdal_config


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
