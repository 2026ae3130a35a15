"""Paths as GDAL understands them: files on a disk, and what lies in archives, on servers or inside of other files."""

from __future__ import annotations

import os
from pathlib import Path

StrPath = str | os.PathLike[str]

_ARCHIVES = ("/vsizip/", "/vsitar/", "/vsigzip/", "/vsi7z/", "/vsirar/", "zip://", "tar://", "gzip://", "file://")


def is_virtual(path: StrPath) -> bool:
    """True for paths into GDAL's virtual file systems, and for URLs.

    >>> is_virtual("/vsizip/flights.zip/strip.tif"), is_virtual("https://a.b/strip.tif"), is_virtual("strip.tif")
    (True, True, False)
    """
    text = os.fspath(path)
    return text.startswith("/vsi") or "://" in text


def is_for_gdal(path: StrPath) -> bool:
    """True for paths that mean something to GDAL alone: virtual ones, and those such as `NETCDF:"file.nc":variable`."""
    if is_virtual(path):
        return True
    text = os.fspath(path)
    prefix, colon, _ = text.partition(":")
    return bool(colon) and len(prefix) > 1 and "/" not in prefix and not os.path.exists(text)


def local_file(path: StrPath) -> str:
    """The file on a disk that a path leads to: the archive of a `/vsizip/` path, else the path itself."""
    text = os.fspath(path)
    for prefix in _ARCHIVES:
        if text.startswith(prefix):
            inner = text.removeprefix(prefix).lstrip("{")
            place = Path(inner.split("!")[0].split("}")[0])
            return next((str(p) for p in (place, *place.parents) if os.path.isfile(p)), inner)
    return text
