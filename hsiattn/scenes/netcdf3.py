"""netCDF files of the classic formats (CDF-1, CDF-2 with 64-bit offsets, CDF-5 with 64-bit sizes).

The header is read here, checked against the length of the file before anything is believed; values are read part by
part. See "The NetCDF Classic Format Specification" of Unidata. netCDF-4 is HDF5, see `hsiattn.scenes.hdf5`.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.files.inputs import open_regular
from hsiattn.scenes.variables import Hdf5Dataset, Selection, VariableFileError, as_indices, read_flat

_LONGEST_HEADER = 2**24
_MOST_AXES = 32
_VERSIONS = (1, 2, 5)
_CHARACTERS = 2
_TYPES = {1: "i1", _CHARACTERS: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8"}
_TYPES_OF_5 = {7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12


def is_netcdf3(start: bytes) -> bool:
    """True for the first bytes of a file in a classic netCDF format.

    >>> is_netcdf3(b"CDF" + bytes([2])), is_netcdf3(b"CDF,value")
    (True, False)
    """
    return start[:3] == b"CDF" and start[3:4] in [bytes([version]) for version in _VERSIONS]


@dataclass(frozen=True)
class _Layout:
    """Where the values of a variable lie: bytes before the first, and from one step of the first axis to the next."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    step: int


class Netcdf3File:
    """A netCDF file in a classic format.

    Parameters
    ----------
    path
        A file on a disk.

    Attributes
    ----------
    path
        As given.
    datasets
        Its variables by their names after "/"; those of characters count as texts, without their last axis.

    Raises
    ------
    VariableFileError
        It is no such file, or is damaged.
    OSError
        It cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with open_regular(path) as stream:
            header = _Header(stream.read(_LONGEST_HEADER), os.fstat(stream.fileno()).st_size)
        self._attributes, self._layouts = header.attributes, header.layouts
        self.datasets: dict[str, Hdf5Dataset] = {}
        for name, layout in self._layouts.items():
            is_text = layout.dtype.kind == "S"
            rank = max(0, len(layout.shape) - 1) if is_text else len(layout.shape)
            self.datasets[name] = Hdf5Dataset(
                name,
                layout.shape[:rank],
                None if is_text else layout.dtype.newbyteorder("="),
                is_text,
                None,
                header.attributes_of[name],
                header.dimensions_of[name][:rank],
            )

    def attributes(self, path: str = "/") -> dict[str, Any]:
        """Attributes of the file, or of a variable; empty where there is none of that path."""
        if path == "/":
            return self._attributes
        return dict(self.datasets[path].attributes) if path in self.datasets else {}

    def read(self, name: str, selection: Sequence[Selection] = ()) -> NDArray[Any]:
        """Values of a part of a variable; axes of which one place is asked for are left out.

        Raises
        ------
        VariableFileError
            The file has been cut, or the variable has more than three axes longer than 1.
        OSError
            It cannot be read.
        KeyError
            There is no such variable.
        """
        layout = self._layouts[name]
        values = self._part(layout, as_indices(selection, layout.shape))
        if layout.dtype.kind == "S":
            values = _texts(values)
        single = [isinstance(part, int | np.integer) for part in selection]
        return values[tuple(0 if one else slice(None) for one in single)]

    def _part(self, layout: _Layout, chosen: list[NDArray[np.int64]]) -> NDArray[Any]:
        """Values at those places, in native byte order."""
        inner = math.prod(layout.shape[1:]) * layout.dtype.itemsize
        if not chosen or layout.step == inner:
            return read_flat(self.path, layout.offset, layout.dtype, layout.shape, chosen)
        steps = [  # records of several variables lie between each other
            read_flat(self.path, layout.offset + int(record) * layout.step, layout.dtype, layout.shape[1:], chosen[1:])
            for record in chosen[0]
        ]
        return np.array(steps, layout.dtype.newbyteorder("=")).reshape([len(axis) for axis in chosen])

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Nothing is kept: opening costs next to nothing."""
        yield


def _texts(characters: NDArray[Any]) -> NDArray[Any]:
    """Texts of an array of characters, whose last axis runs along them."""
    if not characters.ndim:
        return np.array(characters.tobytes().decode("utf-8", "replace"), dtype=object)
    flat = characters.reshape(-1, characters.shape[-1])
    texts = [row.tobytes().decode("utf-8", "replace").rstrip("\0 ") for row in flat]
    return np.array(texts, dtype=object).reshape(characters.shape[:-1])


class _Header:
    """What the header of a classic file says.

    Attributes
    ----------
    attributes, attributes_of
        Of the file, and of every variable.
    dimensions_of
        Dimensions of every variable, names after "/".
    layouts
        Where the values of every variable lie.
    """

    def __init__(self, content: bytes, length: int) -> None:
        self._content, self._place, self._length = content, 4, length
        if not is_netcdf3(content):
            raise VariableFileError("it does not begin as a netCDF file")
        self._version = content[3]
        self._types = _TYPES | (_TYPES_OF_5 if self._version == 5 else {})
        records = self._take(8 if self._version == 5 else 4)
        sizes = [(self._name(), self._count()) for _ in self._items(_DIMENSIONS)]
        self.attributes = self._read_attributes()
        self.attributes_of: dict[str, dict[str, Any]] = {}
        self.dimensions_of: dict[str, tuple[str, ...]] = {}
        found = {}
        for _ in self._items(_VARIABLES):
            name = f"/{self._name()}"
            axes = self._axes(len(sizes))
            self.attributes_of[name] = self._read_attributes()
            self.dimensions_of[name] = tuple(f"/{sizes[axis][0]}" for axis in axes)
            dtype = self._type(self._integer(4))
            self._count()  # the size of the values, which is too small for large ones and follows from the rest
            begin = self._integer(4 if self._version == 1 else 8)
            found[name] = (dtype, tuple(sizes[axis][1] for axis in axes), begin)
        unlimited = {n for n, (_, size) in enumerate(sizes) if size == 0}
        self.layouts = self._lay_out(found, records, bool(unlimited))

    def _lay_out(self, found: dict[str, Any], records: bytes, has_records: bool) -> dict[str, _Layout]:
        recorded = {name for name, (_, shape, _) in found.items() if has_records and shape and shape[0] == 0}
        sizes = {name: math.prod(found[name][1][1:]) * found[name][0].itemsize for name in recorded}
        padded = {name: size if len(recorded) == 1 else size + -size % 4 for name, size in sizes.items()}
        step = sum(padded.values())
        count = int.from_bytes(records, "big")
        if records == b"\xff" * len(records) and recorded:  # it was written without going back to say how many
            first = min(found[name][2] for name in recorded)
            count = max(0, self._length - first) // max(1, step)
        layouts = {}
        for name, (dtype, shape, begin) in found.items():
            if name in recorded:
                layout = _Layout(dtype, (count, *shape[1:]), begin, step)
                end = begin + (count - 1) * step + sizes[name] if count else begin
            else:
                inner = math.prod(shape[1:]) * dtype.itemsize
                layout = _Layout(dtype, shape, begin, inner)
                end = begin + (shape[0] if shape else 1) * inner
            if end > self._length:
                raise VariableFileError(f"it ends before the last value of {name[1:]}")
            layouts[name] = layout
        return layouts

    def _items(self, tag: int) -> Iterator[None]:
        """As many as a list has, whose kind is checked."""
        kind, count = self._integer(4), self._count()
        if kind != tag and (kind or count):
            raise VariableFileError("its header is damaged")
        for _ in range(count):
            yield None

    def _axes(self, dimensions: int) -> list[int]:
        count = self._count()
        if count > _MOST_AXES:
            raise VariableFileError("a variable has too many axes")
        axes = [self._count() for _ in range(count)]
        if any(axis >= dimensions for axis in axes):
            raise VariableFileError("its header is damaged")
        return axes

    def _read_attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in self._items(_ATTRIBUTES):
            name, kind, count = self._name(), self._integer(4), self._count()
            dtype = self._type(kind)
            values = self._take_padded(count * dtype.itemsize)
            if kind == _CHARACTERS:
                found[name] = values.decode("utf-8", "replace").rstrip("\0")
            else:
                numbers = np.frombuffer(values, dtype).tolist()
                found[name] = numbers[0] if len(numbers) == 1 else numbers
        return found

    def _name(self) -> str:
        return self._take_padded(self._count()).decode("utf-8", "replace")

    def _type(self, number: int) -> np.dtype[Any]:
        if number not in self._types:
            raise VariableFileError("its header names an unknown type")
        return np.dtype(self._types[number])

    def _count(self) -> int:
        return self._integer(8 if self._version == 5 else 4)

    def _integer(self, width: int) -> int:
        number: int = struct.unpack(">i" if width == 4 else ">q", self._take(width))[0]
        if number < 0 and width == 4:
            number += 2**32  # sizes of large variables overflow
        if number < 0:
            raise VariableFileError("its header is damaged")
        return number

    def _take_padded(self, size: int) -> bytes:
        return self._take(size + -size % 4)[:size]

    def _take(self, size: int) -> bytes:
        end = self._place + size
        if end > len(self._content):
            raise VariableFileError("its header is cut off")
        part = self._content[self._place : end]
        self._place = end
        return part
