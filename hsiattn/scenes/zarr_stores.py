"""Zarr stores (format 2 and 3) on a disk, as xarray writes them; read through xarray and zarr, an extra."""

from __future__ import annotations

import math
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SceneError
from hsiattn.scenes.variables import Hdf5Dataset, Selection, VariableFileError, as_indices

_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
_LARGEST_CHUNK = 2**30
"""Bytes of an unpacked chunk: it has to be held as a whole."""
_MOST_VALUES = 2**16
"""Of a text variable; they are read at once."""


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """True for a folder that is a Zarr store."""
    folder = Path(path)
    return any((folder / mark).is_file() for mark in _MARKS)


class ZarrStore:
    """A Zarr group on a disk.

    Parameters
    ----------
    path
        Its folder.

    Attributes
    ----------
    path
        As given.
    datasets
        The arrays of the group by their names after "/".

    Raises
    ------
    SceneError
        The library that reads Zarr is not installed.
    VariableFileError
        It is damaged, or an array without a group.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if find_spec("zarr") is None:
            raise SceneError(
                f"{self.path} is a Zarr store, and the library that reads them is missing",
                "install it with: pip install 'hsiattn[zarr]'",
            )
        self._kept: dict[tuple[int, int], Any] | None = None
        with self._group() as group, _reading():
            self._attributes = {str(name): _plain(value) for name, value in group.attrs.items()}
            self.datasets = {f"/{name}": _describe(f"/{name}", array) for name, array in group.variables.items()}

    def attributes(self, path: str = "/") -> dict[str, Any]:
        """Attributes of the group or of an array; empty where there is none of that path."""
        if path == "/":
            return self._attributes
        return dict(self.datasets[path].attributes) if path in self.datasets else {}

    def read(self, name: str, selection: Sequence[Selection] = ()) -> NDArray[Any]:
        """Values of a part of an array; axes of which one place is asked for are left out.

        Raises
        ------
        VariableFileError
            A chunk is damaged or too large.
        KeyError
            There is no such array.
        """
        dataset = self.datasets[name]
        chunk = math.prod(dataset.chunks or ()) * (dataset.dtype or np.dtype("O")).itemsize
        if chunk > _LARGEST_CHUNK or (dataset.is_text and math.prod(dataset.shape) > _MOST_VALUES):
            raise VariableFileError(f"{name[1:]} is stored in pieces too large to be read")
        single = [isinstance(part, int | np.integer) for part in selection]
        chosen = [_as_slice(places) for places in as_indices(selection, dataset.shape)]
        with self._group() as group, _reading():
            values = np.asarray(group.variables[name[1:]][tuple(chosen)].values)
        if dataset.is_text:
            values = values.astype(object)
        return values[tuple(0 if one else slice(None) for one in single)]

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While the block runs, every thread keeps the group open."""
        self._kept = {}
        try:
            yield
        finally:
            self._kept = None

    @contextmanager
    def _group(self) -> Iterator[Any]:
        kept, key = self._kept, (os.getpid(), threading.get_ident())
        if kept is not None and key in kept:
            yield kept[key]
            return
        group = self._open()
        if kept is not None:
            kept[key] = group
        yield group

    def _open(self) -> Any:
        import xarray as xr

        with _reading(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # stores without consolidated metadata
            return xr.open_dataset(self.path, engine="zarr", chunks=None, decode_cf=False, cache=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}


@contextmanager
def _reading() -> Iterator[None]:
    """Whatever zarr, its codecs and xarray raise on damaged stores, as one error."""
    try:
        yield
    except VariableFileError:
        raise
    except MemoryError:
        raise VariableFileError("it holds more than fits into memory") from None
    except Exception as error:  # they document none
        raise VariableFileError(f"zarr: {type(error).__name__}") from error


def _describe(name: str, array: Any) -> Hdf5Dataset:
    is_text = array.dtype.kind in "UTO"
    numeric = array.dtype.kind in "iufb"
    chunks = array.encoding.get("chunks")
    return Hdf5Dataset(
        name,
        tuple(array.shape),
        np.dtype(array.dtype).newbyteorder("=") if numeric else None,
        is_text,
        tuple(chunks) if chunks else None,
        {str(key): _plain(value) for key, value in array.attrs.items()},
        tuple(f"/{dim}" for dim in array.dims),
    )


def _plain(value: Any) -> Any:
    """Numbers, texts and lists of them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _as_slice(places: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Places as a slice where they follow each other, which is read faster."""
    if places.size and np.array_equal(places, np.arange(places[0], places[0] + places.size)):
        return slice(int(places[0]), int(places[0]) + places.size)
    return places
