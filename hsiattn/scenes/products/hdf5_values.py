"""What HDF5 files of products hold, at the places that a layout names."""

from __future__ import annotations

import copy
import math
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from hsiattn.errors import SceneError
from hsiattn.scenes.hdf5 import Hdf5Dataset, Hdf5Error, Hdf5File
from hsiattn.scenes.hdf5.file import is_hdf5
from hsiattn.scenes.source import MOST_BANDS
from hsiattn.scenes.spectral import parse_number


def hdf5_file(path: Path) -> Hdf5File | None:
    """What is in an HDF5 file; None where the path leads to no such file, or to a damaged one.

    All readers of products look at the same files, so the last ones are remembered for as long as they do not change.
    """
    try:
        state = os.stat(path)
        return copy.copy(_listed(os.fspath(path), state.st_mtime_ns, state.st_size, state.st_ino))
    except (Hdf5Error, OSError, ValueError):
        return None


@lru_cache(maxsize=4)
def _listed(path: str, changed: int, size: int, number: int) -> Hdf5File:
    if not is_hdf5(path):
        raise Hdf5Error("it does not begin as an HDF5 file")
    return Hdf5File(path)


def figures(file: Hdf5File, place: str) -> NDArray[np.float64]:
    """The numbers at a place; none where there are none."""
    path, _, attribute = place.partition("@")
    if attribute:
        return np.array([parse_number(item) for item in _as_list(file.attributes(path or "/").get(attribute))])
    dataset = file.datasets.get(path)
    if dataset is None or dataset.dtype is None or math.prod(dataset.shape) > MOST_BANDS:
        return np.empty(0)
    return np.asarray(read_part(file, path), dtype=np.float64).reshape(-1)


def figure(file: Hdf5File, place: str) -> float:
    """The number at a place; NaN where there is not just one."""
    found = figures(file, place) if place else np.empty(0)
    return float(found[0]) if found.size == 1 else math.nan


def text(file: Hdf5File, place: str) -> str:
    """The text at a place, or the number as text; empty where there is none."""
    path, _, attribute = place.partition("@")
    if attribute:
        found = _as_list(file.attributes(path or "/").get(attribute))
    else:
        dataset = file.datasets.get(path)
        found = [] if dataset is None or math.prod(dataset.shape) != 1 else list(read_part(file, path).reshape(-1))
    return str(found[0]).strip() if len(found) == 1 else ""


def crs_of(*candidates: str) -> CRS | None:
    """The first of several descriptions that names a coordinate reference system: an EPSG code, PROJ or WKT."""
    for candidate in candidates:
        lower = re.sub(r"\+proj=\w+", lambda found: found[0].lower(), candidate)  # NEON writes +proj=UTM
        with suppress(CRSError, ValueError, OverflowError), rasterio.Env():  # which keeps GDAL from printing
            if candidate.isdecimal():
                return CRS.from_epsg(int(candidate))
            if candidate:
                return CRS.from_string(lower)
    return None


def _as_list(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def read_part(file: Hdf5File, name: str, selection: Sequence[Any] = ()) -> NDArray[Any]:
    """Values of a part of a data set, see `Hdf5File.read`.

    Raises
    ------
    SceneError
        They cannot be read.
    """
    try:
        return file.read(name, selection)
    except (Hdf5Error, KeyError, OSError, ValueError, MemoryError) as error:
        reason = str(error) if isinstance(error, Hdf5Error) else type(error).__name__
        raise SceneError(
            f"{file.path} cannot be read at {name} ({reason})",
            "the file seems truncated or damaged; copy or download it again",
        ) from error


def array_of(file: Hdf5File, name: str, axes: int | None = None) -> Hdf5Dataset:
    """A data set of real numbers, with so many axes if that is said.

    Raises
    ------
    SceneError
        There is none of that name, or it is another.
    """
    dataset = file.datasets.get(name)
    if dataset is None:
        raise SceneError(f"{file.path} lacks {name}", "copy or download it again")
    if dataset.dtype is None or dataset.dtype.kind not in "iuf" or (axes is not None and len(dataset.shape) != axes):
        raise SceneError(f"{name} of {file.path} is no array of {axes or 'real'} axes of numbers", "get a new copy")
    if axes == 3 and (0 in dataset.shape or max(dataset.shape) >= 2**31):
        raise SceneError(f"{name} of {file.path} has the shape {dataset.shape}", "copy or download it again")
    return dataset
