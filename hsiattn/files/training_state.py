"""The folder in which an interrupted training is kept: nothing that somebody else put there is touched."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hsiattn.errors import OutputError
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.files.outputs import make_folder

NOTE, CHECKPOINT = "run.json", "last.ckpt"

_PART = re.compile(r"(member|fold|round|companion)-\d+")
"""Folder of a member of an ensemble, a fold, a round, or of a network that is trained without some groups."""

_PASSING = re.compile(rf"\.({re.escape(NOTE)}|{re.escape(CHECKPOINT)})\.(\w{{8}}\.staged|\d+\.tmp)")
"""What a killed process may have left; the last is of version 0.1.0."""


def is_begun(folder: Path) -> bool:
    """Whether a training was begun there and not finished."""
    return folder.is_dir() and _foreign(folder) is None


def has_checkpoint(folder: Path) -> bool:
    """Whether there is something to go on from; every member of an ensemble and every fold keeps a checkpoint."""
    return any(folder.rglob(CHECKPOINT))


@contextmanager
def begun_training(folder: Path) -> Iterator[None]:
    """Mark a training as begun; the mark goes if the block fails before there is anything to go on from.

    Raises
    ------
    OutputError
        The folder cannot be made.
    """
    make_folder(folder)
    try:
        yield
    except BaseException:
        if not has_checkpoint(folder):
            remove_state_folder(folder)
        raise


def check_state_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but the state of a training.

    Raises
    ------
    OutputError
        It does, or it is no folder.
    """
    if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
        raise OutputError(f"{folder}, where the state of the training is kept, is not a folder", "move it away")
    foreign = _foreign(folder) if folder.is_dir() else None
    if foreign is not None:
        raise OutputError(
            f"{folder}, where the state of the training is kept, holds {foreign}, which is no part of one",
            "move it away or choose another name",
        )


def remove_state_folder(folder: Path) -> None:
    """Delete the state of a training; the folder too, unless there is something else in it."""
    if folder.is_symlink() or not folder.is_dir():
        return
    with suppress(OSError):
        for member in folder.iterdir():
            if _PART.fullmatch(member.name):
                remove_state_folder(member)
            elif _PASSING.fullmatch(member.name):
                shutil.rmtree(member) if member.is_dir() else member.unlink()
        if kind_of(folder / NOTE) is FileKind.TRAINING_STATE:
            (folder / CHECKPOINT).unlink(missing_ok=True)
            (folder / NOTE).unlink()
        folder.rmdir()


def _foreign(folder: Path) -> str | None:
    """Name of a file that is no part of the state of a training; None where there is none."""
    ours = kind_of(folder / NOTE) is FileKind.TRAINING_STATE
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink() and _PART.fullmatch(entry.name):
            inner = _foreign(entry)
            if inner is not None:
                return f"{entry.name}/{inner}"
        elif not (_PASSING.fullmatch(entry.name) or (ours and entry.name in (NOTE, CHECKPOINT))):
            return entry.name
    return None
