"""Files that are written whole or not at all, and refused before long work where they may not or could not be written.

Nothing that somebody else made is ever replaced: an existing file gives way to a new one of its kind only if this
package wrote it, which is seen by its content, and never if the same call reads it.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from hsiattn.errors import OutputError
from hsiattn.files.companions import files_of
from hsiattn.files.descriptors import (
    hold,
    is_same,
    let_go,
    open_file,
    open_folder,
    put_in_place,
    set_aside,
    sync,
    write_at,
)
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.files.paths import StrPath, is_virtual, local_file

Inputs = Mapping[str, StrPath | None]
"""What a call reads, by what it is: `{"scene": "a.tif", "labels": None}`."""

_STAGED = ".staged"

STAGING_FOLDER = re.compile(r"\..+\.\w{8}\.staged")
"""Names of the folders in which files are made."""


@dataclass(frozen=True)
class Output:
    """A file that is to be written, and what it will be.

    Attributes
    ----------
    leftover
        Whether an existing file of that kind may be replaced even where nothing else is: it describes a file that is
        gone.
    """

    path: StrPath
    kind: FileKind
    leftover: bool = False


def check_output(
    path: StrPath, kind: FileKind, *, overwrite: bool = False, inputs: Inputs | None = None, leftover: bool = False
) -> None:
    """Refuse an output that may not or could not be written in the end; cheap, to be called before any long work.

    What killed processes have left of the same file, under hidden names, is removed.

    Parameters
    ----------
    path, kind, leftover
        See `Output`.
    overwrite
        Whether an existing file of that kind may be replaced, if this package wrote it.
    inputs
        What the same call reads: never replaced, nor are files that belong to it (header, mask, members of a VRT).

    Raises
    ------
    OutputError
        The file exists and may not be replaced, it is a folder, a link, a pipe or a device, or its folder is missing or
        cannot be written to.
    """
    target = Path(path)
    if is_virtual(path):
        raise OutputError(f"{path} is not a file on a disk", "write to a local file and copy it")
    remove_abandoned(target)
    state = _state(target)
    if state is not None:
        _check_replaceable(target, state, kind, overwrite or leftover, inputs or {})
    if not target.parent.is_dir():
        raise OutputError(f"the folder {target.parent} of the output {target.name} does not exist", "create it first")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"the folder {target.parent} cannot be written to", "choose another folder")


def check_outputs(outputs: Iterable[Output], *, overwrite: bool = False, inputs: Inputs | None = None) -> None:
    """Check every output of a call before any work is done.

    Raises
    ------
    OutputError
        As `check_output`; also where two of them have the same path.
    """
    paths: set[str] = set()
    for output in outputs:
        place = os.path.abspath(output.path)
        if place in paths:
            raise OutputError(f"{output.path} would be written twice", "give each output a path of its own")
        paths.add(place)
        check_output(output.path, output.kind, overwrite=overwrite, inputs=inputs, leftover=output.leftover)


def wanted(*outputs: tuple[StrPath | None, FileKind]) -> list[Output]:
    """The outputs that are asked for; None stands for one that is not."""
    return [Output(path, kind) for path, kind in outputs if path is not None]


def refuse_foreign(path: StrPath, kind: FileKind) -> None:
    """Refuse to replace a file in a folder of results that this package did not write; one that is not there is fine.

    Raises
    ------
    OutputError
        As `check_output` with `overwrite`.
    """
    if os.path.lexists(path):
        check_output(path, kind, overwrite=True)


def refuse_inputs(path: StrPath, inputs: Inputs) -> None:
    """Refuse to replace or remove a file that is read, or that belongs to one that is.

    Raises
    ------
    OutputError
        It is.
    """
    state = _state(Path(path))
    if state is None:
        return
    _refuse_itself(path, inputs)
    for what, name in inputs.items():
        if name is not None and any(_same(member, path) for member in files_of(name)):
            raise OutputError(f"{path} belongs to the {what} {name}", "give the output a name of its own")


def _refuse_itself(path: StrPath, inputs: Inputs) -> None:
    for what, name in inputs.items():
        if name is not None and _same(local_file(name), path):
            raise OutputError(f"{path} is the {what} itself", "give the output a name of its own")


def _check_replaceable(target: Path, state: os.stat_result, kind: FileKind, overwrite: bool, inputs: Inputs) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise OutputError(f"{target} is a folder", "give the name of a file")
    _refuse_itself(target, inputs)
    if stat.S_ISLNK(state.st_mode):
        raise OutputError(f"{target} is a link to {os.readlink(target)}", "give the path of a file, or remove the link")
    if not stat.S_ISREG(state.st_mode):
        raise OutputError(f"{target} is a pipe, a socket or a device, not a file", "give the name of a file")
    ours = kind_of(target) is kind
    if not overwrite:
        remedy = (
            "or give overwrite=True" if ours else f"; overwrite=True replaces only {kind.described} that hsiattn wrote"
        )
        raise OutputError(f"{target} exists already", f"choose another name {remedy}".replace(" ;", ";"))
    if not ours:
        raise OutputError(
            f"{target} exists already and is not {kind.described} that hsiattn wrote",
            "choose another name or move it away; overwrite=True replaces only what hsiattn wrote itself",
        )
    refuse_inputs(target, inputs)


def _state(path: Path) -> os.stat_result | None:
    """What is at a path, links not followed; None where there is nothing."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "choose another name") from error


def _same(one: StrPath, other: StrPath) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


# -- writing -----------------------------------------------------------------------------------------------------------


@contextmanager
def whole_file(path: StrPath, *failures: type[Exception]) -> Iterator[Path]:
    """A temporary path near the final one, to write to; renamed at the end of the block, removed on any exception.

    So are files that are written beside it. What a killed process has left of the same file is removed next time.

    Parameters
    ----------
    path
        The final path; what is there is replaced, see `check_output`.
    failures
        Kinds of exception, beside OSError, by which the writing library reports that it could not write.

    Raises
    ------
    OutputError
        The block failed with an OSError or one of the failures.
    """
    final = Path(path)
    kinds: tuple[type[Exception], ...] = (OSError, *failures)
    try:
        with StagingFolder.beside(final) as staging:
            temporary = staging.path / final.name
            yield temporary
            files = sorted(staging.path.iterdir(), key=lambda file: file.name == final.name)
            for file in files:
                sync(file)
            for file in files:
                os.replace(file, final.with_name(file.name))
            sync_folder(final.parent)
    except kinds as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise OutputError(
            f"{final} cannot be written ({reason})", "choose a folder that is writable and has space left"
        ) from error


def write_bytes(path: StrPath, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    OutputError
        The folder is missing, not writable or full.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@dataclass
class StagingFolder:
    """A hidden folder beside a file that is being written, locked as long as its process lives.

    Made by `beside`; a context manager that removes it.
    """

    path: Path
    _lock: int = field(repr=False)

    @classmethod
    def beside(cls, target: Path) -> Self:
        """A new one; those that killed processes have left beside the same target are removed.

        Raises
        ------
        OSError
            It cannot be made.
        """
        remove_abandoned(target)
        while True:
            path = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_STAGED, dir=target.parent))
            with suppress(FileNotFoundError, BlockingIOError):  # another process took it for abandoned: once more
                return cls(path, _lock(path))

    def remove(self) -> None:
        """Delete it with all that is in it; harmless when that has been done."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.leave()

    def leave(self) -> None:
        """Leave it to another process."""
        if self._lock >= 0:
            let_go(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def remove_abandoned(target: Path) -> None:
    """Delete what killed processes have left of a file; a living one holds the lock of its folder."""
    for folder in target.parent.glob(f".{glob.escape(target.name)}.????????{_STAGED}"):
        with suppress(OSError):
            descriptor = open_folder(folder)
            try:
                if hold(descriptor, folder):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                let_go(descriptor)


def fresh_name(path: Path) -> Path:
    """Path to which `write_locked` writes before a file has its name."""
    return path.with_name(f"{path.name}.new")


def write_locked(path: Path, content: bytes, earlier: int | None = None) -> int:
    """Put a file on the disk, whole or not at all, in the place of an earlier one.

    Parameters
    ----------
    earlier
        Descriptor by which this process has locked the earlier one, if it has; to be let go of afterwards.

    Returns
    -------
    int
        A descriptor by which it stays open, and locked for this process.
    """
    fresh = fresh_name(path)
    descriptor = open_file(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, follow=False)
    try:
        write_at(descriptor, content, 0)
        os.fsync(descriptor)
        put_in_place(fresh, path, descriptor, earlier)
        sync_folder(path.parent)
    except BaseException:
        set_aside(descriptor)
        fresh.unlink(missing_ok=True)
        let_go(descriptor)
        raise
    return descriptor


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises
    ------
    OutputError
        It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {path} cannot be made ({error.strerror})", "choose another place") from error


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where its file system can do so."""
    with suppress(OSError):
        sync(folder)


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock of a folder which is still there.

    Raises
    ------
    OSError
        Another process has it, or it is gone.
    """
    descriptor = open_folder(folder)
    try:
        hold(descriptor, folder)
        if not is_same(descriptor, folder):
            raise FileNotFoundError(folder)
    except BaseException:
        let_go(descriptor)
        raise
    return descriptor
