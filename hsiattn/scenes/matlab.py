"""Scenes in MAT files, as the public scenes are distributed: versions 4 to 7, and 7.3, which is HDF5."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.files.inputs import open_regular
from hsiattn.files.text import printable
from hsiattn.scenes.matlab_5 import Mat5File, MatFileError, Variable
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

_NUMERIC = {
    *("double", "single", "logical"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
_MOST_LISTED = 20
"""Variables that a message names."""

_HDF5_PROGRAM = Path(__file__).with_name("hdf5_process.py")
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
        self._key, cube = _read(self._path, 3, key)
        self._cube: NDArray[Any] | None = cube
        self.height, self.width, count = cube.shape
        self.dtype = cube.dtype
        self.bands = SpectralBands.unknown(count)
        self.crs, self.transform = None, Affine.identity()
        self.nodata = None

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        if self._cube is None:
            self._cube = _read(self._path, 3, self._key)[1]
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
    return _read(os.fspath(path), ndim, key)[1]


class _MatFile(Protocol):
    """An open MAT file."""

    variables: list[Variable]

    def read(self, number: int) -> NDArray[Any]: ...


def _read(path: str, ndim: int, key: str | None) -> tuple[str, NDArray[Any]]:
    """Name and values of the variable that is meant, in one go through the file."""
    try:
        with _opened(path) as file:
            number = _choose(file.variables, path, ndim, key)
            variable = file.variables[number]
            if variable.is_complex:
                raise SceneError(
                    f"variable {variable.name} of {path} is not a real {ndim}-D array",
                    "choose another one by key=",
                )
            return variable.name, file.read(number)
    except MatFileError as error:
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


@contextmanager
def _opened(path: str) -> Iterator[_MatFile]:
    if not _is_hdf5(path):
        yield Mat5File(path)
        return
    command = [sys.executable, "-P", "-W", "ignore", str(_HDF5_PROGRAM), path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield _Mat73File(process)
        finally:
            process.kill()  # it has ended, or is of no more use
            with suppress(OSError):  # it ended before it was asked
                process.stdin.close()


class _Mat73File:
    """A MAT file of version 7.3, read by `hdf5_process`, with which this speaks."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.variables = [Variable(name, tuple(shape), kind) for name, shape, kind in self._answer()]

    def read(self, number: int) -> NDArray[Any]:
        """Values of a variable; HDF5 counts its axes in C order, so they come reversed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(self.variables[number].name).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise MatFileError("the process that reads it has ended") from error
        dtype, shape = self._answer()
        values = np.empty(shape, dtype)
        into = values.reshape(-1).data.cast("B") if values.size else memoryview(bytearray())
        place = 0
        while place < len(into):
            count = self._process.stdout.readinto(into[place:])  # type: ignore[attr-defined]
            if not count:
                raise MatFileError("the file ends early")
            place += count
        return values.T

    def _answer(self) -> list[Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise MatFileError("the process that reads it has ended")
        answer: list[Any] = json.loads(line)
        return answer


def _is_hdf5(path: str) -> bool:
    """True for MAT 7.3: an HDF5 file, whose signature stands at 0 or after MATLAB's 512-byte preamble."""
    with open_regular(path) as stream:
        start = stream.read(520)
    return start.startswith(_HDF5_SIGNATURE) or start[512:].startswith(_HDF5_SIGNATURE)
