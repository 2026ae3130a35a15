"""Open files by their descriptors, on systems that lack parts of POSIX too: positions, flags and locks.

Where there is `flock`, a lock belongs to the open file or folder itself. Elsewhere it belongs to a file beside it, and
since open files can be neither renamed nor deleted there, `set_aside` closes a file while its lock is held on to.
Either kind ends with the process that holds it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hsiattn.files.paths import StrPath

try:
    import fcntl
except ImportError:  # Windows
    _LOCKS_ON_FILES = False
else:
    _LOCKS_ON_FILES = True

if TYPE_CHECKING:
    from filelock import BaseFileLock

_FLAGS = {name: getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK")}

_beside: dict[int, BaseFileLock] = {}
"""Locks beside files, by the descriptors for which they are held."""


def open_file(path: StrPath, flags: int = os.O_RDONLY, *, follow: bool = True) -> int:
    """A descriptor of a file, without waiting for the other end of a pipe; new files get the usual permissions.

    Parameters
    ----------
    follow
        Whether a link may stand for the file.

    Raises
    ------
    OSError
        It cannot be opened, or is a link.
    """
    flags |= _FLAGS["O_BINARY"] | _FLAGS["O_CLOEXEC"] | _FLAGS["O_NONBLOCK"]
    if not follow:
        if not _FLAGS["O_NOFOLLOW"] and os.path.islink(path):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
        flags |= _FLAGS["O_NOFOLLOW"]
    return os.open(path, flags, 0o666)


def open_folder(path: StrPath) -> int:
    """A descriptor of a folder, good for `hold` and `let_go` alone.

    Raises
    ------
    OSError
        It is not there, or is no folder.
    """
    if _LOCKS_ON_FILES:
        return os.open(path, os.O_RDONLY | _FLAGS["O_DIRECTORY"])
    if not os.path.isdir(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
    return os.open(os.devnull, os.O_RDONLY)


# -- locks -------------------------------------------------------------------------------------------------------------


def hold(descriptor: int, path: StrPath) -> bool:
    """Lock an open file or folder for this process, until `let_go`.

    Parameters
    ----------
    path
        Its path.

    Returns
    -------
    bool
        False on network file systems that know no locks; there it is up to the user not to write a file twice at a
        time, and what a killed process has left cannot be told from what a living one needs.

    Raises
    ------
    BlockingIOError
        Another process has it.
    """
    if not _LOCKS_ON_FILES:
        return _hold_beside(descriptor, Path(path))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _hold_beside(descriptor: int, path: Path) -> bool:
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f"{path.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path)) from error
    except (OSError, NotImplementedError):
        return False
    _beside[descriptor] = lock
    return True


def is_same(descriptor: int, path: StrPath) -> bool:
    """Whether a path still leads to the file or folder that a descriptor was opened for.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    """
    state = os.stat(path)
    return not _LOCKS_ON_FILES or os.path.samestat(os.fstat(descriptor), state)


def set_aside(descriptor: int) -> None:
    """Close a file that is to be renamed or deleted, where that cannot be done while it is open; its lock is kept."""
    if not _LOCKS_ON_FILES:
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, descriptor, inheritable=False)
        os.close(nowhere)


def let_go(descriptor: int) -> None:
    """Close a file or folder and release its lock."""
    lock = _beside.pop(descriptor, None)
    os.close(descriptor)
    if lock is not None:
        lock.release()


def put_in_place(fresh: Path, path: Path, descriptor: int, earlier: int | None) -> int:
    """Rename an open file, over what is there, and lock it for this process.

    Parameters
    ----------
    fresh, path
        Its name so far, and the new one.
    descriptor
        By which it is open; closed on systems that rename no open files.
    earlier
        Descriptor by which this process has locked the file that is replaced, if it has.

    Returns
    -------
    int
        A descriptor by which it is open, and locked.

    Raises
    ------
    OSError
        It cannot be renamed.
    """
    if _LOCKS_ON_FILES:
        hold(descriptor, path)
        os.replace(fresh, path)
        return descriptor
    set_aside(descriptor)
    if earlier is None:
        hold(descriptor, path)
    else:
        set_aside(earlier)
        if earlier in _beside:
            _beside[descriptor] = _beside.pop(earlier)
    os.replace(fresh, path)
    opened = open_file(path, os.O_RDWR)
    os.dup2(opened, descriptor, inheritable=False)
    os.close(opened)
    return descriptor


# -- positions ---------------------------------------------------------------------------------------------------------


def read_at(descriptor: int, length: int, offset: int) -> bytes:
    """Up to so many bytes from a given place of an open file; where the system cannot, its position moves."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, length)


def read_into(descriptor: int, view: memoryview, offset: int) -> int:
    """Fill a view with bytes from a given place of an open file; where the system cannot, its position moves.

    Returns
    -------
    int
        How many came; fewer than there is room for where the file ends, and perhaps elsewhere.
    """
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, (view,), offset)
    content = read_at(descriptor, len(view), offset)
    view[: len(content)] = content
    return len(content)


def write_at(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    """Write everything at a given place of an open file; where the system cannot, its position moves."""
    left = memoryview(content)
    while left:
        if hasattr(os, "pwrite"):
            written = os.pwrite(descriptor, left, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            written = os.write(descriptor, left)
        left, offset = left[written:], offset + written


def sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    descriptor = open_file(path, os.O_RDONLY if _LOCKS_ON_FILES else os.O_RDWR)  # Windows flushes what may be written
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
