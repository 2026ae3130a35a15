"""Cubes in `.npy` files, (row, column, band) as in the MAT files of the public scenes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import SceneSource, SpectralBands
from hsiattn.scenes.numpy_files import NumpyFileError, open_numpy_file


class NumpyCube(SceneSource):
    """A cube in a `.npy` file; what is read of it is what a window needs.

    Raises
    ------
    SceneError
        No such file, damaged, or not an array of three dimensions.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = self._path = os.fspath(path)
        self.files = (self._path,)
        cube = read_numpy(self._path, 3)
        self.height, self.width, count = cube.shape
        self.dtype = cube.dtype
        self.bands = SpectralBands.unknown(count)
        self.crs, self.transform = None, Affine.identity()
        self.nodata = None

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        rows, columns = window.toslices()
        return np.ascontiguousarray(read_numpy(self._path, 3)[rows, columns].transpose(2, 0, 1))


def read_numpy(path: str | os.PathLike[str], ndim: int) -> NDArray[Any]:
    """The array in a `.npy` file, mapped into memory.

    Raises
    ------
    SceneError
        No such file, damaged, or an array of another number of dimensions.
    """
    try:
        array = open_numpy_file(path)
    except NumpyFileError as error:
        raise SceneError(f"{path} is no array of NumPy: {error}", "get a new copy") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SceneError(f"{path} cannot be opened ({reason})", "check the path and its permissions") from error
    if array.ndim != ndim:
        shape = "×".join(map(str, array.shape))
        raise SceneError(f"{Path(path)} holds an array of {shape}, not of {ndim} dimensions", "get a new copy")
    return array
