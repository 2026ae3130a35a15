"""The files that labels and maps come in: rasters that GDAL reads, MAT files, NumPy files."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from hsiattn.errors import LabelError, SceneError
from hsiattn.files.inputs import refuse_special
from hsiattn.files.paths import is_for_gdal
from hsiattn.labels.legends import Legend, legend_of
from hsiattn.labels.sidecars import pam_path
from hsiattn.labels.vector_files import vector_kind
from hsiattn.scenes.block_cache import block_cache, cache_for
from hsiattn.scenes.envi import EnviSource
from hsiattn.scenes.geotiff import connect, open_raster
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.numpy_files import NumpyFileError, open_numpy_file

_LARGEST_SIDECAR = 2**26  # bytes; GDAL reads it as a whole whenever it opens the raster


class LabelFile(ABC):
    """A single band of numbers, read window by window.

    Attributes
    ----------
    grid
        Size and georeference.
    block
        Rows and columns of the pieces in which the file stores pixels.
    dtype
        Of the values as stored.
    nodata
        Value that marks pixels without a label; None where the file names none.
    legend
        What the file says of its values.
    notes
        What a user should know about how the file is understood, one sentence each.
    """

    grid: Grid
    block: tuple[int, int] = (1, 1)
    dtype: np.dtype[Any]
    nodata: float | None = None
    legend: Legend = Legend()
    notes: tuple[str, ...] = ()

    @abstractmethod
    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Stored values (h, w) of a window, and where a mask hides them; None where the file has no mask."""

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While the block runs, the file stays open."""
        yield


def open_label_file(path: str | os.PathLike[str], key: str | None) -> LabelFile:
    """Open labels or a map of any supported format.

    Raises
    ------
    LabelError
        The file is missing, damaged, no raster, or has several bands.
    SceneError
        A MAT file or an ENVI header is damaged or has no variable that could be meant.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    local = not is_for_gdal(path)
    refuse_special(path, LabelError)
    if local and not os.path.lexists(path):
        raise LabelError(f"the label file {path} does not exist", "check the path")
    if key is not None and suffix != ".mat":
        raise LabelError(f"{path} has no named variables, so there is no {key!r} in it", "leave out key=")
    if suffix == ".mat":
        from hsiattn.scenes.matlab import read_matlab_variable  # brings scipy's readers

        return _ArrayFile(path, read_matlab_variable(path, ndim=2, key=key))
    if suffix == ".npy":
        return _ArrayFile(path, _open_numpy(path))
    if local and suffix == ".hdr":
        path = EnviSource(file).name
    try:
        return _RasterFile(os.fspath(path))
    except SceneError as error:
        raise _no_raster(path) from error


class _RasterFile(LabelFile):
    """A raster that GDAL opens."""

    def __init__(self, path: str) -> None:
        _check_sidecar(path)
        self._path = path
        self._dataset: Any = None
        with open_raster(path) as dataset:
            _check_bands(path, dataset)
            self.grid = Grid(dataset.height, dataset.width, dataset.crs, dataset.transform)
            self.block = dataset.block_shapes[0]
            self.dtype = np.dtype(dataset.dtypes[0])
            self.nodata = dataset.nodatavals[0]
            flags = dataset.mask_flag_enums[0]
            self._has_mask = MaskFlags.per_dataset in flags or MaskFlags.alpha in flags
            self.legend = legend_of(dataset)
            if dataset.scales[0] != 1 or dataset.offsets[0] != 0:
                self.notes = (
                    f"{path} states a scale of {dataset.scales[0]:g} and an offset of {dataset.offsets[0]:g}, which "
                    "mean nothing for class codes: its values are taken as they are stored",
                )

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        with _as_label_errors(self._path), self._opened() as dataset:
            values: NDArray[Any] = dataset.read(1, window=window)
            missing = dataset.read_masks(1, window=window) == 0 if self._has_mask else None
        return values, missing

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        with _as_label_errors(self._path):
            self._dataset = connect(self._path)
        try:
            with block_cache(cache_for([self.block])):
                yield
        finally:
            dataset, self._dataset = self._dataset, None
            dataset.close()

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        if self._dataset is not None:
            yield self._dataset
            return
        with open_raster(self._path) as dataset:
            yield dataset

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_dataset": None}


class _ArrayFile(LabelFile):
    """A 2-D array, in memory or mapped into it."""

    def __init__(self, path: str | os.PathLike[str], values: NDArray[Any]) -> None:
        height, width = values.shape
        if not values.size:
            raise LabelError(f"{path} holds an array of {height} × {width} pixels", "give one with pixels")
        _check_type(path, values.dtype)
        self._values = values
        self.dtype = values.dtype.newbyteorder("=")
        self.grid = Grid(height, width, None, Affine.identity())

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        return np.asarray(self._values[window.toslices()], dtype=self.dtype), None


@contextmanager
def _as_label_errors(path: str) -> Iterator[None]:
    """What GDAL says of a raster that it has opened before, and then cannot read, in terms of labels."""
    try:
        yield
    except (SceneError, RasterioError, OSError) as error:
        raise _damaged(path) from error


def _open_numpy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array of a NumPy file, mapped into memory: a header that promises more than there is costs nothing."""
    try:
        values = open_numpy_file(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise LabelError(f"{path} cannot be read", "check the path and its permissions") from error
    except NumpyFileError as error:
        raise LabelError(f"{path} is not a complete NumPy file: {error}", "save it again with numpy.save") from error
    if values.ndim != 2:
        raise LabelError(f"{path} holds an array {values.shape}, not rows × columns", "save a 2-D array of codes")
    return values


def _check_bands(path: str, dataset: Any) -> None:
    has_alpha = dataset.count == 2 and dataset.colorinterp[1] == ColorInterp.alpha
    if dataset.count != 1 and not has_alpha:
        raise LabelError(f"{path} has {dataset.count} bands", "give a raster with one band of class codes")
    _check_type(path, np.dtype(dataset.dtypes[0]) if "complex_int" not in dataset.dtypes[0] else np.dtype(complex))


def _check_type(path: str | os.PathLike[str], dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biuf":
        raise LabelError(f"{path} holds values of type {dtype}", "give a raster of integer class codes")


def _check_sidecar(path: str) -> None:
    sidecar = pam_path(path)
    try:
        size = sidecar.stat().st_size
    except (OSError, ValueError):
        return
    if size > _LARGEST_SIDECAR:
        raise LabelError(f"{sidecar} has {size / 1e6:.0f} MB, more than any legend", "remove it, or write it anew")


def _no_raster(path: str | os.PathLike[str]) -> LabelError:
    """Why GDAL does not open a file, as far as one can tell."""
    kind = None if is_for_gdal(path) else vector_kind(path)
    if kind is not None:
        return LabelError(
            f"{path} is {kind}, and labels are read from GeoPackage, GeoJSON, shapefile, FlatGeobuf, CSV and rasters",
            "convert it to a GeoPackage, e.g. with QGIS or ogr2ogr",
        )
    if not is_for_gdal(path):
        if os.path.isdir(path):
            return LabelError(f"{path} is a folder", "give the raster inside it")
        if not os.path.exists(path):
            return LabelError(f"{path} is a link to nowhere", "check the path")
        if os.path.isfile(path) and not os.path.getsize(path):
            return LabelError(f"{path} is empty", "copy or download it again")
    return _damaged(path)


def _damaged(path: str | os.PathLike[str]) -> LabelError:
    return LabelError(f"{path} is damaged or not a raster", "check that gdalinfo opens it")
