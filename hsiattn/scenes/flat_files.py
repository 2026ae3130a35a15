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

from hsiattn.files.descriptors import open_file, read_into

_GAP = 2**13
"""Bytes that are read and thrown away rather than asked for the rest separately; a call takes as long as so many."""
_BUFFER = 2**20
"""Bytes read at a time, where one step along the first axis takes fewer: the processor's cache holds them."""


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
        file = open_file(self.path)
        try:
            sizes = tuple(self.shape[dim] for dim in order)
            part = _Part(file, self.offset, self.dtype, sizes, *(ranges[dim] for dim in order))
            part.read(out.transpose(order))
        finally:
            os.close(file)
        return out


@dataclass
class _Part:
    """The chosen indices of the three axes on file, in file order from the slowest on."""

    file: int
    offset: int
    dtype: np.dtype[Any]
    sizes: tuple[int, ...]
    outer: NDArray[np.int64]
    middle: NDArray[np.int64]
    inner: NDArray[np.int64]

    def __post_init__(self) -> None:
        self.left, self.right = int(self.inner.min()), int(self.inner.max()) + 1
        self.top, self.bottom = int(self.middle.min()), int(self.middle.max()) + 1

    def read(self, target: NDArray[Any]) -> None:
        """Read all values into an array (outer, middle, inner)."""
        if self._is_contiguous(target):
            # Several steps at once only where nothing lies between them: there is no room for it in the array.
            for place, steps in self._runs() if self._takes_whole_steps() else ((n, 1) for n in range(len(self.outer))):
                self._fill(target[place : place + steps], self._position(int(self.outer[place]), self.top, 0))
        elif self._cheaper_in_pieces():
            self._in_pieces(target)
        else:
            self._in_runs(target)

    def _is_contiguous(self, target: NDArray[Any]) -> bool:
        """Whether the file holds what the array shall hold, in the same order: then it is read where it belongs."""
        return (
            self.dtype.isnative
            and self.right - self.left == len(self.inner) == self.sizes[2]
            and target[0].flags.c_contiguous
            and bool((np.diff(self.middle) == 1).all())
            and bool((np.diff(self.inner) == 1).all())
        )

    def _takes_whole_steps(self) -> bool:
        """Whether all of a step along the outer axis is asked for."""
        return self.bottom - self.top == self.sizes[1]

    def _cheaper_in_pieces(self) -> bool:
        """Whether one step along the outer axis is read piece by piece, since most of it is not asked for."""
        width = (self.right - self.left) * self.dtype.itemsize
        span = ((self.bottom - self.top - 1) * self.sizes[2]) * self.dtype.itemsize + width
        return span > len(self.middle) * (width + _GAP)

    def _in_pieces(self, target: NDArray[Any]) -> None:
        width = self.right - self.left
        buffer = np.empty((len(self.middle), width), self.dtype)
        view, row = _bytes_of(buffer), width * self.dtype.itemsize
        starts = [self._position(0, line, self.left) for line in self.middle.tolist()]
        step = self.sizes[1] * self.sizes[2] * self.dtype.itemsize
        for place, index in enumerate(self.outer.tolist()):
            for number, start in enumerate(starts):
                piece = view[number * row : (number + 1) * row]
                if read_into(self.file, piece, start + index * step) != row:
                    self._fill(buffer[number], start + index * step)
            target[place] = _pick(buffer, self.inner - self.left, 1)

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

    def _in_runs(self, target: NDArray[Any]) -> None:
        """Read contiguous steps with all that lies between what is asked for."""
        lines, width = self.sizes[1], self.sizes[2]
        buffer = np.empty(0, self.dtype)
        for place, steps in self._runs():
            top, bottom = (0, lines) if steps > 1 else (self.top, self.bottom)
            if buffer.size < steps * (bottom - top) * width:
                buffer = np.empty(steps * (bottom - top) * width, self.dtype)
            # Of a whole number of lines only what lies between the first and the last value is filled.
            first = (self.top - top) * width + self.left
            last = ((steps - 1) * (bottom - top) + self.bottom - 1 - top) * width + self.right
            self._fill(buffer[first:last], self._position(int(self.outer[place]), self.top, self.left))
            block = buffer[: steps * (bottom - top) * width].reshape(steps, bottom - top, width)
            target[place : place + steps] = _pick(_pick(block, self.middle - top, 1), self.inner, 2)

    def _position(self, outer: int, middle: int, inner: int) -> int:
        return self.offset + ((outer * self.sizes[1] + middle) * self.sizes[2] + inner) * self.dtype.itemsize

    def _fill(self, values: NDArray[Any], position: int) -> None:
        """Read into contiguous values."""
        view = _bytes_of(values)
        while view:
            count = read_into(self.file, view, position)
            if count == 0:
                raise EOFError("the file ends too early")
            view, position = view[count:], position + count


def _bytes_of(values: NDArray[Any]) -> memoryview:
    return memoryview(values.reshape(-1).view(np.uint8).data)


def _pick(values: NDArray[Any], indices: NDArray[np.int64], axis: int) -> NDArray[Any]:
    """Take indices along an axis, without a copy where they are contiguous."""
    first = int(indices[0])
    if np.array_equal(indices, np.arange(first, first + len(indices))):
        return values[(slice(None),) * axis + (slice(first, first + len(indices)),)]
    return values.take(indices, axis=axis)
