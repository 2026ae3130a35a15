"""Files that are written whole or not at all, and refused before long work where they could not be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsiattn.errors import OutputError

StrPath = str | os.PathLike[str]


def check_output(path: StrPath, overwrite: bool = False) -> None:
    """Refuse an output that could not be written in the end; cheap, to be called before any long work.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, it is a folder, or its folder is missing or cannot be written to.
    """
    target = Path(path)
    if os.fspath(path).startswith("/vsi"):
        raise OutputError(f"{path} is not a file on a disk", "write to a local file and copy it")
    if target.is_dir():
        raise OutputError(f"{path} is a folder", "give the name of a file")
    if target.exists() and not overwrite:
        raise OutputError(f"{path} exists already", "choose another name or give overwrite=True")
    if not target.parent.is_dir():
        raise OutputError(f"the folder {target.parent} of the output {target.name} does not exist", "create it first")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"the folder {target.parent} cannot be written to", "choose another folder")


@contextmanager
def whole_file(path: StrPath, *failures: type[Exception]) -> Iterator[Path]:
    """A temporary path beside the final one, to write to; renamed at the end of the block, removed on any exception.

    Parameters
    ----------
    path
        The final path; what is there is replaced.
    failures
        Kinds of exception, beside OSError, by which the writing library reports that it could not write.

    Raises
    ------
    OutputError
        The block failed with an OSError or one of the failures.
    """
    final = Path(path)
    kinds: tuple[type[Exception], ...] = (OSError, *failures)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, final)
    except kinds as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise OutputError(
            f"{final} cannot be written ({reason})", "choose a folder that is writable and has space left"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
