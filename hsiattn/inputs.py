"""Files that are read: refused where opening them could wait for ever; and all files that belong to one."""

from __future__ import annotations

import errno
import os
import stat
import warnings
from io import BufferedReader
from pathlib import Path

from hsiattn.errors import HsiattnError

StrPath = str | os.PathLike[str]

_ARCHIVES = ("/vsizip/", "/vsitar/", "/vsigzip/", "/vsi7z/", "/vsirar/", "zip://", "tar://", "gzip://", "file://")
_BESIDE = (".aux.xml", ".ovr", ".msk", ".hdr", ".HDR")
_DEPTH = 5
"""Rasters within rasters within rasters that are followed."""


def refuse_special(path: StrPath, error: type[HsiattnError]) -> None:
    """Refuse to read a pipe, a socket or a device, which opening might wait for.

    Parameters
    ----------
    path
        Links are followed; what does not exist is left to the reader.
    error
        What is raised.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise error(f"{path} is a pipe, a socket or a device, not a file", "give the name of a file")


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """A file open for reading; a pipe, whose writer might never come, is refused like whatever is no file on a disk.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file; `strerror` tells.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, "it is not a file on a disk", os.fspath(path))


def local_file(path: StrPath) -> str:
    """The file on a disk that a path leads to: the archive of a `/vsizip/` path, else the path itself."""
    text = os.fspath(path)
    for prefix in _ARCHIVES:
        if text.startswith(prefix):
            inner = text.removeprefix(prefix).lstrip("{")
            parts = Path(inner.split("!")[0]).parents
            return next((str(p) for p in (Path(inner.split("!")[0]), *parts) if p.is_file()), inner)
    return text


def files_of(path: StrPath, depth: int = _DEPTH) -> list[str]:
    """Everything on a disk that reading a path may read: itself, what lies beside it, the members of a VRT."""
    own = local_file(path)
    stem = os.path.splitext(own)[0]
    found = [own, *(f"{own}{suffix}" for suffix in _BESIDE), *(f"{stem}{suffix}" for suffix in (".hdr", ".HDR"))]
    for member in _members(path):
        if member not in found:
            found += files_of(member, depth - 1) if depth else [member]
    return found


def _members(path: StrPath) -> list[str]:
    """What GDAL opens for a raster; nothing for other files."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings(), rasterio.Env():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(os.fspath(path)) as raster:
                return [str(file) for file in raster.files]
    except (RasterioError, ValueError, OSError):
        return []
