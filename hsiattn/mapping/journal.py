"""The journal of a map: every finished window on the disk, so that no interruption costs more than the last one.

One file that only grows, beside the map under a hidden name: a header that says what is being mapped (scene, model,
options), then a record per window. A process that is killed while it appends leaves a torn last record, a power cut
loses what was written in the last seconds; both are recognised by lengths and checksums, cut off, and done again.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Iterator, KeysView, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rasterio.windows import Window

from hsiattn.errors import OutputError
from hsiattn.files.descriptors import hold, is_same, let_go, open_file, read_at, set_aside, write_at
from hsiattn.files.outputs import fresh_name, write_locked
from hsiattn.files.paths import StrPath
from hsiattn.mapping.journal_header import header_changes
from hsiattn.mapping.results import WindowResult
from hsiattn.mapping.window_records import Piece, RecordHead, decode, decode_pieces, encode

_KIND = b"hsiattn journal "
_MAGIC = _KIND + b"2\n"  # the format's version
_HEADER = struct.Struct("<II")  # length and CRC-32 of the header
_SYNC_SECONDS = 5.0
"""Most work that is lost when the power is cut."""

_CHUNK = 2**20
_ANEW = "leave out resume= to start again"
_TOLD = 4
"""Most changes that one message lists."""


def journal_path(map_path: StrPath) -> Path:
    """Path of the journal of a map: `maps/a.tif` → `maps/.a.tif.journal`."""
    path = Path(map_path)
    return path.with_name(f".{path.name}.journal")


class Journal:
    """The finished windows of one map; made by `create` or `resume`.

    Held by one process at a time; a killed process lets go of it by itself. Only the place of each record is kept in
    memory. To be used by one thread at a time, and as a context manager, which closes it.
    """

    def __init__(self, path: Path, descriptor: int, header: dict[str, Any], end: int) -> None:
        self.path = path
        self.header = header
        """Description of the map with which the journal was begun."""
        self.missing = self.unscored = 0
        """Pixels of the finished windows that were wanted but hold no data, or got no finite score."""
        self._descriptor = descriptor
        self._identity = os.fstat(descriptor)
        self._end = end
        self._offsets: dict[int, int] = {}
        self._synced = time.monotonic()

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether there is something to resume."""
        try:
            return path.stat().st_size > 0
        except OSError:
            return False

    @staticmethod
    def check_free(path: Path) -> None:
        """Refuse a journal that another process holds.

        Raises
        ------
        OutputError
            Another process is writing the map.
        """
        with _one_line(path, "cannot be read", _ANEW):
            let_go(_lock(path))

    @staticmethod
    def begun_to_overwrite(path: Path) -> bool:
        """Whether the map of a journal was begun with leave to replace an earlier one."""
        try:
            with path.open("rb") as file:
                header, _ = _read_header(path, file.fileno())
        except (OSError, OutputError):
            return False
        return header.get("overwrite") is True

    @staticmethod
    def tidy(path: Path) -> None:
        """Remove what a process that was killed while it began a journal has left; a journal with a header stays."""
        with suppress(OSError):
            try:
                descriptor = open_file(path, os.O_RDWR, follow=False)
            except FileNotFoundError:
                fresh_name(path).unlink(missing_ok=True)
                return
            try:
                if hold(descriptor, path):
                    fresh_name(path).unlink(missing_ok=True)
                    if not os.fstat(descriptor).st_size:
                        set_aside(descriptor)
                        path.unlink(missing_ok=True)
            finally:
                let_go(descriptor)

    @classmethod
    def create(cls, path: Path, header: Mapping[str, Any]) -> Self:
        """Begin a journal; an earlier one is replaced, in one step.

        Parameters
        ----------
        path
            See `journal_path`.
        header
            What decides the map, JSON-ready: e.g. fingerprints of scene and model, options, plan of the windows.

        Raises
        ------
        OutputError
            Another process is writing the map, the disk is full or the folder cannot be written to, or a file that is
            no journal has this name.
        """
        text = json.dumps(header, sort_keys=True).encode()
        start = _MAGIC + _HEADER.pack(len(text), zlib.crc32(text)) + text
        with _one_line(path, "cannot be begun", "choose a folder that is writable and has space left"):
            earlier = _lock(path, os.O_CREAT)
            try:
                kind = read_at(earlier, len(_KIND), 0)
                if kind and kind != _KIND:
                    raise OutputError(f"{path} is not a journal of hsiattn", "move it or give the map another name")
                descriptor = write_locked(path, start, earlier)
            except BaseException:
                if not os.fstat(earlier).st_size:
                    set_aside(earlier)
                    path.unlink(missing_ok=True)
                raise
            finally:
                let_go(earlier)
        return cls(path, descriptor, json.loads(text), len(start))

    @classmethod
    def resume(cls, path: Path, header: Mapping[str, Any]) -> Self:
        """Open the journal of a map that was interrupted, and cut off what is not sound at its end.

        Parameters
        ----------
        path, header
            As for `create`; entries that only the stored header has are not compared.

        Raises
        ------
        OutputError
            There is no journal, it is damaged, of another format or in use, or it was begun with another header.
        """
        with _one_line(path, "cannot be read", _ANEW):
            try:
                descriptor = _lock(path)
            except FileNotFoundError:
                raise OutputError(f"there is nothing of {_map_of(path)} to resume", "leave out resume=") from None
            try:
                stored, end = _read_header(path, descriptor)
                _compare(path, stored, json.loads(json.dumps(header)))
                journal = cls(path, descriptor, stored, end)
                journal._find_records()
                os.ftruncate(descriptor, journal._end)
            except BaseException:
                let_go(descriptor)
                raise
        return journal

    @property
    def finished(self) -> KeysView[int]:
        """Numbers of the finished windows."""
        return self._offsets.keys()

    def append(self, result: WindowResult) -> None:
        """Keep a finished window; where a window comes twice, the first counts.

        Raises
        ------
        OutputError
            The disk is full or gone; the journal holds the windows that came before.
        """
        if result.number in self._offsets:
            return
        record, start = encode(result), self._end
        after = start + len(record), self.missing + result.missing, self.unscored + result.unscored
        before = start, self.missing, self.unscored
        remedy = "make space and go on with resume=True"
        with _one_line(self.path, f"cannot grow; its {len(self._offsets)} finished windows are kept", remedy):
            try:
                write_at(self._descriptor, record, start)
                self._offsets[result.number] = start
                self._end, self.missing, self.unscored = after
                if time.monotonic() - self._synced >= _SYNC_SECONDS:
                    self.sync()
            except BaseException as error:
                # Ctrl-C may come between the write and the entry: a record that is there as a whole counts
                if not isinstance(error, OSError) and read_at(self._descriptor, len(record), start) == record:
                    self._offsets[result.number] = start
                    self._end, self.missing, self.unscored = after
                    raise
                self._offsets.pop(result.number, None)
                self._end, self.missing, self.unscored = before
                with suppress(OSError):
                    os.ftruncate(self._descriptor, start)
                raise

    def read(self, number: int) -> WindowResult:
        """A finished window.

        Raises
        ------
        KeyError
            The window is not finished.
        OutputError
            The record can no longer be read.
        """
        with self._reading():
            head, payload = self._head(number)
            return decode(head, lambda offset, length: self._fetch(payload + offset, length))

    def pieces(self, number: int, region: Window) -> Iterator[Piece]:
        """The parts of a finished window that overlap a region of the map and hold classified pixels.

        Pieces have at most 256 × 256 pixels and may reach beyond the region. Nothing else is read.

        Raises
        ------
        KeyError, OutputError
            As for `read`.
        """
        with self._reading():
            head, payload = self._head(number)
            yield from decode_pieces(head, lambda offset, length: self._fetch(payload + offset, length), region)

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        os.fsync(self._descriptor)
        self._synced = time.monotonic()

    def set_aside(self) -> None:
        """Read and write no more, but keep others away; then it can be deleted on systems that delete no open files."""
        set_aside(self._descriptor)

    def close(self) -> None:
        """Leave the journal to a later run; harmless when it is closed already."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.fsync(descriptor)
            let_go(descriptor)

    def remove(self) -> None:
        """Delete the journal, once the map is whole."""
        with _one_line(self.path, "cannot be deleted", "delete it by hand"), suppress(FileNotFoundError):
            if os.path.samestat(self._identity, self.path.stat()):  # else it is another run's by now
                if self._descriptor >= 0:
                    set_aside(self._descriptor)
                self.path.unlink()
        if self._descriptor >= 0:
            let_go(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find_records(self) -> None:
        """Index the records up to the first that is torn; one whose payload alone is damaged is passed over."""
        size = os.fstat(self._descriptor).st_size
        while head := RecordHead.unpack(read_at(self._descriptor, RecordHead.SIZE, self._end)):
            payload = self._end + RecordHead.SIZE
            if payload + head.length > size:
                break
            if head.number not in self._offsets and self._checksum(payload, head.length) == head.checksum:
                self._offsets[head.number] = self._end
                self.missing += head.missing
                self.unscored += head.unscored
            self._end = payload + head.length

    def _checksum(self, offset: int, length: int) -> int:
        checksum = 0
        for start in range(0, length, _CHUNK):
            checksum = zlib.crc32(read_at(self._descriptor, min(_CHUNK, length - start), offset + start), checksum)
        return checksum

    def _head(self, number: int) -> tuple[RecordHead, int]:
        """The head of a record, and where its payload begins."""
        offset = self._offsets[number]
        head = RecordHead.unpack(self._fetch(offset, RecordHead.SIZE))
        if head is None:
            raise ValueError(f"window {number} is damaged")
        return head, offset + RecordHead.SIZE

    def _fetch(self, offset: int, length: int) -> bytes:
        return _read(self._descriptor, offset, length)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with _one_line(self.path, "cannot be read", _ANEW):
            try:
                yield
            except (ValueError, zlib.error) as error:
                raise OSError(f"it is damaged: {error}") from error


def _map_of(path: Path) -> Path:
    return path.with_name(path.name.removeprefix(".").removesuffix(".journal"))


def _lock(path: Path, flags: int = 0) -> int:
    """Open a journal for this process alone."""
    while True:
        descriptor = open_file(path, os.O_RDWR | flags)
        try:
            hold(descriptor, path)
            # whoever held it before may have replaced or deleted the file between our opening and our locking it
            with suppress(FileNotFoundError):
                if is_same(descriptor, path):
                    return descriptor
        except BlockingIOError:
            let_go(descriptor)
            raise OutputError(
                f"another hsiattn is writing {_map_of(path)}", "wait until it has finished or give another name"
            ) from None
        let_go(descriptor)


def _read(descriptor: int, offset: int, length: int) -> bytes:
    content = read_at(descriptor, length, offset)
    while len(content) < length:  # the kernel reads at most 2 GiB at a time
        more = read_at(descriptor, length - len(content), offset + len(content))
        if not more:
            raise ValueError("it ends too early")
        content += more
    return content


def _read_header(path: Path, descriptor: int) -> tuple[dict[str, Any], int]:
    """The header, and where the first record begins."""
    start = read_at(descriptor, len(_MAGIC) + _HEADER.size, 0)
    if not start:
        raise OutputError(f"there is nothing of {_map_of(path)} to resume", "leave out resume=")
    if not start.startswith(_KIND):
        raise OutputError(f"{path} is not a journal of hsiattn", "move it or give the map another name")
    if len(start) == len(_MAGIC) + _HEADER.size and not start.startswith(_MAGIC):
        raise OutputError(f"the journal {path} was written by another version of hsiattn", _ANEW)
    with suppress(struct.error, ValueError):
        length, checksum = _HEADER.unpack_from(start, len(_MAGIC))
        text = _read(descriptor, len(start), min(length, os.fstat(descriptor).st_size))
        if zlib.crc32(text) == checksum:
            return dict(json.loads(text)), len(start) + length
    raise OutputError(f"the header of the journal {path} is damaged", _ANEW)


def _compare(path: Path, stored: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse to go on with another scene, model or option, and say which and how it differs."""
    changes = header_changes(stored, given)
    if not changes:
        return
    told = [f"{name} {then} → {now}" for name, (then, now) in changes.items()]
    more = f" and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    subjects = dict.fromkeys(name.split(": ")[0] for name in changes)
    raise OutputError(
        f"{_map_of(path)} cannot be resumed, something has changed since it was begun: {', '.join(told[:_TOLD])}{more}",
        f"leave out resume= to start again, or give the same {', '.join(subjects)}",
    )


@contextmanager
def _one_line(path: Path, problem: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"the journal {path} {problem} ({reason})", remedy) from error
