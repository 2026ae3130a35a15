"""Arrays in `.npy` files, whose headers are checked against the file before memory is asked for."""

from __future__ import annotations

import ast
import math
import os
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsiattn.files.inputs import open_regular

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
"""Most bytes of a header, as in `numpy.load`."""
_MOST_AXES = 32
_MOST_BRACKETS = 16
"""More of them in each other exhaust the memory of Python's parser; a header has two."""


class NumpyFileError(Exception):
    """A file is no `.npy` file, holds less than it says, or holds no plain numbers; the message is one line."""


def open_numpy_file(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array of numbers in a `.npy` file, mapped into memory: pages are read as they are used.

    Raises
    ------
    NumpyFileError
        See there.
    OSError
        It cannot be opened.
    """
    with open_regular(path) as file:
        dtype, shape, order = read_header(file)
        length = os.fstat(file.fileno()).st_size
        offset, size = file.tell(), math.prod(shape) * dtype.itemsize
        if offset + size > length:
            raise NumpyFileError(f"it ends after {length - offset} of {size} bytes")
    if not size:
        return np.empty(shape, dtype)
    return np.memmap(Path(path), dtype, "r", offset, shape, order)


def read_header(file: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], Literal["C", "F"]]:
    """Type, shape and order of the values, which follow.

    Raises
    ------
    NumpyFileError
        It is no such file, or holds no plain real numbers.
    """
    start = file.read(8)
    width = {1: 2, 2: 4, 3: 4}.get(start[6]) if len(start) == 8 else None
    if start[:6] != _MAGIC or width is None:
        raise NumpyFileError("it does not begin as one")
    length = int.from_bytes(file.read(width), "little")
    text = file.read(min(length, _LONGEST_HEADER))
    if len(text) < length:
        raise NumpyFileError("its header is cut off, or too long")
    if sum(map(text.count, (b"(", b"[", b"{"))) > _MOST_BRACKETS:
        raise NumpyFileError("its header cannot be understood")
    try:
        header = ast.literal_eval(text.decode("latin1" if start[6] < 3 else "utf-8").strip())
        kind, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
        dtype = np.dtype(kind) if isinstance(kind, str) else None
    except (ValueError, TypeError, SyntaxError, LookupError, RecursionError, MemoryError) as error:
        raise NumpyFileError("its header cannot be understood") from error
    if dtype is None or dtype.kind not in "biuf" or dtype.itemsize > 16:
        raise NumpyFileError("it does not hold plain real numbers")
    is_shape = isinstance(shape, tuple) and len(shape) <= _MOST_AXES
    if not is_shape or not all(type(axis) is int and 0 <= axis < 2**62 for axis in shape):
        raise NumpyFileError("its header says no shape")
    return dtype, shape, "F" if fortran is True else "C"
