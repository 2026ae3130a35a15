"""Label maps of public scenes, in the formats that they are released in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.datasets.numpy_cube import read_numpy
from hsiattn.errors import LabelError, SceneError
from hsiattn.files.text import TextFileError, read_text
from hsiattn.scenes import open_source, read_matlab_variable

_MOST_BYTES = 2**26


def read_codes(paths: Sequence[Path], key: str | None, shape: tuple[int, int]) -> NDArray[Any]:
    """Codes of a label map, (row, column), 0 = unlabelled.

    Parameters
    ----------
    paths
        A MAT file, a `.npy` file, a raster of one band, or lists of pixels as ENVI exports them, which are joined.
    key
        Variable of the MAT file.
    shape
        Rows and columns, which lists of pixels do not always say.

    Raises
    ------
    SceneError, LabelError
        A file cannot be read, or is not what its name says.
    """
    suffix = paths[0].suffix.lower()
    if suffix == ".npy":
        return np.asarray(read_numpy(paths[0], 2))
    if suffix == ".txt":
        codes = np.zeros(shape, dtype=np.int32)
        for path in paths:
            read_regions(path, codes)
        return codes
    if suffix in (".tif", ".tiff"):
        source = open_source(paths[0])
        if len(source.bands) != 1:
            raise SceneError(f"{paths[0]} has {len(source.bands)} bands, a label map has one", "get a new copy")
        return np.asarray(source.read(source.extent)[0])
    return read_matlab_variable(paths[0], 2, key)


def read_regions(path: Path, codes: NDArray[np.int32]) -> None:
    """Enter the pixels of the regions of interest in a text file of ENVI; the first region has code 1.

    ENVI names all regions and their sizes in comments, then lists the pixels of each, numbered from 1, with column and
    row counted from 1.

    Parameters
    ----------
    codes
        (row, column), changed in place.

    Raises
    ------
    LabelError
        It is no such file, a region has not as many pixels as it says, or a pixel lies outside.
    """
    sizes: list[int] = []
    pixels: list[tuple[int, int]] = []
    remedy = "get a new copy of the file"
    try:
        for number, line in enumerate(read_text(path, _MOST_BYTES).splitlines(), start=1):
            if line.startswith(";"):
                name, _, value = line.lstrip("; ").partition(":")
                if name.strip().lower() == "roi npts":
                    sizes.append(int(value))
            elif line.strip():
                _, column, row = (int(float(word)) for word in line.split(maxsplit=3)[:3])
                if not (1 <= row <= codes.shape[0] and 1 <= column <= codes.shape[1]):
                    raise LabelError(f"line {number} of {path} names a pixel outside the scene", remedy)
                pixels.append((row - 1, column - 1))
    except TextFileError as error:
        raise LabelError(f"{path} {error.problem}", error.remedy) from error
    except (ValueError, OverflowError) as error:
        raise LabelError(f"line {number} of {path} is not as ENVI writes regions of interest", remedy) from error
    if not sizes or sum(sizes) != len(pixels) or min(sizes) < 0:
        raise LabelError(f"{path} lists {len(pixels)} pixels instead of {sum(sizes)}", remedy)
    rows, columns = np.array(pixels, dtype=np.int64).reshape(-1, 2).T
    codes[rows, columns] = np.repeat(np.arange(1, len(sizes) + 1, dtype=np.int32), sizes)


def majority(codes: NDArray[np.integer[Any]], factor: int) -> NDArray[np.int32]:
    """The most frequent class of every block of `factor` × `factor` pixels.

    Parameters
    ----------
    codes
        (factor × H, factor × W), 0 = unlabelled.

    Returns
    -------
    ndarray
        (H, W) int32; 0 where nothing in the block is labelled, or where two classes are equally frequent.

    Examples
    --------
    >>> majority(np.array([[1, 1, 2, 3], [0, 2, 3, 2]]), 2)
    array([[1, 0]], dtype=int32)
    """
    height, width = (size // factor for size in codes.shape)
    blocks = codes.reshape(height, factor, width, factor).swapaxes(1, 2).reshape(height, width, factor * factor)
    result = np.zeros((height, width), dtype=np.int32)
    most = np.zeros((height, width), dtype=np.int32)
    for code in np.unique(codes[codes != 0]):
        count = (blocks == code).sum(axis=-1, dtype=np.int32)
        result[count == most] = np.where(count[count == most] > 0, 0, result[count == most])
        result[count > most] = code
        most = np.maximum(most, count)
    return result
