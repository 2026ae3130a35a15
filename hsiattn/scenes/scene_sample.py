"""A sample of a scene's pixels, from a bounded number of small windows that are spread over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes import SceneSource
from hsiattn.scenes.tiles import read_measured

ROWS, COLUMNS = 6, 24
"""Shape of a window: few rows, because most files store a scene row by row."""
_ENOUGH = 32
"""Windows with data that make a sample."""
_MOST = 128
"""Windows that are read where many hold no data."""
_FEWEST = 8
_BYTES, _SHARE = 16 * 10**6, 1 / 40
"""Part of the scene's blocks that is always decoded, and the share of all of them beyond it."""
_GOLDEN = (0.7548776662466927, 0.5698402909980532)
"""Steps of the R2 sequence (Roberts 2018), which spreads any number of points evenly over a square."""


@dataclass(frozen=True, eq=False)
class SceneSample:
    """Pixels of a scene.

    Attributes
    ----------
    values
        (N, B) as stored, of the bands asked for.
    measured
        (N, B), True where a value is there.
    """

    values: NDArray[Any]
    measured: NDArray[np.bool_]

    @property
    def complete(self) -> NDArray[Any]:
        """(n, B) values of the pixels that hold data in all bands."""
        return np.asarray(self.values[self.measured.all(axis=1)])


def sample_scene(
    source: SceneSource,
    bands: NDArray[np.int64],
    *,
    area: Window | None = None,
    wanted: Callable[[Window], NDArray[np.bool_]] | None = None,
) -> SceneSample:
    """A few thousand pixels of a scene, the same ones every time.

    Parameters
    ----------
    bands
        Indices of the bands to read.
    area
        The part that is looked at; None for all of it.
    wanted
        Which pixels (h, w) of a window count; None for all.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    area = area or source.extent
    values, measured, with_data = [], [], 0
    enough = _windows_within_reason(source, len(bands))
    with source.kept_open():
        for number, window in enumerate(_spread_windows(area)):
            if with_data >= enough or number >= _MOST * enough // _ENOUGH:
                break
            chosen = None if wanted is None else wanted(window)
            if chosen is not None and not chosen.any():
                continue
            cube, there = read_measured(source, window, bands)
            chosen = np.ones(cube.shape[1:], dtype=bool) if chosen is None else chosen
            values.append(cube[:, chosen].T)
            measured.append(there[:, chosen].T)
            with_data += bool(measured[-1].all(axis=1).any())
    if not values:
        return SceneSample(np.empty((0, len(bands)), source.dtype), np.empty((0, len(bands)), dtype=bool))
    return SceneSample(np.concatenate(values), np.concatenate(measured))


def _windows_within_reason(source: SceneSource, bands: int) -> int:
    """How many windows may be read: each costs the decoding of a block at least, however large that is."""
    rows, columns = source.block
    pixels = max(rows * columns, ROWS * COLUMNS)
    block = pixels * bands * source.dtype.itemsize
    of_scene = source.height * source.width * bands * source.dtype.itemsize
    return int(np.clip(max(_BYTES, _SHARE * of_scene) // block, _FEWEST, _ENOUGH))


def spread_cells(down: int, across: int, tries: int) -> Iterator[tuple[int, int]]:
    """Row and column of cells of a table, each once, spread over it whenever one stops; all of it if tries allow."""
    given: set[tuple[int, int]] = set()
    place = np.array([0.5, 0.5])
    for _ in range(tries):
        if len(given) == down * across:
            return
        cell = int(place[0] * down), int(place[1] * across)
        place = (place + _GOLDEN) % 1.0
        if cell not in given:
            given.add(cell)
            yield cell


def _spread_windows(area: Window) -> Iterator[Window]:
    """Windows without overlap at places spread over an area, until all of it has been given."""
    rows, columns = min(ROWS, int(area.height)), min(COLUMNS, int(area.width))
    down, across = -(-int(area.height) // rows), -(-int(area.width) // columns)
    for i, j in spread_cells(down, across, 8 * _MOST):
        top, left = i * rows, j * columns
        yield Window(
            int(area.col_off) + left,
            int(area.row_off) + top,
            min(columns, int(area.width) - left),
            min(rows, int(area.height) - top),
        )
