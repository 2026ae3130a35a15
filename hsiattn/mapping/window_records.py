"""Finished windows as bytes: what stands in the journal of a map.

A record is a head of fixed size and a payload. The payload holds the arrays of the window in pieces, cut where the rows
and columns of the *map* are multiples of 256, each compressed by itself: the final raster is written in blocks of that
size, so every piece is decoded once and no window need be held as a whole, be it a strip across a scene of 100 000
columns. Pieces without a classified pixel take no bytes, nor does the payload of a window without one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.mapping.results import Seconds, WindowResult

PIECE = 256
"""Rows and columns of a piece, in pixels of the map."""

Piece = tuple[Window, NDArray[np.unsignedinteger[Any]], NDArray[np.float32]]
"""Place on the map; values (h, w); confidence and class probabilities (planes, h, w), of which there may be none."""

_MARK = b"HSIW"
_FRAME = struct.Struct("<4sI")  # mark, CRC-32 of the rest of the head
_FIELDS = struct.Struct("<QIIIIBBIQQdddQI")
_LENGTHS = np.dtype("<u4")


@dataclass(frozen=True)
class RecordHead:
    """Head of a record.

    Attributes
    ----------
    number, window, missing, unscored, seconds
        As in `WindowResult`.
    itemsize
        Bytes of a value, 1 or 2.
    confidence
        Whether the window has one.
    classes
        Class probabilities per pixel, 0 where there are none.
    length, checksum
        Bytes of the payload and their CRC-32.
    """

    number: int
    window: Window
    itemsize: int
    confidence: bool
    classes: int
    missing: int
    unscored: int
    seconds: Seconds
    length: int
    checksum: int

    SIZE = _FRAME.size + _FIELDS.size

    def pack(self) -> bytes:
        """The head as bytes."""
        edges = (int(edge) for edge in self.window.flatten())
        seconds = self.seconds.reading, self.seconds.preparing, self.seconds.computing
        fields = _FIELDS.pack(
            self.number, *edges, self.itemsize, self.confidence, self.classes, self.missing, self.unscored,
            *seconds, self.length, self.checksum,
        )  # fmt: skip
        return _FRAME.pack(_MARK, zlib.crc32(fields)) + fields

    @classmethod
    def unpack(cls, head: bytes) -> Self | None:
        """The inverse of `pack`; None where these bytes are not a whole and sound head."""
        if len(head) != cls.SIZE or _FRAME.unpack_from(head) != (_MARK, zlib.crc32(head[_FRAME.size :])):
            return None
        *counts, reading, preparing, computing, length, checksum = _FIELDS.unpack_from(head, _FRAME.size)
        number, *edges, itemsize, confidence, classes, missing, unscored = counts
        seconds = Seconds(reading, preparing, computing)
        return cls(
            number, Window(*edges), itemsize, bool(confidence), classes, missing, unscored, seconds, length, checksum
        )

    @property
    def planes(self) -> int:
        """Measures per pixel: confidence and class probabilities."""
        return int(self.confidence) + self.classes


def encode(result: WindowResult) -> bytes:
    """The record of a window, head and payload.

    Confidence and probabilities are kept where a piece holds a classified pixel; elsewhere they are NaN by contract.
    """
    planes = [] if result.confidence is None else [result.confidence[None]]
    planes += [] if result.probabilities is None else [result.probabilities]
    streams: list[bytes] = []
    for place in _pieces(result.window):
        here = _inside(place, result.window)
        values = result.values[here]
        classified = bool(values.any())
        measures = [plane[(slice(None), *here)] for plane in planes] if classified else []
        streams.append(_compress(values) if classified else b"")
        streams.append(_compress(np.concatenate(measures, dtype=np.float32)) if measures else b"")
    lengths = np.array([len(stream) for stream in streams], dtype=_LENGTHS)
    payload = b"".join([lengths.tobytes(), *streams]) if lengths.any() else b""
    head = RecordHead(
        number=result.number,
        window=result.window,
        itemsize=result.values.dtype.itemsize,
        confidence=result.confidence is not None,
        classes=0 if result.probabilities is None else len(result.probabilities),
        missing=result.missing,
        unscored=result.unscored,
        seconds=result.seconds,
        length=len(payload),
        checksum=zlib.crc32(payload),
    )
    return head.pack() + payload


def decode(head: RecordHead, fetch: Callable[[int, int], bytes]) -> WindowResult:
    """The whole window of a record; `fetch` as for `decode_pieces`."""
    shape = int(head.window.height), int(head.window.width)
    values = np.zeros(shape, dtype=f"u{head.itemsize}")
    measures = np.full((head.planes, *shape), np.nan, dtype=np.float32)
    for place, of_classes, of_measures in decode_pieces(head, fetch, head.window):
        here = _inside(place, head.window)
        values[here] = of_classes
        measures[(slice(None), *here)] = of_measures
    return WindowResult(
        number=head.number,
        window=head.window,
        values=values,
        confidence=measures[0] if head.confidence else None,
        probabilities=measures[int(head.confidence) :] if head.classes else None,
        missing=head.missing,
        unscored=head.unscored,
        seconds=head.seconds,
    )


def decode_pieces(head: RecordHead, fetch: Callable[[int, int], bytes], region: Window) -> Iterator[Piece]:
    """The pieces of a record that overlap a region of the map and hold classified pixels.

    Parameters
    ----------
    fetch
        `fetch(offset, length)` gives that part of the payload.

    Raises
    ------
    ValueError, zlib.error
        The payload is damaged.
    """
    if not head.length:
        return
    places = list(_pieces(head.window))
    lengths = np.frombuffer(fetch(0, 2 * len(places) * _LENGTHS.itemsize), dtype=_LENGTHS).astype(np.int64)
    offsets = lengths.size * _LENGTHS.itemsize + np.cumsum(lengths) - lengths
    for index, place in enumerate(places):
        of_values, of_measures = int(lengths[2 * index]), int(lengths[2 * index + 1])
        if not of_values or not _overlap(place, region):
            continue
        stream = fetch(int(offsets[2 * index]), of_values + of_measures)
        shape = int(place.height), int(place.width)
        values = _decompress(stream[:of_values], np.dtype(f"<u{head.itemsize}"), shape)
        measures = np.empty((0, *shape), dtype=np.float32)
        if of_measures:
            measures = _decompress(stream[of_values:], np.dtype("<f4"), (head.planes, *shape))
        yield place, values, measures


def _pieces(window: Window) -> Iterator[Window]:
    left, top, width, height = (int(edge) for edge in window.flatten())
    for row, rows in _stretches(top, height):
        for column, columns in _stretches(left, width):
            yield Window(column, row, columns, rows)


def _stretches(start: int, length: int) -> Iterator[tuple[int, int]]:
    """Beginnings and lengths of what is left of a stretch when it is cut at the multiples of PIECE."""
    end = start + length
    while start < end:
        cut = min(end, (start // PIECE + 1) * PIECE)
        yield start, cut - start
        start = cut


def _inside(place: Window, window: Window) -> tuple[slice, slice]:
    rows, columns = Window(
        place.col_off - window.col_off, place.row_off - window.row_off, place.width, place.height
    ).toslices()
    return rows, columns


def _overlap(one: Window, other: Window) -> bool:
    return bool(
        one.col_off < other.col_off + other.width
        and other.col_off < one.col_off + one.width
        and one.row_off < other.row_off + other.height
        and other.row_off < one.row_off + one.height
    )


def _compress(array: NDArray[Any]) -> bytes:
    """Deflated at the quickest level, first all lowest bytes, then all second ones …

    That order makes float32 probabilities a tenth smaller and half again as quick to deflate.
    """
    size = array.dtype.itemsize
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)
    return zlib.compress(np.ascontiguousarray(plain.reshape(-1, size).T).data, 1)


def _decompress(stream: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    plain = np.frombuffer(zlib.decompress(stream), dtype=np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(plain.T).view(dtype).reshape(shape)
