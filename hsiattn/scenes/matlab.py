"""Scenes in MAT files, as the public scenes are distributed: versions 4 to 7, and 7.3, which is HDF5."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.files.text import printable
from hsiattn.scenes.hdf5 import Hdf5Dataset, Hdf5Error, Hdf5File
from hsiattn.scenes.hdf5.file import is_hdf5
from hsiattn.scenes.matlab_5 import Mat5File, MatFileError, Variable
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

_NUMERIC = {
    *("double", "single", "logical"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
_OTHER = "opaque"
"""Class of what holds no numbers."""
_MOST_LISTED = 20
"""Variables that a message names."""


class MatlabSource(SceneSource):
    """A cube (row, column, band) in a MAT file.

    Files up to version 7 are compressed as a whole, so a window cannot be read alone: the cube is read once, when the
    source is made, and held. It is left out when the source is pickled, and read again where it wakes up. Of version
    7.3, which is HDF5, windows are read from the file.

    Parameters
    ----------
    path
        MAT file of version 4 to 7, or 7.3.
    key
        Name of the variable; may be left out where there is only one 3-D numeric variable.

    Raises
    ------
    SceneError
        No such file, not a MAT file, truncated, no 3-D variable, or several and no `key`.
    """

    def __init__(self, path: str | os.PathLike[str], key: str | None = None) -> None:
        self.name = self._path = os.fspath(path)
        self._cube: NDArray[Any] | None = None
        with _reading(self._path):
            file = _open(self._path)
            number = _choose(file.variables, self._path, 3, key)
            variable = file.variables[number]
            _refuse_complex(variable, self._path, 3)
            self._key = variable.name
            self._file = file if isinstance(file, _Mat73File) else None
            if self._file is None:
                self._cube = file.read(number)
                self.dtype = self._cube.dtype
            else:
                self.dtype, self.block = self._file.layout(number)
        self.height, self.width, count = variable.shape
        self.bands = SpectralBands.unknown(count)
        self.crs, self.transform = None, Affine.identity()
        self.nodata = None

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window."""
        rows, columns = window.toslices()
        if self._file is not None:
            with _reading(self._path):
                values = self._file.read_part(self._key, (list(indices), columns, rows))
            return np.ascontiguousarray(values.transpose(0, 2, 1))
        if self._cube is None:
            self._cube = _read(self._path, 3, self._key)[1]
        return np.ascontiguousarray(self._cube[rows, columns].transpose(2, 0, 1)[list(indices)])

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        if self._file is None:
            yield
            return
        with self._file.kept_open():
            yield

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cube": None}


def read_matlab_variable(path: str | os.PathLike[str], ndim: int, key: str | None = None) -> NDArray[Any]:
    """The one numeric variable of a MAT file that has `ndim` dimensions, each longer than 1.

    Parameters
    ----------
    path
        MAT file of version 5 or 7.3.
    ndim
        3 for a cube (row, column, band), 2 for a label map (row, column).
    key
        Name of the variable; needed where several fit.

    Returns
    -------
    ndarray
        In the type as stored (a label map is often float64 by its class and uint8 on file: uint8 is returned).

    Raises
    ------
    SceneError
        No such file, not a MAT file, truncated, no variable that fits, or several and no `key`.
    """
    return _read(os.fspath(path), ndim, key)[1]


class _MatFile(Protocol):
    """An open MAT file."""

    variables: list[Variable]

    def read(self, number: int) -> NDArray[Any]: ...


def _read(path: str, ndim: int, key: str | None) -> tuple[str, NDArray[Any]]:
    """Name and values of the variable that is meant, in one go through the file."""
    with _reading(path):
        file = _open(path)
        number = _choose(file.variables, path, ndim, key)
        variable = file.variables[number]
        _refuse_complex(variable, path, ndim)
        return variable.name, file.read(number)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """What goes wrong with a MAT file, as `SceneError`."""
    try:
        yield
    except (MatFileError, Hdf5Error) as error:
        raise SceneError(
            f"{path} cannot be read as a MAT file",
            "it seems truncated, damaged or of another format; get a new copy",
        ) from error
    except MemoryError:
        raise SceneError(
            f"{path} holds more than fits into memory", "convert it to GeoTIFF or ENVI, which are read part by part"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise SceneError(f"{path} cannot be opened ({reason})", "check the path and its permissions") from error


def _refuse_complex(variable: Variable, path: str, ndim: int) -> None:
    if variable.is_complex:
        raise SceneError(
            f"variable {variable.name} of {path} is not a real {ndim}-D array", "choose another one by key="
        )


def _choose(variables: Sequence[Variable], path: str, ndim: int, key: str | None) -> int:
    """Number of the variable that is meant."""
    fitting = [
        number
        for number, (name, shape, kind) in enumerate((v.name, v.shape, v.kind) for v in variables)
        if kind in _NUMERIC and len(shape) == ndim and (min(shape) > 1 or name == key or ndim == 3)
    ]
    legible = _listed([f"{v.name} ({'×'.join(map(str, v.shape))} {v.kind})" for v in variables])
    if key is not None:
        named = [number for number in fitting if variables[number].name == key]
        if named:
            return named[-1]
        there = key in [variable.name for variable in variables]
        what = f"is not a numeric {ndim}-D array" if there else "is not there"
        raise SceneError(f"variable {key} of {path} {what}", f"choose among its variables: {legible}")
    if not fitting:
        raise SceneError(
            f"{path} has no numeric {ndim}-D variable", f"give a file that has one; its variables are: {legible}"
        )
    if len(fitting) > 1:
        names = _listed([variables[number].name for number in fitting])
        raise SceneError(f"{path} has {len(fitting)} {ndim}-D variables: {names}", "name one of them by key=")
    return fitting[0]


def _listed(names: Sequence[str]) -> str:
    """Names as they fit into a line."""
    shown = [printable(name, 60) for name in names[:_MOST_LISTED]] + (["…"] if len(names) > _MOST_LISTED else [])
    return ", ".join(shown) or "none"


def _open(path: str) -> Mat5File | _Mat73File:
    return _Mat73File(path) if is_hdf5(path) else Mat5File(path)


class _Mat73File:
    """A MAT file of version 7.3, which is HDF5: its axes come in reversed order."""

    def __init__(self, path: str) -> None:
        self._file = Hdf5File(path)
        self._datasets = [dataset for name, dataset in self._file.datasets.items() if name.count("/") == 1]
        self.variables = [Variable(d.name[1:], d.shape[::-1], _matlab_class(d)) for d in self._datasets]

    def read(self, number: int) -> NDArray[Any]:
        """Values of a variable."""
        return self._file.read(self._datasets[number].name).T

    def read_part(self, name: str, selection: Sequence[Any]) -> NDArray[Any]:
        """Part of a variable, axes as in the file."""
        return self._file.read(f"/{name}", selection)

    def layout(self, number: int) -> tuple[np.dtype[Any], tuple[int, int]]:
        """Type of a cube, and rows and columns of the pieces in which the file stores it."""
        dataset = self._datasets[number]
        assert dataset.dtype is not None
        _, columns, rows = dataset.chunks or (1, 1, 1)
        return dataset.dtype, (rows, columns)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `Hdf5File.kept_open`."""
        with self._file.kept_open():
            yield


def _matlab_class(dataset: Hdf5Dataset) -> str:
    """MATLAB's name of a type, from the attribute that MATLAB writes, else from the type on file."""
    if dataset.dtype is None:
        return _OTHER
    given = dataset.attributes.get("MATLAB_class")
    if given is not None:
        return str(given)
    return {"float64": "double", "float32": "single", "bool": "logical"}.get(str(dataset.dtype), str(dataset.dtype))
