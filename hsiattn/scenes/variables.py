"""Files that hold named arrays with dimensions and attributes: what is asked of them, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hsiattn.scenes.flat_files import FlatCube
from hsiattn.scenes.hdf5 import Hdf5Dataset
from hsiattn.scenes.hdf5.file import Selection

__all__ = ["Hdf5Dataset", "Selection", "VariableFile", "VariableFileError", "as_indices", "read_flat", "short_name"]


class VariableFileError(Exception):
    """A file of variables is damaged, or of another format; the message is one line."""


class VariableFile(Protocol):
    """An HDF5, netCDF or Zarr file. It holds a path, pickles, and may be read from any thread or process.

    Attributes
    ----------
    path
        As given.
    """

    path: str

    @property
    def datasets(self) -> Mapping[str, Hdf5Dataset]:
        """Its variables by their paths, which begin with "/"."""

    def attributes(self, path: str = "/") -> Mapping[str, Any]:
        """Attributes of a group or a variable; empty where there is none of that path."""

    def read(self, name: str, selection: Sequence[Selection] = ()) -> NDArray[Any]:
        """Part of a variable, see `Hdf5File.read`."""

    def kept_open(self) -> AbstractContextManager[None]:
        """While the block runs, what takes time to open is kept open."""


def short_name(path: str) -> str:
    """The last part of a path in a file.

    >>> short_name("/sensor_band_parameters/wavelengths")
    'wavelengths'
    """
    return path.rpartition("/")[2]


def as_indices(selection: Sequence[Selection], shape: Sequence[int]) -> list[NDArray[np.int64]]:
    """The places along every axis that a selection names; all of those that it leaves out.

    Raises
    ------
    IndexError
        A place lies outside the axis.
    """
    chosen = []
    for number, size in enumerate(shape):
        part = selection[number] if number < len(selection) else slice(None)
        index = part if isinstance(part, slice) else np.asarray(part, dtype=np.int64)
        chosen.append(np.atleast_1d(np.arange(size, dtype=np.int64)[index]))
    return chosen


def read_flat(
    path: str, offset: int, dtype: np.dtype[Any], shape: Sequence[int], chosen: Sequence[NDArray[np.int64]]
) -> NDArray[Any]:
    """Part of an array that a file stores in C order without gaps, in native byte order; bytes beside it stay unread.

    Parameters
    ----------
    path, offset
        The file, and the bytes before the first value.
    dtype, shape
        Of the whole array.
    chosen
        Places along every axis, see `as_indices`; along all but one of them they follow each other.

    Raises
    ------
    VariableFileError
        It ends too early, or more than three axes are longer than 1.
    OSError
        It cannot be read.
    """
    kept = [(size, axis) for size, axis in zip(shape, chosen, strict=True) if size != 1 or len(axis) != 1]
    kept = [(1, np.zeros(1, dtype=np.int64))] * (3 - len(kept)) + kept
    places = [axis for _, axis in kept]
    scattered = [n for n, axis in enumerate(places) if axis.size and np.any(np.diff(axis) != 1)]
    if len(kept) > 3 or len(scattered) > 1:
        raise VariableFileError("an array has more than three axes, or is asked for in too many pieces")
    listed = scattered[0] if scattered else 0
    line, sample = (n for n in range(3) if n != listed)
    rows, columns = (
        slice(int(places[n][0]), int(places[n][-1]) + 1) if places[n].size else slice(0, 0) for n in (line, sample)
    )
    axes = (listed, line, sample)
    sizes = (kept[listed][0], kept[line][0], kept[sample][0])
    try:
        values = FlatCube(path, offset, dtype, sizes, axes).read(places[listed].tolist(), rows, columns)
    except EOFError:
        raise VariableFileError("it ends too early") from None
    return values.transpose(np.argsort(axes)).reshape([len(axis) for axis in chosen])
