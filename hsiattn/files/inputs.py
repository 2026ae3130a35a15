"""Files that are read: refused where opening them could wait for ever."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader

from hsiattn.errors import HsiattnError
from hsiattn.files.descriptors import open_file
from hsiattn.files.paths import StrPath


def refuse_special(path: StrPath, error: type[HsiattnError]) -> None:
    """Refuse to read a pipe, a socket or a device, which opening might wait for.

    Parameters
    ----------
    path
        Links are followed; what does not exist is left to the reader.
    error
        What is raised.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise error(f"{path} is a pipe, a socket or a device, not a file", "give the name of a file")


def open_regular(path: StrPath) -> BufferedReader:
    """A file open for reading; a pipe, whose writer might never come, is refused like whatever is no file on a disk.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file; `strerror` tells.
    """
    descriptor = open_file(path)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, "it is not a file on a disk", os.fspath(path))
