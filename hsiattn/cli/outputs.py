"""Outputs of the commands: refused before long work begins, written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from hsiattn.cli import options
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import Output, whole_file


def wanted(*outputs: tuple[str | Path | None, FileKind]) -> list[Output]:
    """The outputs that are asked for; None stands for one that is not."""
    return [Output(path, kind) for path, kind in outputs if path is not None]


@contextmanager
def libraries_silenced() -> Iterator[None]:
    """Keep what C libraries print themselves off stderr while the block runs; with `-v` they may speak.

    On a full disk libtiff writes several lines to file descriptor 2, past the error handling of GDAL and Python. The
    cause reaches the user all the same, as the one line of an OutputError.
    """
    if options.verbosity(click.get_current_context()) > 0 or sys.stderr is None:
        yield
        return
    python_stderr = sys.stderr
    python_stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(kept, "w", buffering=1, encoding=python_stderr.encoding, errors=python_stderr.errors) as own:
        try:
            os.dup2(nowhere, 2)
            if python_stderr is sys.__stderr__:
                sys.stderr = own
            yield
        finally:
            sys.stderr = python_stderr
            own.flush()
            os.dup2(kept, 2)
            os.close(nowhere)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    OutputError
        The folder is missing, not writable or full.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
