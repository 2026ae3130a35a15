"""Reads MAT files of version 7.3 in a process of its own: HDF5 may crash, hang or ask for gigabytes on damaged ones.

Run as a program, with nothing imported but numpy and h5py. It writes a line of JSON with the variables to stdout, reads
a line with the name of one from stdin, writes a line with type and shape, and then the values, in C order.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped, unused-ignore]
import numpy as np

_MOST_FOLD = 1032
_MOST_VARIABLES = 10_000
_PIECE = 2**25
"""Bytes that are read at a time."""
_MEMORY = 2**28
"""Bytes beside the values."""
_SECONDS = 2
"""Processor time, beside that which the values take."""
_SLOWEST = 10 * 2**20
"""Bytes unpacked in a second, at least."""


def main() -> None:
    """Serve the file that the command line names."""
    path = sys.argv[1]
    _limit(0)
    with h5py.File(path, "r") as file:
        variables = dict(_variables(file))
        listed = [(name, item.shape[::-1], _matlab_class(item)) for name, item in variables.items()]
        _say(listed)
        name = sys.stdin.readline()
        if not name:
            return
        dataset = variables[json.loads(name)]
        if dataset.dtype.kind not in "iufb" or dataset.is_virtual or dataset.external:
            raise SystemExit(1)
        if dataset.nbytes > _MOST_FOLD * dataset.id.get_storage_size() + _PIECE:
            raise SystemExit(1)  # more than the file can hold
        _limit(dataset.nbytes)
        _say([dataset.dtype.str, dataset.shape])
        for part in _parts(dataset):
            sys.stdout.buffer.write(np.ascontiguousarray(part).data)
        sys.stdout.buffer.flush()


def _limit(size: int) -> None:
    """Bound the memory and the time that reading so many bytes may take from now on."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    seconds = math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])) + _SECONDS + size // _SLOWEST
    for what, bound in ((resource.RLIMIT_AS, used + _MEMORY + 2 * size), (resource.RLIMIT_CPU, seconds)):
        resource.setrlimit(what, (bound, resource.getrlimit(what)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _say(value: Any) -> None:
    sys.stdout.buffer.write(json.dumps(value).encode() + b"\n")
    sys.stdout.buffer.flush()


def _variables(file: Any) -> Iterator[tuple[str, Any]]:
    """The arrays of a file by name; those that lie in other files are none of its own."""
    for number, name in enumerate(file):
        if number < _MOST_VARIABLES and isinstance(file.get(name, getlink=True), h5py.HardLink):
            item = file[name]
            if isinstance(item, h5py.Dataset) and item.shape is not None:
                yield name, item


def _matlab_class(dataset: Any) -> str:
    """MATLAB's name of a type, from the attribute that MATLAB writes, else from the type on file."""
    given = dataset.attrs.get("MATLAB_class")
    if given is not None:
        return given.decode("latin1") if isinstance(given, bytes) else str(given)
    return {"float64": "double", "float32": "single", "bool": "logical"}.get(str(dataset.dtype), str(dataset.dtype))


def _parts(dataset: Any) -> Iterator[Any]:
    """Values along the first axis, in whole chunks of the file."""
    if not dataset.shape or not dataset.size:
        yield dataset[()]
        return
    row = dataset.nbytes // dataset.shape[0]
    chunk = dataset.chunks[0] if dataset.chunks else 1
    rows = max(1, _PIECE // max(1, row * chunk)) * chunk
    for top in range(0, dataset.shape[0], rows):
        yield dataset[top : top + rows]


if __name__ == "__main__":
    main()
