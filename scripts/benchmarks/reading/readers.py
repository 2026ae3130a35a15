"""The readers that are compared: each opens a scene and reads windows of all its bands."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

Read = Callable[[Window], NDArray[Any]]


@contextlib.contextmanager
def with_hsiattn(path: Path) -> Iterator[Read]:
    """Open by this package, with wavelengths, scale and masks understood."""
    from hsiattn.scenes import open_source

    source = open_source(path)
    with source.kept_open():
        yield source.read


@contextlib.contextmanager
def with_rasterio(path: Path) -> Iterator[Read]:
    """Open by GDAL, without a look at the bands' tags."""
    import rasterio

    with rasterio.open(path) as raster:
        yield lambda window: raster.read(window=window)


@contextlib.contextmanager
def with_rioxarray(path: Path) -> Iterator[Read]:
    """Open by rioxarray, lazily and without a cache."""
    import rioxarray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array: Any = rioxarray.open_rasterio(path, cache=False)
    with array:
        yield lambda window: np.asarray(array.isel(y=window.toslices()[0], x=window.toslices()[1]).values)


@contextlib.contextmanager
def with_spectral(path: Path) -> Iterator[Read]:
    """Open an ENVI file by spectral, which maps it into memory; its windows come as (rows, columns, bands)."""
    from spectral.io import envi

    image = envi.open(path.with_suffix(".hdr"), path)
    yield lambda window: image.read_subregion(window.toranges()[0], window.toranges()[1])


READERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Read]]] = {
    "hsiattn": with_hsiattn,
    "rasterio": with_rasterio,
    "rioxarray": with_rioxarray,
    "spectral": with_spectral,
}


def fits(reader: str, form: str) -> bool:
    """Whether a reader can open a format at all."""
    if form == "tiles":
        return reader == "hsiattn"
    return form.startswith("envi") if reader == "spectral" else True
