"""Arrays of numbers in MAT files of versions 4 to 7, parsed here because scipy's reader crashes on damaged ones.

After "MAT-File Format", The MathWorks, R2023b. Structures, cells and other things are listed and passed over. Whatever
a file says is checked against what it can hold before memory is asked for.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hsiattn.files.inputs import open_regular

_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
_CLASSES = (
    *("cell", "struct", "object", "char", "sparse", "double", "single", "int8", "uint8", "int16", "uint16"),
    *("int32", "uint32", "int64", "uint64", "function", "opaque"),
)
_LOGICAL, _COMPLEX = 0x200, 0x800
_OPAQUE = "opaque"

_TYPES_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
_CLASSES_4 = ("double", "char", "sparse")

MOST_FOLD = 1032
"""Largest factor by which deflate can shrink data; what promises more is no honest file."""

_LONGEST_NAME = 4096
_MOST_AXES = 32
_MOST_VARIABLES = 10_000
_PIECE = 2**20


class MatFileError(Exception):
    """A file does not hold what it says, or is no MAT file."""


@dataclass(frozen=True)
class Variable:
    """A variable of a file.

    Attributes
    ----------
    kind
        MATLAB's class: double, uint8, logical, struct, …
    is_complex
        Whether it has an imaginary part.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    is_complex: bool = False


@dataclass(frozen=True)
class _Place:
    """Place of a variable: its element in the file, and in that, unpacked, the element with the values."""

    start: int
    size: int
    packed: bool
    skipped: int
    dtype: str = ""
    count: int = 0


class Mat5File:
    """A MAT file of version 4 to 7: its variables, and their values.

    Raises
    ------
    MatFileError
        It is none, is truncated or contradicts itself.
    OSError
        It cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with open_regular(path) as file:
            self._length = os.fstat(file.fileno()).st_size
            start = file.read(128)
            try:
                listed = list(self._list_4(file) if 0 in start[:4] else self._list_5(file, start))
            except (struct.error, zlib.error) as error:
                raise MatFileError(str(error)) from error
        self.variables = [variable for variable, _ in listed]
        self._places = [place for _, place in listed]

    def read(self, number: int) -> NDArray[Any]:
        """Values of a real variable of numbers, in the type as stored.

        Raises
        ------
        MatFileError, OSError
            As for the file.
        MemoryError
            It does not fit.
        """
        variable, place = self.variables[number], self._places[number]
        dtype = np.dtype(place.dtype)
        if math.prod(variable.shape) != place.count:
            raise MatFileError(f"{place.count} values do not make an array {variable.shape}")
        values = np.empty(place.count, dtype)
        into = values.data.cast("B") if place.count else memoryview(bytearray())
        with open_regular(self._path) as file:
            file.seek(place.start)
            try:
                if place.packed:
                    _unpack(file, place, into)
                else:
                    file.seek(place.skipped, os.SEEK_CUR)
                    if file.readinto(into) != len(into):
                        raise MatFileError("the file ends early")
            except zlib.error as error:
                raise MatFileError(str(error)) from error
        return values.reshape(variable.shape, order="F")

    # -- version 5 -----------------------------------------------------------------------------------------------------

    def _list_5(self, file: BinaryIO, start: bytes) -> Iterator[tuple[Variable, _Place]]:
        order = {b"IM": "<", b"MI": ">"}.get(start[126:128])
        if order is None or len(start) < 128 or 1 not in start[124:126]:
            raise MatFileError("there is no header of a MAT file")
        place, count = 128, 0
        while place < self._length:
            file.seek(place)
            kind, size = struct.unpack(f"{order}II", file.read(8))
            place += 8
            count += 1
            if size > self._length - place or count > _MOST_VARIABLES:
                raise MatFileError("the file ends early")
            if kind in (_MATRIX, _COMPRESSED):
                yield self._describe_5(file, order, place, size, packed=kind == _COMPRESSED)
            elif not 0 < kind < 19:
                raise MatFileError(f"there is no element of type {kind}")
            place += size

    def _describe_5(
        self, file: BinaryIO, order: str, start: int, size: int, *, packed: bool
    ) -> tuple[Variable, _Place]:
        most = 1024 + _LONGEST_NAME
        content = file.read(min(size, max(most, _PIECE) if packed else most))
        if packed:
            content = zlib.decompressobj().decompress(content, most)
            kind, inside = struct.unpack_from(f"{order}II", content)
            if kind != _MATRIX or inside > MOST_FOLD * size + _PIECE:
                raise MatFileError("what is packed is no variable")
            skipped = 8
        else:
            skipped, inside = 0, size
        end = skipped + inside
        head = _Elements(content, order, skipped)
        flags = head.numbers("u4")
        if len(flags) < 1:
            raise MatFileError("a variable has no class")
        number = int(flags[0]) & 0xFF
        if not 1 <= number <= len(_CLASSES):
            raise MatFileError(f"there is no class {number}")
        kind_name = _CLASSES[number - 1]
        if kind_name == _OPAQUE:  # an object: no axes, and nothing that is read
            return Variable(head.text(), (1,), _OPAQUE), _Place(start, size, packed, 0)
        shape = tuple(int(axis) for axis in head.numbers("i4"))
        if not 2 <= len(shape) <= _MOST_AXES or min(shape) < 0:
            raise MatFileError(f"no variable has the shape {shape}")
        name = head.text() or "__function_workspace__"
        of_numbers = 6 <= number <= 15
        if of_numbers and int(flags[0]) & _LOGICAL:
            kind_name = "logical"
        variable = Variable(name, shape, kind_name, bool(int(flags[0]) & _COMPLEX))
        if not of_numbers:
            return variable, _Place(start, size, packed, 0)
        stored, length, at = head.tag()
        dtype = np.dtype(order + _TYPES[stored]) if stored in _TYPES else None
        if dtype is None or length % dtype.itemsize or at + length > end:
            raise MatFileError("the values of a variable are not there")
        if length // dtype.itemsize != math.prod(shape):
            raise MatFileError(f"{length // dtype.itemsize} values do not make an array {shape}")
        return variable, _Place(start, size, packed, at, dtype.str, length // dtype.itemsize)

    # -- version 4 -----------------------------------------------------------------------------------------------------

    def _list_4(self, file: BinaryIO) -> Iterator[tuple[Variable, _Place]]:
        place, count = 0, 0
        while place < self._length:
            file.seek(place)
            head = file.read(20)
            order = "<" if 0 <= struct.unpack_from("<i", head)[0] < 5000 else ">"
            kind, rows, columns, imaginary, letters = struct.unpack(f"{order}5i", head)
            precision, matrix = kind // 10 % 10, kind % 10
            if not 0 <= kind < 5000 or precision >= len(_TYPES_4) or matrix >= len(_CLASSES_4):
                raise MatFileError("there is no header of a MAT file")
            if min(rows, columns) < 0 or not 0 < letters <= _LONGEST_NAME or imaginary not in (0, 1):
                raise MatFileError("a variable has no name or no shape")
            name = file.read(letters).rstrip(b"\0").decode("latin1")
            dtype = np.dtype(order + _TYPES_4[precision])
            size = rows * columns * dtype.itemsize
            place, count = place + 20 + letters, count + 1
            if size * (1 + imaginary) > self._length - place or count > _MOST_VARIABLES:
                raise MatFileError("the file ends early")
            variable = Variable(name, (rows, columns), _CLASSES_4[matrix], bool(imaginary))
            yield variable, _Place(place, size, packed=False, skipped=0, dtype=dtype.str, count=rows * columns)
            place += size * (1 + imaginary)


class _Elements:
    """The small elements at the start of a variable, one after the other."""

    def __init__(self, content: bytes, order: str, start: int) -> None:
        self._content, self._order, self._place = content, order, start

    def tag(self) -> tuple[int, int, int]:
        """Type, size in bytes and place of the next element, which is passed over."""
        (first,) = struct.unpack_from(f"{self._order}I", self._content, self._place)
        if first >> 16:  # a small element: type and size share a word
            found = first & 0xFFFF, first >> 16, self._place + 4
            if found[1] > 4:
                raise MatFileError("an element is larger than its place")
            self._place += 8
        else:
            (size,) = struct.unpack_from(f"{self._order}I", self._content, self._place + 4)
            found = first, size, self._place + 8
            self._place += 8 + size + -size % 8
        return found

    def numbers(self, dtype: str) -> NDArray[Any]:
        """The next element as whole numbers of 4 bytes."""
        kind, size, place = self.tag()
        part = self._content[place : place + size]
        if kind not in (5, 6) or size % 4 or size > 4 * _MOST_AXES or len(part) < size:
            raise MatFileError("a variable has no shape")
        return np.frombuffer(part, self._order + dtype)

    def text(self) -> str:
        """The next element as text."""
        kind, size, place = self.tag()
        part = self._content[place : place + size]
        if kind not in (1, 2, 16) or size > _LONGEST_NAME or len(part) < size:
            raise MatFileError("a variable has no name")
        return part.rstrip(b"\0").decode("latin1")


def _unpack(file: BinaryIO, place: _Place, into: memoryview) -> None:
    """Unpack an element to its end, which verifies its checksum, and keep the values."""
    unpacker = zlib.decompressobj()
    left, at = place.size, -place.skipped
    while left and not unpacker.eof:
        packed = file.read(min(left, _PIECE))
        if not packed:
            break
        left -= len(packed)
        while packed and not unpacker.eof:
            piece = unpacker.decompress(packed, _PIECE)
            packed = unpacker.unconsumed_tail
            first, last = max(at, 0), min(at + len(piece), len(into))
            if first < last:
                into[first:last] = piece[first - at : last - at]
            at += len(piece)
    if at < len(into) or not unpacker.eof:
        raise MatFileError("the file ends early")
