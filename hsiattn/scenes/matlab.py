"""Scenes in MAT files, as the public benchmark scenes are distributed: version 5 (scipy) and 7.3 (HDF5, h5py)."""

from __future__ import annotations

import os
import struct
import zlib
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from hsiattn.errors import SceneError
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

_NUMERIC = {
    *("double", "single", "logical"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class MatlabSource(SceneSource):
    """A cube (row, column, band) in a MAT file.

    MAT files are compressed as a whole, so a window cannot be read alone: the cube is read once, when the source is
    made, and held. It is left out when the source is pickled, and read again where it wakes up.

    Parameters
    ----------
    path
        MAT file of version 5 or 7.3.
    key
        Name of the variable; may be left out where there is only one 3-D numeric variable.

    Raises
    ------
    SceneError
        No such file, not a MAT file, truncated, no 3-D variable, or several and no `key`.
    """

    def __init__(self, path: str | os.PathLike[str], key: str | None = None) -> None:
        self.name = self._path = os.fspath(path)
        self._key = _choose_variable(self._path, 3, key)
        cube = read_matlab_variable(self._path, 3, self._key)
        self._cube: NDArray[Any] | None = cube
        self.height, self.width, count = cube.shape
        self.dtype = cube.dtype
        self.bands = SpectralBands.unknown(count)
        self.crs, self.transform = None, Affine.identity()
        self.nodata = None

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        if self._cube is None:
            self._cube = read_matlab_variable(self._path, 3, self._key)
        rows, columns = window.toslices()
        return np.ascontiguousarray(self._cube[rows, columns].transpose(2, 0, 1))

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
    path = os.fspath(path)
    name = _choose_variable(path, ndim, key)
    if _is_hdf5(path):
        return _read_hdf5(path, name)
    try:
        value = np.asarray(loadmat(path, variable_names=[name])[name])
    except _MAT_ERRORS as error:
        raise _damaged(path) from error
    if value.ndim != ndim or value.dtype.kind not in "iufb":
        raise SceneError(f"variable {name} of {path} is not a real {ndim}-D array", "choose another one by key=")
    return value


def _choose_variable(path: str, ndim: int, key: str | None) -> str:
    variables = _list_variables(path)
    fitting = [
        name
        for name, shape, kind in variables
        if kind in _NUMERIC and len(shape) == ndim and (min(shape) > 1 or name == key or ndim == 3)
    ]
    legible = ", ".join(f"{name} ({'×'.join(map(str, shape))} {kind})" for name, shape, kind in variables) or "none"
    if key is not None:
        if key in fitting:
            return key
        what = f"is not a numeric {ndim}-D array" if key in [name for name, *_ in variables] else "is not there"
        raise SceneError(f"variable {key} of {path} {what}", f"choose among its variables: {legible}")
    if not fitting:
        raise SceneError(
            f"{path} has no numeric {ndim}-D variable", f"give a file that has one; its variables are: {legible}"
        )
    if len(fitting) > 1:
        raise SceneError(
            f"{path} has {len(fitting)} {ndim}-D variables: {', '.join(fitting)}", "name one of them by key="
        )
    return fitting[0]


def _list_variables(path: str) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and MATLAB class of every variable."""
    if _is_hdf5(path):
        return _list_hdf5(path)
    try:
        return [(name, tuple(shape), kind) for name, shape, kind in whosmat(path)]
    except _MAT_ERRORS as error:
        raise _damaged(path) from error


def _is_hdf5(path: str) -> bool:
    """True for MAT 7.3: an HDF5 file, whose signature stands at 0 or after MATLAB's 512-byte preamble."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(520)
    except OSError as error:
        raise SceneError(f"{path} cannot be opened ({error.strerror})", "check the path and its permissions") from error
    return start.startswith(_HDF5_SIGNATURE) or start[512:].startswith(_HDF5_SIGNATURE)


def _list_hdf5(path: str) -> list[tuple[str, tuple[int, ...], str]]:
    import h5py  # type: ignore[import-untyped, unused-ignore]

    try:
        with h5py.File(path, "r") as file:
            datasets = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
            return [(name, item.shape[::-1], _matlab_class(item)) for name, item in datasets.items()]
    except _MAT_ERRORS as error:
        raise _damaged(path) from error


def _matlab_class(dataset: Any) -> str:
    """MATLAB's name of a type, from the attribute that MATLAB writes, else from the type on file."""
    given = dataset.attrs.get("MATLAB_class")
    if given is not None:
        return given.decode() if isinstance(given, bytes) else str(given)
    return {"float64": "double", "float32": "single", "bool": "logical"}.get(str(dataset.dtype), str(dataset.dtype))


def _read_hdf5(path: str, name: str) -> NDArray[Any]:
    """A variable of a MAT 7.3 file; HDF5 counts its axes in C order, so they come reversed."""
    import h5py  # type: ignore[import-untyped, unused-ignore]

    try:
        with h5py.File(path, "r") as file:
            return np.asarray(file[name][()]).T
    except _MAT_ERRORS as error:
        raise _damaged(path) from error


_MAT_ERRORS: tuple[type[Exception], ...] = (
    *(MatReadError, zlib.error, struct.error, OSError, EOFError, MemoryError, NotImplementedError),
    *(ValueError, TypeError, LookupError, OverflowError, AttributeError),
)
"""What scipy and h5py raise on damaged files: they parse what they find, and stumble in many ways."""


def _damaged(path: str) -> SceneError:
    return SceneError(
        f"{path} cannot be read as a MAT file",
        "it seems truncated, damaged or of another format; get a new copy",
    )
