"""All files on a disk that belong to a path: what lies beside it, what it is inside of, what it is made of."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hsiattn.files.paths import StrPath, local_file

_BESIDE = (".aux.xml", ".ovr", ".msk", ".hdr", ".HDR")
_DEPTH = 5
"""Rasters within rasters within rasters that are followed."""


def files_of(path: StrPath, depth: int = _DEPTH) -> list[str]:
    """Everything on a disk that reading a path may read: itself, what lies beside it, the members of a VRT."""
    own = local_file(path)
    stem = os.path.splitext(own)[0]
    found = [own, *(f"{own}{suffix}" for suffix in _BESIDE), *(f"{stem}{suffix}" for suffix in (".hdr", ".HDR"))]
    for member in _members(path):
        if member not in found:
            found += files_of(member, depth - 1) if depth else [member]
    return found


@contextmanager
def open_quietly(path: StrPath, driver: str | None = None) -> Iterator[Any]:
    """An open rasterio dataset, without a warning where it has no georeference."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings(), rasterio.Env():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(os.fspath(path), driver=driver) as raster:
            yield raster


def _members(path: StrPath) -> list[str]:
    """What GDAL opens for a raster; nothing for other files."""
    from rasterio.errors import RasterioError

    try:
        with open_quietly(path) as raster:
            return [str(file) for file in raster.files]
    except (RasterioError, ValueError, OSError):
        return []
