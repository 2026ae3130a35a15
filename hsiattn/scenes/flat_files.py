"""Reading parts of a cube from a flat binary file.

Bytes are read, not mapped into memory: where a file is cut while it is mapped, the process ends by a signal.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GAP = 2**14
"""Bytes that are read and thrown away rather than asked for the rest separately; a call takes as long as so many."""
_BUFFER = 2**23
"""Bytes read at a time, at most, where one step along the first axis takes fewer."""


@dataclass(frozen=True)
class FlatCube:
    """A cube (B, H, W) in a flat file.

    Attributes
    ----------
    path
        The file.
    offset
        Bytes before the first value.
    dtype
        Type on file, byte order included.
    shape
        (B, H, W).
    axes
        Position of band, line and sample among the axes on file.
    """

    path: str
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    axes: tuple[int, int, int]

    @property
    def bytes(self) -> int:
        """Size of the file, at least."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    def read(self, bands: Sequence[int], rows: slice, columns: slice) -> NDArray[Any]:
        """Values (len(bands), h, w) in native byte order.

        Raises
        ------
        OSError
            The file cannot be read.
        EOFError
            It ends before the last of them.
        """
        out = np.empty((len(bands), rows.stop - rows.start, columns.stop - columns.start), self.dtype.newbyteorder("="))
        if not out.size:
            return out
        ranges = [
            np.asarray(bands, dtype=np.int64),
            np.arange(rows.start, rows.stop),
            np.arange(columns.start, columns.stop),
        ]
        order = [self.axes.index(axis) for axis in range(3)]
        file = os.open(self.path, os.O_RDONLY)
        try:
            sizes = tuple(self.shape[dim] for dim in order)
            part = _Part(file, self.offset, self.dtype, sizes, *(ranges[dim] for dim in order))
            target = out.transpose(order)
            for first, last, values in part.read():
                target[first:last] = values
        finally:
            os.close(file)
        return out


class _Part:
    """The chosen indices of the three axes on file, in file order from the slowest on."""

    def __init__(
        self,
        file: int,
        offset: int,
        dtype: np.dtype[Any],
        sizes: tuple[int, ...],
        outer: NDArray[np.int64],
        middle: NDArray[np.int64],
        inner: NDArray[np.int64],
    ) -> None:
        self.file, self.offset, self.dtype, self.sizes = file, offset, dtype, sizes
        self.outer, self.middle, self.inner = outer, middle, inner
        self.left, self.right = int(inner.min()), int(inner.max()) + 1
        self.top, self.bottom = int(middle.min()), int(middle.max()) + 1

    def read(self) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Values of one or several steps along the outer axis: the first, the one behind the last, and the values."""
        if self._cheaper_in_pieces():
            for place, index in enumerate(self.outer.tolist()):
                yield place, place + 1, self._in_pieces(index)[None]
            return
        for place, steps in self._runs():
            yield place, place + steps, self._in_one(int(self.outer[place]), steps)

    def _cheaper_in_pieces(self) -> bool:
        """Whether one step along the outer axis is read piece by piece, since most of it is not asked for."""
        width = (self.right - self.left) * self.dtype.itemsize
        span = ((self.bottom - self.top - 1) * self.sizes[2]) * self.dtype.itemsize + width
        return span > len(self.middle) * (width + _GAP)

    def _in_pieces(self, index: int) -> NDArray[Any]:
        values = np.empty((len(self.middle), self.right - self.left), self.dtype)
        for row, line in zip(values, self.middle.tolist(), strict=True):
            self._fill(row, self._position(index, line, self.left))
        return values[:, self.inner - self.left]

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Places in `outer` where contiguous steps begin that are read together, and how many they are."""
        step = self.sizes[1] * self.sizes[2] * self.dtype.itemsize
        span = (self.bottom - self.top) * self.sizes[2] * self.dtype.itemsize
        most = max(1, _BUFFER // step) if step - span <= _GAP else 1
        place = 0
        while place < len(self.outer):
            steps = 1
            while (
                steps < most
                and place + steps < len(self.outer)
                and self.outer[place + steps] == self.outer[place] + steps
            ):
                steps += 1
            yield place, steps
            place += steps

    def _in_one(self, index: int, steps: int) -> NDArray[Any]:
        """Values of contiguous steps, read with all that lies between them."""
        lines, width = self.sizes[1], self.sizes[2]
        first = (index * lines + self.top) * width + self.left
        last = ((index + steps - 1) * lines + self.bottom - 1) * width + self.right
        # A whole number of steps, of which only what is asked for is filled.
        buffer = np.empty(steps * lines * width if steps > 1 else (self.bottom - self.top) * width, self.dtype)
        start = first - index * lines * width if steps > 1 else self.left
        self._fill(buffer[start : start + last - first], self.offset + first * self.dtype.itemsize)
        if steps > 1:
            block = buffer.reshape(steps, lines, width)[:, self.top : self.bottom]
        else:
            block = buffer.reshape(1, self.bottom - self.top, width)
        return _pick(_pick(block, self.middle - self.top, 1), self.inner, 2)

    def _position(self, outer: int, middle: int, inner: int) -> int:
        return self.offset + ((outer * self.sizes[1] + middle) * self.sizes[2] + inner) * self.dtype.itemsize

    def _fill(self, values: NDArray[Any], position: int) -> None:
        """Read into contiguous values."""
        view = memoryview(values.view(np.uint8).data)
        while view:
            count = os.preadv(self.file, [view], position)
            if count == 0:
                raise EOFError("the file ends too early")
            view, position = view[count:], position + count


def _pick(values: NDArray[Any], indices: NDArray[np.int64], axis: int) -> NDArray[Any]:
    """Those indices along an axis; without a copy where they are contiguous."""
    first = int(indices[0])
    if np.array_equal(indices, np.arange(first, first + len(indices))):
        return values[(slice(None),) * axis + (slice(first, first + len(indices)),)]
    return values.take(indices, axis=axis)
