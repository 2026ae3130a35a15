"""Windows in which a raster of any size is gone through once, with bounded memory and at the speed of reading."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rasterio.windows import Window

PIXELS_AT_ONCE = 2**22
"""Pixels of a window, where nothing else decides: few enough to stay in the caches of a processor's cores."""


def block_windows(
    height: int, width: int, blocks: Sequence[tuple[int, int]] = ((1, 1),), pixels: int = PIXELS_AT_ONCE
) -> Iterator[Window]:
    """Windows that cover a raster row by row without overlap, made of whole blocks as far as they may be that large.

    Parameters
    ----------
    height, width
        Size of the raster.
    blocks
        Rows and columns of the blocks of every file that is read at the same windows.
    pixels
        Most pixels of a window, 1 or more. A window is as wide as the raster where that leaves room for whole blocks.
    """
    tallest = min(max(rows for rows, _ in blocks), height)
    broadest = min(max(columns for _, columns in blocks), width)
    tall = tallest if tallest * broadest <= pixels else max(1, pixels // broadest)
    columns = _steps(width, broadest, max(1, pixels // tall))
    rows = _steps(height, tall, max(1, pixels // columns))
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield Window(left, top, min(columns, width - left), min(rows, height - top))


def _steps(size: int, block: int, most: int) -> int:
    """How far apart windows begin: all of `size`, else whole blocks, else as many pixels as fit."""
    if size <= most:
        return size
    return most if block > most else math.floor(most / block) * block


def with_halo(window: Window, halo: int, height: int, width: int) -> Window:
    """A window and `halo` pixels around it, as far as the raster reaches."""
    (top, bottom), (left, right) = window.toranges()
    return Window.from_slices(
        (max(top - halo, 0), min(bottom + halo, height)), (max(left - halo, 0), min(right + halo, width))
    )
