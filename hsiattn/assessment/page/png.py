"""Rasters of few values as PNG pictures, from which a script can read the values back exactly.

A browser may change colours on the way to a script, so the viewer takes the values from the file itself: it unpacks the
one IDAT chunk, in which every row is preceded by filter 0 and has one byte per pixel.

Source: PNG Specification, Third Edition (W3C 2025).
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def palette_png(values: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """A PNG with 8 bits per pixel, which are places in a palette.

    Parameters
    ----------
    values
        (h, w), places in the palette.
    palette
        (n, 4) red, green, blue and opacity of at most 256 colours.

    Raises
    ------
    ValueError
        A value is beyond the palette, or shapes do not fit.
    """
    if values.ndim != 2 or not values.size or palette.ndim != 2 or palette.shape[1] != 4 or len(palette) > 256:
        raise ValueError("a picture needs two dimensions, a palette at most 256 colours of four parts")
    if int(values.max()) >= len(palette):
        raise ValueError(f"the value {int(values.max())} is beyond a palette of {len(palette)} colours")
    height, width = values.shape
    rows = np.zeros((height, width + 1), dtype=np.uint8)  # a leading 0: no filter
    rows[:, 1:] = values
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, palette, no interlacing
    chunks = [
        _chunk(b"IHDR", header),
        _chunk(b"PLTE", np.ascontiguousarray(palette[:, :3]).tobytes()),
        _chunk(b"tRNS", np.ascontiguousarray(palette[:, 3]).tobytes()),
        _chunk(b"IDAT", _deflated(rows.tobytes())),
        _chunk(b"IEND", b""),
    ]
    return _SIGNATURE + b"".join(chunks)


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """A file as an address that holds its content.

    >>> data_uri(b"abc")
    'data:image/png;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _deflated(content: bytes) -> bytes:
    """Content in zlib's format, by the shorter of two ways: repeated strings only lengthen what is noise."""
    ways = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY):
        packer = zlib.compressobj(level=6, strategy=strategy)
        ways.append(packer.compress(content) + packer.flush())
    return min(ways, key=len)
