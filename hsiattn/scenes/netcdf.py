"""Cubes in netCDF (3 and 4), HDF5 and Zarr files that follow the CF conventions, or at least name their parts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.cf_conventions import (
    Axes,
    bands_of,
    find_axes,
    first,
    listed,
    long_axes,
    stated_radiometry,
    validity_of,
)
from hsiattn.scenes.cf_grids import grid_of_variable
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.hdf5 import Hdf5Error, Hdf5File
from hsiattn.scenes.hdf5.file import is_hdf5
from hsiattn.scenes.netcdf3 import Netcdf3File, is_netcdf3
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.variables import Hdf5Dataset, VariableFile, VariableFileError, short_name
from hsiattn.scenes.zarr_stores import ZarrStore, is_zarr

_LEAST_BYTES = 8


class CubeSource(SceneSource):
    """A cube among the variables of a file, of which windows are read.

    Parameters
    ----------
    file
        The file.
    name
        Path of the cube in it.
    axes
        Which of its axes are which; None to find them, see `find_axes`.

    Raises
    ------
    SceneError
        The file is damaged, or the axes cannot be told from each other.
    """

    def __init__(self, file: VariableFile, name: str, axes: Axes | None = None) -> None:
        self.name = os.fspath(file.path)
        self._file, self._cube = file, file.datasets[name]
        with reading(self.name), file.kept_open():
            found, remark = find_axes(file, self._cube) if axes is None else (axes, "")
            self._axes = found
            self.bands = bands_of(file, self._cube, found.band)
            grid, place = grid_of_variable(file, self._cube, found)
        self._take_grid(grid)
        stored = self._cube.dtype
        assert stored is not None
        is_unsigned = stored.kind == "i" and str(first(self._cube.attributes.get("_Unsigned"))).lower() == "true"
        self._stored = np.dtype(f"u{stored.itemsize}") if is_unsigned else stored.newbyteorder("=")
        self._validity = validity_of(_as_unsigned(self._cube, is_unsigned), self._stored)
        self.dtype = self._validity.dtype(self._stored)
        self.nodata = self._validity.nodata
        radiometry, scale = stated_radiometry(self.name, self._cube.attributes, len(self.bands))
        if radiometry is not None:
            self.radiometry = radiometry
        chunks = self._cube.chunks
        self.block = (1, 1) if chunks is None else (chunks[found.y], chunks[found.x])
        self.files = (self.name,)
        self.notes = tuple(text for text in (remark, place, scale) if text)

    def _take_grid(self, grid: Grid) -> None:
        self.height, self.width, self.crs, self.transform = grid.height, grid.width, grid.crs, grid.transform
        self.control = grid.control

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window; of other chunks than theirs nothing is read."""
        rows, columns = window.toslices()
        return self.read_part(list(indices), rows, columns)

    def read_part(self, bands: Sequence[int], rows: slice, columns: slice) -> NDArray[Any]:
        """Values (len(bands), h, w) at rows and columns of the variable, marked where they are missing."""
        parts: list[Any] = [0] * len(self._cube.shape)
        parts[self._axes.band], parts[self._axes.y], parts[self._axes.x] = list(bands), rows, columns
        with reading(self.name):
            values = self._file.read(self._cube.name, tuple(parts))
        order = np.argsort(np.argsort([self._axes.band, self._axes.y, self._axes.x]))
        turned = np.ascontiguousarray(values.transpose(order))
        return self._validity.mark(turned.view(self._stored) if turned.dtype.kind == "i" else turned)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        with self._file.kept_open():
            yield


def _as_unsigned(cube: Hdf5Dataset, is_unsigned: bool) -> dict[str, Any]:
    """Attributes of a variable whose values are unsigned under a signed type, as netCDF-3 has them."""
    attributes = dict(cube.attributes)
    if is_unsigned and cube.dtype is not None:
        for name in ("_FillValue", "missing_value", "valid_min", "valid_max"):
            value = first(attributes.get(name))
            if isinstance(value, int) and value < 0:
                attributes[name] = value + 2 ** (8 * cube.dtype.itemsize)
    return attributes


def open_variables(path: str | os.PathLike[str]) -> VariableFile | None:
    """The variables of a netCDF, HDF5 or Zarr file; None where it is none of these.

    Raises
    ------
    SceneError
        It cannot be opened, or is damaged; or it is a Zarr store, and the library for them is not installed.
    """
    name = os.fspath(path)
    with reading(name):
        if is_zarr(path):
            return ZarrStore(path)
        if Path(path).is_dir():
            return None
        if is_hdf5(path):
            return Hdf5File(path)
        with Path(path).open("rb") as stream:
            start = stream.read(_LEAST_BYTES)
        return Netcdf3File(path) if is_netcdf3(start) else None


def open_cube(file: VariableFile, key: str | None = None) -> CubeSource:
    """The one cube of a file, or the one of that name.

    Parameters
    ----------
    file
        Its variables.
    key
        Path of a variable in the file, or its last part.

    Raises
    ------
    SceneError
        There is none, or there are several and no `key`.
    """
    return CubeSource(file, choose_cube(file, key).name)


def choose_cube(file: VariableFile, key: str | None) -> Hdf5Dataset:
    """The variable that `open_cube` opens."""
    datasets = list(file.datasets.values())
    cubes = [dataset for dataset in datasets if is_cube(dataset)]
    if key is not None:
        exact = [dataset for dataset in datasets if dataset.name.strip("/") == key.strip("/")]
        named = exact or [dataset for dataset in datasets if short_name(dataset.name) == key]
        fitting = [dataset for dataset in named if is_cube(dataset)]
        if len(fitting) == 1:
            return fitting[0]
        what = "is no numeric 3-D array" if named and not fitting else "is not there" if not named else "is ambiguous"
        raise SceneError(f"variable {key} of {file.path} {what}", f"choose among its cubes: {listed(fitting or cubes)}")
    if not cubes:
        raise SceneError(
            f"{file.path} has no numeric 3-D variable",
            f"give a file that has one; its variables are: {listed(datasets)}",
        )
    if len(cubes) > 1:
        raise SceneError(f"{file.path} has {len(cubes)} 3-D variables: {listed(cubes)}", "name one of them by key=")
    return cubes[0]


def is_cube(dataset: Hdf5Dataset) -> bool:
    """Whether a variable holds numbers along three axes."""
    numeric = dataset.dtype is not None and dataset.dtype.kind in "iufb"
    return numeric and len(dataset.shape) >= 3 and len(long_axes(dataset.shape)) == 3 and min(dataset.shape) > 0


@contextmanager
def reading(path: str) -> Iterator[None]:
    """What goes wrong with a file of variables, as `SceneError`."""
    try:
        yield
    except (Hdf5Error, VariableFileError) as error:
        raise SceneError(
            f"{path} cannot be read ({error})", "it seems truncated, damaged or of another format; get a new copy"
        ) from error
    except MemoryError:
        raise SceneError(f"a part of {path} does not fit into memory", "read smaller windows, or convert it") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise SceneError(f"{path} cannot be opened ({reason})", "check the path and its permissions") from error
