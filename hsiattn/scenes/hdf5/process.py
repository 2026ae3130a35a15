"""Reads HDF5 files in a process of its own: the library may crash, hang or ask for gigabytes on damaged ones.

Run as a program, with nothing imported but numpy and h5py. With a path it serves that file over stdin and stdout. With
`--fork DESCRIPTOR` it waits at a socket for datagrams, each with a path and the descriptor of another socket, and
serves every file in a fork of itself, which costs milliseconds where a new interpreter costs a third of a second.

A request is a line of JSON, an answer too, followed by the bytes of the values: `{"list": true}` tells all groups and
data sets with their attributes, `{"read": name, "selection": [...]}` gives values in C order. What cannot be read ends
the process; whoever asked sees the end of the stream.
"""

from __future__ import annotations

import gc
import json
import math
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import h5py  # type: ignore[import-untyped, unused-ignore]
import numpy as np

resource: Any
try:
    import resource
except ImportError:  # Windows: no limits, damaged files may take memory and time there
    resource = None

_MOST_FOLD = 1032
"""How many times smaller than its values deflate can make a file."""
_MOST_OBJECTS = 20_000
_MOST_DEPTH = 16
_MOST_VALUES = 2**16
"""Values of an attribute; longer ones are left out."""
_PIECE = 2**25
"""Bytes that are read at a time."""
_MEMORY = 2**28
"""Bytes beside the values."""
_SECONDS = 2
"""Processor time, beside that which the values take."""
_SLOWEST = 10 * 2**20
"""Bytes unpacked in a second, at least."""
_CACHE = 2**25
"""Bytes of unpacked chunks that a file keeps, so that windows that share chunks unpack them once."""


def main() -> None:
    """Serve the file that the command line names, or files until nobody is left to ask for one."""
    if sys.argv[1] == "--fork":
        _serve_in_forks(int(sys.argv[2]))
    else:
        _serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)


def _serve_in_forks(descriptor: int) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; those who ask decide
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that end leave nothing behind
    control = socket.socket(fileno=descriptor)
    _warm_up()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 2**16, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            with socket.socket(fileno=descriptors[0]) as connection, suppress(BrokenPipeError, ConnectionError):
                _serve(os.fsdecode(message), connection.makefile("rb"), connection.makefile("wb"))
            os._exit(0)
        for other in descriptors:
            os.close(other)


def _warm_up() -> None:
    """Do once what every fork would do: set up the library, compile what is compiled late; and share the memory."""
    with h5py.File("warm", "w", driver="core", backing_store=False) as file:
        file.create_dataset("a", data=np.zeros((2, 2)), chunks=(1, 2), compression="gzip").attrs["b"] = "c"
        _contents(file)
    gc.freeze()


def _serve(path: str, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests about one file until they end."""
    _limit(0)
    # Without a lock: network file systems often have none, and whoever writes the file next would find it locked.
    with h5py.File(path, "r", rdcc_nbytes=_CACHE, locking=False) as file:
        for line in requests:
            request = json.loads(line)
            if "list" in request:
                _limit(0)
                _say(answers, _contents(file))
            else:
                _send(answers, file[request["read"]], request)
            answers.flush()


def _limit(size: int) -> None:
    """Bound the memory and the time that reading so many bytes may take from now on."""
    if resource is None:
        return
    with open("/proc/self/statm" if os.path.exists("/proc/self/statm") else os.devnull) as file:
        used = int((file.read().split() or ["0"])[0]) * resource.getpagesize()
    seconds = math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])) + _SECONDS + size // _SLOWEST
    memory = used + _MEMORY + _CACHE + 2 * size
    for what, bound in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds)):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _say(answers: IO[bytes], value: Any) -> None:
    answers.write(json.dumps(value).encode() + b"\n")


# -- what there is -----------------------------------------------------------------------------------------------------


def _contents(file: Any) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    datasets: dict[str, Any] = {}
    for path, item in _objects(file):
        if isinstance(item, h5py.Dataset):
            datasets[path] = _described(item)
        else:
            groups[path] = _attributes(item)
    return {"groups": groups, "datasets": datasets}


def _objects(file: Any) -> Iterator[tuple[str, Any]]:
    """Groups and data sets by their paths; what lies in other files is none of this one's."""
    waiting: list[tuple[str, Any, frozenset[int]]] = [("/", file["/"], frozenset())]
    for _ in range(_MOST_OBJECTS):
        if not waiting:
            return
        path, item, above = waiting.pop()
        yield path, item
        if not isinstance(item, h5py.Group) or len(above) == _MOST_DEPTH:
            continue
        parent, above = "" if path == "/" else path, above | {_address(item)}
        for number, name in enumerate(item):
            if number == _MOST_OBJECTS or not isinstance(item.get(name, getlink=True), h5py.HardLink):
                continue
            child = item[name]
            if isinstance(child, h5py.Group):
                if _address(child) not in above:  # one within itself would never end
                    waiting.append((f"{parent}/{name}", child, above))
            elif isinstance(child, h5py.Dataset) and child.shape is not None:
                waiting.append((f"{parent}/{name}", child, above))


def _address(group: Any) -> int:
    return int(h5py.h5o.get_info(group.id).addr)


def _described(dataset: Any) -> dict[str, Any]:
    return {
        "shape": dataset.shape,
        "type": _type_of(dataset),
        "chunks": dataset.chunks,
        "attributes": _attributes(dataset),
        "dimensions": _dimensions(dataset),
    }


def _type_of(dataset: Any) -> str:
    """Type of the values as numpy writes it; "text" for strings, "" for what is neither numbers nor strings.

    Values that lie in other files, or that no file holds, count as neither.
    """
    if dataset.is_virtual or dataset.external:
        return ""
    kind = dataset.dtype
    if h5py.check_string_dtype(kind) is not None:
        return "text"
    return kind.str if kind.kind in "iufb" and kind.itemsize <= 8 else ""


def _attributes(item: Any) -> dict[str, Any]:
    """Attributes that are numbers, texts, or short lists of them."""
    found = {}
    for number, name in enumerate(item.attrs):
        if number == _MOST_OBJECTS:
            break
        with suppress(OSError, TypeError, ValueError, KeyError, UnicodeError, SystemError):
            attribute = item.attrs.get_id(name)
            if math.prod(attribute.shape) <= _MOST_VALUES and attribute.dtype.kind in "iufbSUO":
                value = _plain(item.attrs[name])
                if value is not None:
                    found[name] = value
    return found


def _plain(value: Any) -> Any:
    """A value as JSON holds it; None for references and the like. NaN and infinities stay, as Python writes them."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").rstrip("\0")
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, np.ndarray):
        parts = [_plain(part) for part in value.ravel().tolist()]
        return None if any(part is None for part in parts) else parts
    return None


def _dimensions(dataset: Any) -> list[str]:
    """Name of the scale of every axis, as netCDF-4 has them; "" where an axis has none."""
    if dataset.attrs.get("CLASS") in (b"DIMENSION_SCALE", "DIMENSION_SCALE") and dataset.ndim == 1:
        return [str(dataset.name)]
    names = []
    for axis in range(dataset.ndim):
        name = ""
        with suppress(Exception):  # whatever is wrong with a scale, the data set can do without
            scales = dataset.dims[axis]
            name = str(scales[0].name or "") if len(scales) else ""
        names.append(name)
    return names


# -- values ------------------------------------------------------------------------------------------------------------


def _send(answers: IO[bytes], dataset: Any, request: dict[str, Any]) -> None:
    """Type and shape of a part of a data set, then its values."""
    selection = [slice(*part) if isinstance(part, list) else part for part in request["selection"]]
    selection += [slice(None)] * (dataset.ndim - len(selection))
    starts: list[Any] = [range(size)[part] for size, part in zip(dataset.shape, selection, strict=True)]
    shape = [len(part) for part in starts if not isinstance(part, int)]
    kind = _type_of(dataset)
    if kind == "text":
        _limit(2**20)
        if math.prod(shape) > _MOST_VALUES:
            raise SystemExit(1)
        values = np.asarray(dataset[tuple(selection)]).ravel().tolist()
        _say(answers, {"shape": shape, "texts": [_plain(value) for value in values]})
        return
    size = math.prod(shape) * dataset.dtype.itemsize
    if not kind or size > _MOST_FOLD * dataset.id.get_storage_size() + _PIECE:
        raise SystemExit(1)  # more than the file can hold
    _limit(size)
    _say(answers, {"shape": shape, "type": kind})
    if not size:
        return
    for part in _parts(dataset, selection):
        answers.write(np.ascontiguousarray(part).data)


def _parts(dataset: Any, selection: list[Any]) -> Iterator[Any]:
    """Values along the first axis, some rows at a time, in whole chunks of the file where all are asked for."""
    if not selection or isinstance(selection[0], int):
        yield dataset[tuple(selection)] if selection else dataset[()]
        return
    rows = range(dataset.shape[0])[selection[0]]
    others: list[Any] = [range(size)[part] for size, part in zip(dataset.shape[1:], selection[1:], strict=True)]
    row = math.prod(len(part) for part in others if not isinstance(part, int)) * dataset.dtype.itemsize
    chunk = dataset.chunks[0] if dataset.chunks else 1
    step = max(1, _PIECE // max(1, row * chunk)) * chunk
    for top in range(0, len(rows), step):
        some = rows[top : top + step]
        yield dataset[(slice(some.start, some.stop, some.step), *selection[1:])]


if __name__ == "__main__":
    main()
