"""Scenes as NumPy saves them: a cube (row, column, band) as `.npy`, or among the arrays of an `.npz`."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SceneError
from hsiattn.files.inputs import open_regular
from hsiattn.scenes.cf_conventions import Axes
from hsiattn.scenes.netcdf import CubeSource, choose_cube, reading
from hsiattn.scenes.numpy_files import NumpyFileError, read_header
from hsiattn.scenes.variables import Hdf5Dataset, Selection, VariableFileError, as_indices, read_flat

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
_AXES = Axes(band=2, y=0, x=1)
_MOST_FOLD = 1032
"""How many times smaller than its values deflate can make a file."""
_MOST_ARRAYS = 10_000
_LOCAL_HEADER = 30
"""Bytes of the header of a member, before its name."""


def is_numpy(path: str | os.PathLike[str], start: bytes) -> bool:
    """True for an `.npy` file by its first bytes, and for an archive of such files by these and its name."""
    return start.startswith(_NPY) or (start.startswith(_ZIP) and Path(path).suffix.lower() == ".npz")


def open_numpy_scene(path: str | os.PathLike[str], key: str | None = None) -> CubeSource:
    """The cube in a NumPy file. Its axes are row, column and band, as the field has them; a note says so.

    Windows are read from the file, except from compressed archives, whose cube is read when the scene is opened. What
    an archive holds beside the cube under names such as `wavelengths`, `fwhm` or `bbl` is known of its bands.

    Parameters
    ----------
    path
        `.npy` or `.npz`.
    key
        Name of the array; needed where an archive has several with three axes.

    Raises
    ------
    SceneError
        It is damaged, has no cube, or several and no `key`.
    """
    name = os.fspath(path)
    with reading(name):
        file = NumpyFile(path)
    if key is not None and file.is_single:
        raise SceneError(f"{name} has no named variables, so there is no {key!r} in it", "leave out key=")
    cube = choose_cube(file, key)
    source = CubeSource(file, cube.name, _AXES)
    rows, columns, bands = cube.shape
    what = name if file.is_single else f"{cube.name[1:]} of {name}"
    note = (
        f"{what} is taken as {rows} rows × {columns} columns × {bands} bands, since NumPy files do not name their axes"
    )
    source.notes = (note, *source.notes)
    return source


@dataclass(frozen=True)
class _Stored:
    """An array on file: bytes before its values, or None where they are compressed."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    offset: int | None
    member: str = ""


class NumpyFile:
    """Arrays of numbers in a `.npy` or `.npz` file; see `hsiattn.scenes.variables.VariableFile`.

    Attributes
    ----------
    path
        As given.
    datasets
        The arrays by their names after "/"; a `.npy` file has one, named as the file.
    is_single
        Whether it is a `.npy` file.

    Raises
    ------
    VariableFileError
        It is damaged, or holds no plain numbers.
    OSError
        It cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with open_regular(path) as stream:
            self.is_single = stream.read(len(_NPY)) == _NPY
            stream.seek(0)
            length = os.fstat(stream.fileno()).st_size
            try:
                if self.is_single:
                    dtype, shape, order = read_header(stream)
                    self._stored = {f"/{Path(path).stem}": _Stored(dtype, shape, order, stream.tell())}
                else:
                    self._stored = dict(_members(stream))
            except NumpyFileError as error:
                raise VariableFileError(str(error)) from error
        for stored in self._stored.values():
            size = math.prod(stored.shape) * stored.dtype.itemsize
            if stored.offset is not None and stored.offset + size > length:
                raise VariableFileError(f"it ends after {length - stored.offset} of {size} bytes")
        self.datasets = {
            name: Hdf5Dataset(name, stored.shape, stored.dtype.newbyteorder("="))
            for name, stored in self._stored.items()
            if stored.dtype.itemsize <= 8
        }
        self._unpacked: dict[str, NDArray[Any]] = {}

    def attributes(self, path: str = "/") -> dict[str, Any]:
        """Nothing: NumPy files have none."""
        return {}

    def read(self, name: str, selection: Sequence[Selection] = ()) -> NDArray[Any]:
        """Values of a part of an array; axes of which one place is asked for are left out.

        Raises
        ------
        VariableFileError
            It is damaged.
        KeyError
            There is no such array.
        """
        stored = self._stored[name]
        chosen = as_indices(selection, stored.shape)
        if stored.offset is None:
            if name not in self._unpacked:
                self._unpacked[name] = _unpack(self.path, stored)
            values = self._unpacked[name][np.ix_(*chosen)]
        elif stored.order == "F":
            values = read_flat(self.path, stored.offset, stored.dtype, stored.shape[::-1], chosen[::-1]).T
        else:
            values = read_flat(self.path, stored.offset, stored.dtype, stored.shape, chosen)
        single = [isinstance(part, int | np.integer) for part in selection]
        return values[tuple(0 if one else slice(None) for one in single)]

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Nothing is kept: opening costs next to nothing."""
        yield

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_unpacked": {}}


def _members(stream: Any) -> Iterator[tuple[str, _Stored]]:
    """The arrays of an archive by their names; those of other things than numbers are left out."""
    with _unzipping(), zipfile.ZipFile(stream) as archive:
        infos = archive.infolist()
        if len(infos) > _MOST_ARRAYS:
            raise VariableFileError("it has too many arrays")
        for info in infos:
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as member:
                try:
                    dtype, shape, order = read_header(member)
                except NumpyFileError:
                    continue
                header = member.tell()
            size = header + math.prod(shape) * dtype.itemsize
            if size > info.file_size or (info.compress_type and size > _MOST_FOLD * info.compress_size + 2**16):
                raise VariableFileError(f"{info.filename} promises more than it holds")
            offset = None if info.compress_type else _start_of(stream, info) + header
            yield f"/{info.filename[:-4]}", _Stored(dtype, shape, order, offset, info.filename)


def _start_of(stream: Any, info: zipfile.ZipInfo) -> int:
    """Bytes before a member that is not compressed."""
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL_HEADER)
    name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    return int(info.header_offset) + _LOCAL_HEADER + name + extra


def _unpack(path: str, stored: _Stored) -> NDArray[Any]:
    """All values of a compressed array."""
    count = math.prod(stored.shape)
    with open_regular(path) as stream, _unzipping(), zipfile.ZipFile(stream) as archive:
        with archive.open(stored.member) as member:
            try:
                read_header(member)
            except NumpyFileError as error:
                raise VariableFileError(str(error)) from error
            content = member.read(count * stored.dtype.itemsize)
        if len(content) < count * stored.dtype.itemsize:
            raise VariableFileError(f"{stored.member} ends too early")
    values = np.frombuffer(content, stored.dtype).reshape(stored.shape, order=stored.order)
    return values.astype(stored.dtype.newbyteorder("="), copy=False)


@contextmanager
def _unzipping() -> Iterator[None]:
    """What zipfile raises on damaged archives, as one error."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        LookupError,
    ) as error:
        raise VariableFileError("the archive is damaged, or packed in a way that cannot be read") from error
    except UnicodeError as error:
        raise VariableFileError("the archive is damaged") from error
