"""An HDF5 file as its user sees it: what is in it, and parts of its data sets."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.files.inputs import open_regular
from hsiattn.scenes.hdf5.service import Connection

Selection = int | slice | Sequence[int]
"""Part of an axis: one place, a slice with a step above 0, or ascending places."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_TEXT = "text"
_ENDED = "the process that reads it has ended: the file is damaged, or holds what cannot be read"


_keeping = threading.Lock()
"""Held for no longer than it takes to count who keeps a file open."""


class Hdf5Error(Exception):
    """A file is no HDF5 file, or is damaged; the message is one line."""


@dataclass(frozen=True)
class Hdf5Dataset:
    """A data set of a file.

    Attributes
    ----------
    name
        Its path in the file, from "/".
    shape
        Lengths of the axes.
    dtype
        Type of the values; None where they are texts, or neither numbers nor texts.
    is_text
        Whether the values are texts.
    chunks
        Lengths of the pieces in which it is stored; None where it is stored in one.
    attributes
        Numbers, texts and lists of them by their names.
    dimensions
        Paths of the scales of the axes, as netCDF-4 has them; "" where an axis has none.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    is_text: bool = False
    chunks: tuple[int, ...] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ()


class Hdf5File:
    """An HDF5 file that is read part by part, in a process of its own, from any thread or process.

    It holds the path and what is in the file, so it pickles; `read` starts a process of its own, inside `kept_open`
    once for every thread.

    Parameters
    ----------
    path
        A file on a disk.

    Attributes
    ----------
    path
        As given.
    datasets
        The data sets of the file itself, by their paths; those in files that it links to are left out.
    groups
        Attributes of the groups, by their paths; those of the file are under "/".

    Raises
    ------
    Hdf5Error
        It is no HDF5 file, or is damaged.
    OSError
        It cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if not is_hdf5(path):
            raise Hdf5Error("it does not begin as an HDF5 file")
        self._kept: dict[tuple[int, int], Connection] | None = None
        self._keepers = 0
        state = os.stat(path)
        listed = _listed(self.path, state.st_mtime_ns, state.st_size, state.st_ino)
        if listed is None:
            raise Hdf5Error(_ENDED)
        self.groups, self.datasets = dict(listed[0]), dict(listed[1])

    def attributes(self, path: str = "/") -> Mapping[str, Any]:
        """Attributes of a group or a data set; empty where there is none of that path."""
        dataset = self.datasets.get(path)
        return dataset.attributes if dataset is not None else self.groups.get(path, {})

    def read(self, name: str, selection: Sequence[Selection] = ()) -> NDArray[Any]:
        """Values of a part of a data set; axes of which one place is asked for are left out.

        Parameters
        ----------
        name
            Path of the data set.
        selection
            Part of every axis; all of those that are not named. Only the chunks that it touches are read.

        Raises
        ------
        Hdf5Error
            The values cannot be read, or are neither numbers nor texts.
        KeyError
            There is no such data set.
        """
        dataset = self.datasets[name]
        asked, places = _as_slices(selection, dataset.shape)
        if dataset.dtype is None and not dataset.is_text:
            raise Hdf5Error(f"{name} holds neither numbers nor texts")
        with self._connection() as connection:
            answer = _ask(connection, {"read": name, "selection": asked})
            if "texts" in answer:
                return np.array(answer["texts"], dtype=object).reshape(answer["shape"])
            values = np.empty(answer["shape"], answer["type"])
            into = values.reshape(-1).data.cast("B") if values.size else memoryview(bytearray())
            at = 0
            while at < len(into):
                count = connection.answers.readinto(into[at:])  # type: ignore[attr-defined]
                if not count:
                    raise Hdf5Error("the file ends early")
                at += count
        return values if places is None else values[places]

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While the block runs, every thread keeps the process that reads for it, until the last such block ends."""
        with _keeping:
            self._keepers += 1
            if self._kept is None:
                self._kept = {}
        try:
            yield
        finally:
            kept = {}
            with _keeping:
                self._keepers -= 1
                if not self._keepers and self._kept is not None:
                    kept, self._kept = self._kept, None
            for connection in kept.values():
                connection.close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        kept, key = self._kept, (os.getpid(), threading.get_ident())
        connection = kept.get(key) if kept is not None else None
        if connection is None:
            connection = _connect(self.path)
            if kept is not None:
                kept[key] = connection
        try:
            yield connection
        except BaseException:  # what is left in the streams belongs to no later request
            if kept is not None:
                kept.pop(key, None)
            connection.close()
            raise
        if kept is None:
            connection.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None, "_keepers": 0}


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """True for an HDF5 file, whose signature stands at 0 or, after a preamble such as MATLAB's, at 512, 1024 or 2048.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    with open_regular(path) as stream:
        start = stream.read(2048 + len(_SIGNATURE))
    return any(start[at:].startswith(_SIGNATURE) for at in (0, 512, 1024, 2048))


_Listed = tuple[dict[str, dict[str, Any]], dict[str, Hdf5Dataset]]


@lru_cache(maxsize=8)
def _listed(path: str, changed: int, size: int, number: int) -> _Listed | None:
    """Groups and data sets of a file in that state, None where it is damaged: several readers look at the same one."""
    with closing(_connect(path)) as connection:
        try:
            contents = _ask(connection, {"list": True})
        except Hdf5Error:
            return None
    return contents["groups"], {name: _dataset(name, told) for name, told in contents["datasets"].items()}


def _connect(path: str) -> Connection:
    try:
        return Connection(path)
    except OSError as error:
        raise Hdf5Error(f"no process can be started to read it ({error.strerror})") from error


def _ask(connection: Connection, request: dict[str, Any]) -> dict[str, Any]:
    with suppress(OSError):  # the process has ended: its answer is missing too
        connection.requests.write(json.dumps(request).encode() + b"\n")
        connection.requests.flush()
    try:
        line = connection.answers.readline()
    except OSError:
        line = b""
    if not line.endswith(b"\n"):
        raise Hdf5Error(_ENDED)
    try:
        answer: dict[str, Any] = json.loads(line)
    except ValueError:
        raise Hdf5Error(_ENDED) from None
    return answer


def _dataset(name: str, told: dict[str, Any]) -> Hdf5Dataset:
    is_text = told["type"] == _TEXT
    return Hdf5Dataset(
        name,
        tuple(told["shape"]),
        None if is_text or not told["type"] else np.dtype(told["type"]),
        is_text,
        None if told["chunks"] is None else tuple(told["chunks"]),
        told["attributes"],
        tuple(told["dimensions"]),
    )


def _as_slices(
    selection: Sequence[Selection], shape: tuple[int, ...]
) -> tuple[list[int | list[int]], tuple[Any, ...] | None]:
    """What is asked of the process, places as slices around them; and the index that takes them out of the answer."""
    asked: list[int | list[int]] = []
    index: list[Any] = []
    for part, size in zip(selection, shape, strict=False):
        if isinstance(part, int | np.integer):
            asked.append(range(size)[int(part)])
            continue
        if isinstance(part, slice):
            places = range(size)[part]
            if places.step < 1:
                raise ValueError("a slice with a step below 1")
            asked.append([places.start, max(places.start, places.stop), places.step])
            index.append(slice(None))
            continue
        listed = np.asarray(part, dtype=np.int64)
        low, high = (int(listed.min()), int(listed.max()) + 1) if listed.size else (0, 0)
        asked.append([low, high, 1])
        contiguous = np.array_equal(listed, np.arange(low, high))
        index.append(slice(None) if contiguous else listed - low)
    several = sum(not isinstance(part, slice) for part in index) > 1
    if all(isinstance(part, slice) for part in index):
        return asked, None
    if several:
        index = list(np.ix_(*(np.arange(_length(a))[i] for a, i in zip(_axes(asked), index, strict=True))))
    return asked, tuple(index)


def _axes(asked: list[int | list[int]]) -> list[list[int]]:
    return [part for part in asked if isinstance(part, list)]


def _length(part: list[int]) -> int:
    return len(range(*part))
