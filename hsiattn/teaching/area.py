"""The part of a scene around its labels: spectra, and which pixels are neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy import sparse

from hsiattn.sampling import read_tile
from hsiattn.scenes import SceneSource

_SIDE = 32
"""Side in pixels of the tiles that a large scene is seen in: wide enough for fields, small enough to have many."""
_REACH = 8
"""Rows and columns, at most, between pixels that are asked about as neighbours."""


@dataclass(frozen=True, eq=False)
class TeachingArea:
    """N pixels with a measurement, from one or several rectangles of a scene.

    Attributes
    ----------
    positions
        (N, 2) int64, row and column in the scene.
    spectra
        (N, B) float32, reflectance.
    places
        (N, 2) int64, row and column on a sheet where the rectangles lie apart, so that none touches another.
    """

    positions: NDArray[np.int64]
    spectra: NDArray[np.float32]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def indices_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Index in the area of every pixel at positions (M, 2) of the scene; -1 for those outside."""
        found = {(row, column): index for index, (row, column) in enumerate(self.positions.tolist())}
        return np.array([found.get((row, column), -1) for row, column in positions.tolist()], dtype=np.int64)

    def pairs(self, offsets: list[tuple[int, int]]) -> NDArray[np.int64]:
        """(E, 2) indices of all pixels and those that lie so many rows and columns from them."""
        found = []
        for down, right in offsets:
            there = self._numbers[tuple((self.places + np.array([_REACH + down, _REACH + right])).T)]
            found.append(np.column_stack([np.flatnonzero(there >= 0), there[there >= 0]]))
        return np.concatenate(found)

    @cached_property
    def neighbours(self) -> NDArray[np.int64]:
        """(E, 2) indices of pixels that touch by a side or a corner, each pair once."""
        return self.pairs([(0, 1), (1, 0), (1, 1), (1, -1)])

    @cached_property
    def side_neighbours(self) -> NDArray[np.int64]:
        """(E, 2) indices of pixels that share a side, each pair once."""
        return self.pairs([(0, 1), (1, 0)])

    def window_mean(self, values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Mean of values (N, M) over the measured pixels of the window of size × size pixels around every pixel."""
        reach = range(-(size // 2), size // 2 + 1)
        near, there = self.pairs(list(product(reach, reach))).T
        count = len(self)
        window = sparse.csr_array((np.ones(len(near), np.float32), (near, there)), shape=(count, count))
        return np.asarray((window @ values) / np.bincount(near, minlength=count)[:, None], dtype=np.float32)

    @cached_property
    def _numbers(self) -> NDArray[np.int64]:
        """Index of the pixel at every place of the sheet, -1 where there is none."""
        sheet = np.full(self.places.max(axis=0) + 1 + 2 * _REACH, -1, dtype=np.int64)
        sheet[tuple((self.places + _REACH).T)] = np.arange(len(self))
        return sheet


def read_area(
    source: SceneSource, bands: NDArray[np.int64], labelled: NDArray[np.int64], targets: NDArray[np.int64], *, most: int
) -> TeachingArea:
    """The whole scene where it has at most so many pixels, else tiles of it in which all classes are labelled.

    Parameters
    ----------
    bands
        Indices of the bands to read.
    labelled, targets
        Row and column (M, 2), and class index (M,), of the labelled pixels that the area is for.
    most
        Pixels of the area, at most.
    """
    if source.height * source.width <= most:
        windows = [Window(0, 0, source.width, source.height)]
    else:
        windows = _tiles_with_labels(source, labelled, targets, max(1, most // _SIDE**2))
    positions, spectra, places = [], [], []
    below = 0
    for window in windows:
        tile = read_tile(source, window, 0, bands, "reflect")
        inside = np.argwhere(tile.valid)
        positions.append(inside + np.array([int(window.row_off), int(window.col_off)]))
        spectra.append((tile.values[:, tile.valid].T / np.float64(source.scale)).astype(np.float32))
        places.append(inside + np.array([below, 0]))
        below += int(window.height) + 2 * _REACH
    return TeachingArea(np.concatenate(positions), np.concatenate(spectra), np.concatenate(places))


def _tiles_with_labels(
    source: SceneSource, labelled: NDArray[np.int64], targets: NDArray[np.int64], most: int
) -> list[Window]:
    """So many tiles, or as many as it takes to see every class, chosen one by one.

    First, for every class, the one that holds most of it; then those that add most to the classes with least so far.
    """
    across = -(-source.width // _SIDE)
    tile_of = labelled[:, 0] // _SIDE * across + labelled[:, 1] // _SIDE
    tiles, members = np.unique(tile_of, return_inverse=True)
    counts = np.zeros((len(tiles), int(targets.max()) + 1))
    np.add.at(counts, (members, targets), 1.0)
    chosen: list[int] = []
    for k in np.unique(targets):
        if not counts[chosen, k].any():
            chosen.append(int(counts[:, k].argmax()))
    while len(chosen) < min(most, len(tiles)):
        worth = counts @ (1.0 / (1.0 + counts[chosen].sum(axis=0)))
        worth[chosen] = -1.0
        chosen.append(int(worth.argmax()))
    corners = [divmod(int(tiles[number]), across) for number in sorted(chosen)]
    return [
        Window.from_slices(
            (row * _SIDE, min((row + 1) * _SIDE, source.height)),
            (column * _SIDE, min((column + 1) * _SIDE, source.width)),
        )
        for row, column in corners
    ]
