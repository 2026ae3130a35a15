"""Reading a window of a scene together with the halo that its patches reach into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import SceneSource


@dataclass(frozen=True, eq=False)
class Tile:
    """A window with its halo.

    Attributes
    ----------
    values
        (B, H, W) as stored, of the bands asked for; H and W are the window's plus twice the halo.
    valid
        (H, W), True where all these bands hold a measurement and the scene's mask leaves the pixel in.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_]


def tile_windows(height: int, width: int, size: int) -> Iterator[Window]:
    """Windows of at most size × size pixels that cover a raster row by row, without overlap."""
    for row in range(0, height, size):
        for column in range(0, width, size):
            yield Window(column, row, min(size, width - column), min(size, height - row))


def read_tile(
    source: SceneSource, window: Window, halo: int, bands: NDArray[np.int64], edge: Literal["reflect", "zero"]
) -> Tile:
    """Read a window and `halo` pixels around it.

    Beyond the scene's edge the tile is the scene mirrored at the edge pixels (`reflect`, edge pixels not repeated), or
    missing (`zero`).

    Raises
    ------
    SceneError
        The scene is smaller than the patch, or cannot be read.
    """
    check_size(source, halo)
    top, left = int(window.row_off) - halo, int(window.col_off) - halo
    bottom, right = top + int(window.height) + 2 * halo, left + int(window.width) + 2 * halo
    inside = Window.from_slices((max(top, 0), min(bottom, source.height)), (max(left, 0), min(right, source.width)))
    values = source.read_bands(inside, bands.tolist())
    valid = source.complete(values, source.masked(inside), bands.tolist())
    beyond = (
        (max(-top, 0), max(bottom - source.height, 0)),
        (max(-left, 0), max(right - source.width, 0)),
    )
    if any(map(any, beyond)):
        if edge == "reflect":
            values = np.pad(values, ((0, 0), *beyond), mode="reflect")
            valid = np.pad(valid, beyond, mode="reflect")
        else:
            values = np.pad(values, ((0, 0), *beyond))
            valid = np.pad(valid, beyond)
    return Tile(values, valid)


def read_measured(
    source: SceneSource, window: Window, bands: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Stored values of some bands of a window, (B, h, w), and where each of them is a measurement.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    values = source.read_bands(window, bands.tolist())
    return values, source.measured(values, source.masked(window), bands.tolist())


def check_size(source: SceneSource, halo: int) -> None:
    """Refuse, with a `SceneError`, a scene in which no patch of 2 · halo + 1 pixels has room."""
    side = 2 * halo + 1
    if min(source.height, source.width) < side:
        raise SceneError(
            f"{source.name} has {source.height} × {source.width} pixels, fewer than the patch of {side} × {side}",
            "use a larger scene, or train with a smaller patch: patch_size=5",
        )
