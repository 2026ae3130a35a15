"""The last step of a map: all its files appear under their final names, whatever happens meanwhile.

Several files cannot be renamed at once. So before the first is, a record of all that is left to do is put on the disk.
Whoever comes next, be it the same command with `--resume` or any other that names this map, finishes by that record.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hsiattn.errors import OutputError
from hsiattn.files.descriptors import hold, let_go, open_file, set_aside
from hsiattn.files.outputs import (
    STAGING_FOLDER,
    fresh_name,
    remove_abandoned,
    sync_folder,
    write_locked,
)
from hsiattn.files.paths import StrPath
from hsiattn.mapping.journal import Journal, journal_path

_VERSION = 1

PART_SUFFIXES = (".aux.xml", ".ovr", ".msk")
"""Endings of files that GDAL takes for a part of the raster that they are named after."""


@dataclass(frozen=True)
class Move:
    """A finished file, and where it goes.

    Attributes
    ----------
    staged, target
        Paths before and after, as in the record.
    size, modified
        Bytes and time of the last change (ns) of the file.
    replaced
        The same of the file that it replaces, None where there is none.
    """

    staged: str
    target: str
    size: int
    modified: int
    replaced: Sequence[int] | None


def publish(
    map_path: StrPath,
    files: Iterable[tuple[Path, Path]],
    *,
    stale: Iterable[Path] = (),
    spent: Iterable[Path] = (),
    folders: Iterable[Path] = (),
) -> None:
    """Put finished files into their places.

    Parameters
    ----------
    map_path
        The map, beside which the record lies.
    files
        Every finished file, on the disk and with its final path, in this order.
    stale
        Files that would be taken for a part of the new ones.
    spent, folders
        Files and folders that have done their duty then.

    Raises
    ------
    OutputError
        Not all could be done; what is left is done by the next run.
    """
    record, place = _record_path(map_path), Path(map_path).parent
    moves = []
    for staged, target in files:
        size, modified = _state(staged) or (0, 0)
        moves.append(Move(_relative(staged, place), _relative(target, place), size, modified, _state(target)))
    content = {
        "version": _VERSION,
        "moves": [asdict(move) for move in moves],
        "stale": [_relative(path, place) for path in stale],
        "spent": [_relative(path, place) for path in spent],
        "folders": [_relative(path, place) for path in folders],
    }
    try:
        descriptor = write_locked(record, json.dumps(content).encode())
    except OSError as error:
        raise OutputError(
            f"{map_path} cannot be put into place ({error.strerror})", "make space or check the folder's permissions"
        ) from error
    try:
        set_aside(descriptor)
        try:
            _carry_out(Path(map_path), content)
        except KeyboardInterrupt:  # it takes a moment; half of it is worth nothing
            _carry_out(Path(map_path), content)
            raise
    finally:
        let_go(descriptor)


def is_unfinished(map_path: StrPath) -> bool:
    """Whether files of a map wait to be put into their places."""
    return os.path.lexists(_record_path(map_path))


def clean_up(map_path: StrPath, others: Iterable[StrPath] = ()) -> None:
    """Finish what a killed process began to put into place, and remove what it has left under hidden names.

    Windows that are finished stay in the journal.

    Parameters
    ----------
    map_path
        The map.
    others
        The rasters beside it.

    Raises
    ------
    OutputError
        Another process is at it, or a file has changed meanwhile.
    """
    record = _record_path(map_path)
    if os.path.lexists(record):
        _finish(Path(map_path), record)
    with suppress(OSError):
        fresh_name(_record_path(map_path)).unlink()
    for path in (map_path, *others):
        remove_abandoned(Path(path))
    Journal.tidy(journal_path(map_path))


def _finish(map_path: Path, record: Path) -> None:
    try:
        descriptor = open_file(record, follow=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{record} cannot be read ({error.strerror})", "remove it or choose another name") from error
    try:
        hold(descriptor, record)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            content = json.loads(file.read())
        set_aside(descriptor)
        moves = [Move(**move) for move in content["moves"]]
        if content["version"] != _VERSION or not record.exists():
            raise ValueError("another version")
        _check_places(map_path, moves, content)
        if _complete(map_path, moves):
            _carry_out(map_path, content)
        else:
            for name in content["folders"]:
                shutil.rmtree(map_path.parent / name, ignore_errors=True)
            record.unlink(missing_ok=True)
    except BlockingIOError:
        raise OutputError(
            f"another hsiattn is writing {map_path}", "wait until it has finished or give another name"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if not record.exists():  # another process has finished it meanwhile
            return
        raise OutputError(f"{record} is not a record of hsiattn", "remove it or choose another name") from error
    finally:
        let_go(descriptor)


def _check_places(map_path: Path, moves: Sequence[Move], content: dict[str, Any]) -> None:
    """See that a record names what the publication of this map may touch, and nothing else: it may come from anywhere.

    Raises
    ------
    ValueError
        It does not.
    """
    place, folders, parts = map_path.parent, set(), set()
    for move in moves:
        staged, target = place / move.staged, place / move.target
        folder = staged.parent.parent
        known = STAGING_FOLDER.fullmatch(folder.name) and staged.parent.name == "whole" and staged.name == target.name
        if not known or folder.parent != target.parent:
            raise ValueError("a file from elsewhere")
        folders.add(folder)
        parts |= {target.with_name(target.name + suffix) for suffix in PART_SUFFIXES}
    allowed = {"stale": parts, "spent": {journal_path(map_path)}, "folders": folders}
    if any(not {place / name for name in content[key]} <= paths for key, paths in allowed.items()):
        raise ValueError("a file of somebody else")


def _complete(map_path: Path, moves: Iterable[Move]) -> bool:
    """Whether every file is there, in its place or on the way to it.

    Raises
    ------
    OutputError
        Somebody has put another file into such a place.
    """
    whole = True
    for move in moves:
        staged, target = map_path.parent / move.staged, map_path.parent / move.target
        new, there = [move.size, move.modified], _state(target)
        if _state(staged) != new:
            whole &= there == new
        elif there is not None and there != move.replaced:
            raise OutputError(
                f"{target} has changed since the map {map_path} was about to be put into place", "move it away first"
            )
    return whole


def _carry_out(map_path: Path, content: dict[str, Any]) -> None:
    """Do what a record says; what is done already is passed over. The record itself goes last."""
    place = map_path.parent
    folders = {place}
    try:
        for name in content["stale"]:
            (place / name).unlink(missing_ok=True)
        for move in content["moves"]:
            target = place / move["target"]
            with suppress(FileNotFoundError):  # it is in its place
                os.replace(place / move["staged"], target)
            folders.add(target.parent)
        for folder in folders:
            sync_folder(folder)
        for name in content["spent"]:
            (place / name).unlink(missing_ok=True)
        for name in content["folders"]:
            shutil.rmtree(place / name, ignore_errors=True)
        _record_path(map_path).unlink(missing_ok=True)
        sync_folder(place)
    except OSError as error:
        raise OutputError(
            f"{map_path} cannot be put into place ({error.strerror or error})",
            "mend that, and go on with resume=True",
        ) from error


def _record_path(map_path: StrPath) -> Path:
    """Path of the record of a map: `maps/a.tif` → `maps/.a.tif.publication`."""
    path = Path(map_path)
    return path.with_name(f".{path.name}.publication")


def _relative(path: Path, place: Path) -> str:
    """A path as it stands in a record: what lies beside the map by its name, so that the folder may be moved."""
    path, place = Path(os.path.abspath(path)), Path(os.path.abspath(place))
    return str(path.relative_to(place)) if path.is_relative_to(place) else str(path)


def _state(path: Path) -> list[int] | None:
    """Size and time of the last change; None where there is no file."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return None
    return [state.st_size, state.st_mtime_ns]
